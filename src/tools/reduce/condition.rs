//! `--while EXPR`: the expression that says what the fault is.

use crate::session::{
    Diagnostic, Diagnostics, Expression, RenderError, ReplyFacts, Scope, SessionFacts, SourceMap, Span, Templates,
    Value, closest_name,
};
use std::sync::Arc;

/// The name of the expression in errors.
const OPTION: &str = "--while";

/// The names of an expression.
const NAMES: [&str; 6] = ["status", "failed", "closed", "reply", "step", "session"];

/// The attributes of `step`.
const STEP_ATTRIBUTES: [&str; 3] = ["name", "number", "command"];

/// The state of a session after a step, as an expression sees it.
#[derive(Clone, Debug, Default)]
pub struct StepState {
    /// The exit status of the session so far.
    pub status: u8,
    /// The step failed with this reply, or without one.
    pub failed: bool,
    /// The server closed the connection, other than after its reply to QUIT.
    pub closed: bool,
    pub reply: Option<ReplyFacts>,
    /// The step's name, or what results show instead.
    pub name: String,
    /// The step's number in the session that is reduced.
    pub number: usize,
    /// The verb of the command that the reply answers: `RCPT`.
    pub command: Option<String>,
    pub session: SessionFacts,
}

/// A compiled expression.
pub struct FaultCondition {
    templates: Templates,
    expression: Expression,
    sources: SourceMap,
}

impl FaultCondition {
    /// Compiles an expression.
    ///
    /// # Errors
    /// If it is no expression, or uses a name that there is not.
    pub fn compile(source: &str) -> Result<Self, Diagnostics> {
        let mut sources = SourceMap::default();
        let span = Span { file: sources.add(OPTION, source), bytes: 0..source.len() };
        let mut templates = Templates::new();
        let (expression, mut list) = match Expression::compile(source, span, source, &mut templates) {
            Ok(expression) => (Some(expression), Vec::new()),
            Err(errors) => (errors.recovered, errors.diagnostics),
        };
        if let Some(expression) = &expression {
            list.extend(unknown_names(expression, &templates));
        }
        match expression {
            Some(expression) if list.is_empty() => Ok(Self { templates, expression, sources }),
            _ => Err(Diagnostics { list, sources }),
        }
    }

    /// The expression on one line.
    pub fn source(&self) -> String {
        self.expression.source.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether the expression asks how the session or a step ended. Then any failure could make it true.
    pub fn is_about_failure(&self) -> bool {
        let names = self.expression.names(&self.templates);
        names.iter().any(|name| name == "failed" || name == "status")
    }

    /// Whether the expression is true. What there is no reply for is false. `scope` is for one session.
    ///
    /// # Errors
    /// If the expression cannot be evaluated, such as for a comparison of a text with a number.
    pub fn holds(&self, state: &StepState, scope: &mut Scope) -> Result<bool, RenderError> {
        let text = |text: &str| Value::Text(text.to_owned());
        scope.set("status", Value::Integer(state.status.into()));
        scope.set("failed", Value::Boolean(state.failed));
        scope.set("closed", Value::Boolean(state.closed));
        let step = vec![
            (Arc::from("name"), text(&state.name)),
            (Arc::from("number"), Value::Integer(i64::try_from(state.number).unwrap_or(i64::MAX))),
            (Arc::from("command"), state.command.as_deref().map_or(Value::None, text)),
        ];
        scope.set("step", Value::Table(step));
        scope.set_reply(state.reply.clone());
        scope.set_session(state.session.clone());
        match self.expression.evaluate_assert(&self.templates, scope) {
            Ok(evaluation) => Ok(evaluation.holds),
            Err(error) if state.reply.is_none() && is_about_reply(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// An error of [`Self::holds`] as it is printed.
    pub fn diagnostics(&self, error: &RenderError) -> Diagnostics {
        let list = vec![Diagnostic::error(error.span.clone(), error.message.clone())];
        Diagnostics { list, sources: self.sources.clone() }
    }
}

fn is_about_reply(error: &RenderError) -> bool {
    let undefined = error.undefined.as_deref().unwrap_or_default();
    undefined.split(['.', '[']).next() == Some("reply")
}

/// Names and attributes of `step` that there are not.
fn unknown_names(expression: &Expression, templates: &Templates) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, span) in expression.names_at(templates) {
        if !NAMES.contains(&name.as_str()) {
            found.push(unknown(span, &format!("nothing defines the name \"{name}\""), &name, &NAMES));
        }
    }
    for range in expression.paths() {
        let mut path = expression.source[range.clone()].split(['.', '[']);
        if let (Some("step"), Some(attribute)) = (path.next(), path.next())
            && !attribute.ends_with(']')
            && !STEP_ATTRIBUTES.contains(&attribute)
        {
            let start = range.start + "step.".len();
            let span = Span { file: expression.span.file, bytes: start..start + attribute.len() };
            found.push(unknown(span, &format!("\"step\" has no \"{attribute}\""), attribute, &STEP_ATTRIBUTES));
        }
    }
    found
}

fn unknown(span: Span, message: &str, typed: &str, known: &[&str]) -> Diagnostic {
    let error = Diagnostic::error(span, message);
    match closest_name(typed, known.iter().copied()) {
        Some(meant) => error.with_label(format!("did you mean \"{meant}\"?")),
        None => error.with_help(format!("known names: {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::HostEnvironment;
    use crate::smtp::reply::ReplyParser;
    use std::time::Duration;

    fn scope() -> Scope {
        let host = HostEnvironment {
            now: Arc::new(|| jiff::Timestamp::UNIX_EPOCH),
            hostname: String::new(),
            zone: jiff::tz::TimeZone::UTC,
        };
        Scope::new(None, host)
    }

    fn state() -> StepState {
        let reply = ReplyParser::default().line(b"503 5.5.1 bad sequence").expect("a reply").expect("a whole one");
        StepState {
            status: 1,
            failed: true,
            reply: Some(ReplyFacts { reply, elapsed: Duration::ZERO }),
            name: "second".to_owned(),
            number: 7,
            command: Some("RCPT".to_owned()),
            ..StepState::default()
        }
    }

    #[test]
    fn an_expression_sees_the_state_after_a_step() {
        for (source, holds) in [
            ("status == 1", true),
            ("failed and step.command == 'RCPT'", true),
            ("failed and step.command == \"DATA\"", false),
            ("reply.code == 503", true),
            ("reply.code == 503 and\n  reply.text is matching('sequence')", true),
            ("reply.enhanced == '5.5.1'", true),
            ("reply.lines[4] == 'x'", false),
            ("closed", false),
            ("step.name == 'second' and step.number == 7", true),
            ("step['number'] > 7", false),
            ("session.sent > 0", false),
            ("not failed", false),
        ] {
            let condition = FaultCondition::compile(source).map_err(|errors| errors.render(false)).expect(source);
            assert_eq!(condition.holds(&state(), &mut scope()).ok(), Some(holds), "{source}");
        }
    }

    #[test]
    fn without_a_reply_and_a_command_what_is_said_of_them_is_false() {
        let state = StepState { reply: None, command: None, ..state() };
        for (source, holds) in [
            ("reply.code == 503", false),
            ("reply.lines[0] == ''", false),
            ("step.command == 'RCPT'", false),
            ("failed", true),
        ] {
            let condition = FaultCondition::compile(source).map_err(|errors| errors.render(false)).expect(source);
            assert_eq!(condition.holds(&state, &mut scope()).ok(), Some(holds), "{source}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (source, parts) in [
            (
                "statsu == 1",
                &["--while:1:1: error", "nothing defines the name \"statsu\"", "did you mean \"status\"?"][..],
            ),
            (
                "failed and step.comand == 'RCPT'",
                &["--while:1:17: error", "\"step\" has no \"comand\"", "did you mean \"command\"?"],
            ),
            ("failed and\nrepyl.code == 1", &["--while:2:1: error", "did you mean \"reply\"?"]),
            ("reply.cod == 1", &["--while:1:7: error", "did you mean \"code\"?"]),
            ("ehlo.size == 1", &["known names: status, failed, closed, reply, step, session"]),
            ("failed and", &["--while:1:", "error"]),
            ("", &["error"]),
        ] {
            let errors = FaultCondition::compile(source).err().unwrap_or_else(|| panic!("{source} is no mistake"));
            let text = errors.render(false);
            parts.iter().for_each(|part| assert!(text.contains(part), "{source}: {part} is not in\n{text}"));
        }
    }
}
