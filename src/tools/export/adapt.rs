//! Changes a session so that it can be recorded: secrets become tokens, and any reply with the right code passes.

use super::error::ExportError;
use super::recorded_dialogue::AwaitedReply;
use super::secret_pieces::SecretToken;
use super::server_offers::ServerOffers;
use super::variable_names::{environment_name, is_shell_name, script_variable};
use crate::session::{
    Action, AuthSettings, Expectation, Expression, Place, ReplyPattern, Scheme, Scope, Server, Session, Span,
    StarttlsMode, StarttlsPolicy, Step, Template, Value, ValueSource, Variable, Visitor,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// How the server in memory answers a step.
#[derive(Clone, Debug)]
pub struct StepPlan {
    /// Its number, and its place: members of a group have the group's number.
    pub number: usize,
    pub place: Place,
    pub kind: PlanKind,
    /// What is expected, in order.
    pub expects: Vec<PlannedAnswer>,
}

/// Whose replies are planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanKind {
    /// Each reply is in the list.
    Listed,
    /// The commands decide: `login`, `auth` and `message`.
    ByCommand,
}

/// What the server in memory does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlannedAnswer {
    Reply(AwaitedReply),
    Close(Duration),
    Silence(Duration),
    Line,
}

/// Every step of the session.
pub fn plan(session: &Session) -> Vec<StepPlan> {
    let mut plans = Vec::new();
    let top = session.sections().into_iter().flatten();
    for (index, step) in top.enumerate() {
        add_plan(session, step, index + 1, &mut plans);
    }
    plans
}

fn add_plan(session: &Session, step: &Step, number: usize, plans: &mut Vec<StepPlan>) {
    if let Action::Steps(members) = &step.action {
        members.iter().for_each(|member| add_plan(session, member, number, plans));
        return;
    }
    let planned = |step: &Step, within: Option<Duration>| {
        step.expect.as_ref().map(|expect| answer(session, expect, step.timeout.or(within)))
    };
    let expects = match &step.action {
        Action::Pipeline(members) => members.iter().filter_map(|member| planned(member, step.timeout)).collect(),
        _ => planned(step, None).into_iter().collect(),
    };
    let kind = match &step.action {
        Action::Login | Action::Auth(_) | Action::Message(_) => PlanKind::ByCommand,
        _ => PlanKind::Listed,
    };
    plans.push(StepPlan { number, place: session.source_map.place(&step.span), kind, expects });
}

fn answer(session: &Session, expect: &Expectation, timeout: Option<Duration>) -> PlannedAnswer {
    let mut reply = AwaitedReply { timeout: timeout.or(session.timeout), ..AwaitedReply::default() };
    for pattern in &expect.any_of {
        match pattern {
            ReplyPattern::Any => reply.codes.push("???".to_owned()),
            ReplyPattern::Reply { code, .. } if code.is_empty() => reply.codes.push("???".to_owned()),
            ReplyPattern::Reply { code, .. } => {
                reply.codes.extend(code.iter().map(|code| code.to_string().replace('x', "?")))
            }
            ReplyPattern::Close => reply.or_close = true,
            ReplyPattern::Silence => return PlannedAnswer::Silence(timeout.unwrap_or(Duration::from_secs(1))),
            ReplyPattern::Malformed => return PlannedAnswer::Line,
            ReplyPattern::HandshakeFailure => reply.codes.push("220".to_owned()),
        }
    }
    match reply.codes.is_empty() && reply.or_close {
        true => PlannedAnswer::Close(reply.timeout.unwrap_or(Duration::from_secs(300))),
        false => PlannedAnswer::Reply(reply),
    }
}

/// What the server in memory offers. If the format has no TLS, it offers STARTTLS only to a session that cannot do without:
/// the step is then named in the error. `server` is that of the session.
pub fn offers(session: &Session, server: &Server, has_tls: bool) -> ServerOffers {
    let by_default = (server.scheme == Scheme::Smtp).then_some(server.is_local());
    let login = match (session.tls.starttls, by_default) {
        (Some(StarttlsPolicy::Required), _) | (None, Some(false)) => Some(StarttlsMode::Required),
        (Some(StarttlsPolicy::Opportunistic), _) | (None, Some(true)) => Some(StarttlsMode::Opportunistic),
        (Some(StarttlsPolicy::Never), _) | (None, None) => None,
    };
    let modes: Vec<StarttlsMode> = session
        .all_steps()
        .filter_map(|step| match &step.action {
            Action::Starttls { policy, .. } => Some(*policy),
            Action::Login => login.filter(|_| server.scheme != Scheme::Smtps),
            _ => None,
        })
        .collect();
    let optional = !modes.is_empty() && modes.iter().all(|mode| *mode == StarttlsMode::Opportunistic);
    let starttls = has_tls || !optional;
    let own = session.all_steps().filter_map(|step| match &step.action {
        Action::Auth(auth) => Some(auth),
        _ => None,
    });
    let named = session.auth.iter().chain(own).filter_map(|auth| auth.mechanism);
    ServerOffers { starttls, optional_starttls: optional, mechanisms: named.map(|one| one.name()).collect() }
}

/// The first place where the session depends on what a server says, or on rows.
pub fn check(session: &Session) -> Result<(), ExportError> {
    if let Some(rows) = &session.rows {
        let help = "write the values of one row into a session without [rows]";
        return Err(ExportError::new(
            session.source_map.place(&rows.span),
            "a session with [rows] cannot be exported",
            help,
        ));
    }
    let mut search = FactSearch { session, captured: BTreeSet::new(), found: None };
    for step in session.all_steps() {
        search.captured.extend(step.captures.iter().map(|capture| capture.name.clone()));
    }
    search.visit_session(session);
    match search.found {
        None => Ok(()),
        Some((name, span)) => {
            let message =
                format!("\"{name}\" is what the server says, which is not known when the session is exported");
            let help = "write the value, or set a variable with --var";
            Err(ExportError::new(session.source_map.place(&span), message, help))
        }
    }
}

/// Finds names that a server's answers define.
struct FactSearch<'s> {
    session: &'s Session,
    captured: BTreeSet<String>,
    found: Option<(String, Span)>,
}

impl FactSearch<'_> {
    fn look(&mut self, names: Vec<(String, Span)>) {
        let from_server = |name: &String| {
            (Scope::FACTS.contains(&name.as_str()) && !matches!(name.as_str(), "loop" | "session"))
                || self.captured.contains(name)
        };
        let found = names.into_iter().find(|(name, _)| from_server(name));
        self.found = self.found.take().or(found);
    }
}

impl<'s> Visitor<'s> for FactSearch<'s> {
    fn visit_template(&mut self, template: &'s Template) {
        self.look(self.session.templates.names_at(template));
    }

    fn visit_expression(&mut self, expression: &'s Expression) {
        self.look(expression.names_at(&self.session.templates));
    }

    /// Asserts and expected texts are not exported.
    fn visit_step(&mut self, step: &'s Step) {
        step.with.iter().for_each(|variable| self.visit_variable(variable));
        step.condition.iter().for_each(|condition| self.visit_expression(condition));
        step.server.iter().for_each(|server| self.visit_line(server));
        self.visit_action(&step.action);
    }
}

/// Lets every reply pass that has an expected code, whatever it says.
pub fn relax(session: &mut Session) {
    session.requires.clear();
    session.xfail = None;
    session.retry = None;
    for steps in [&mut session.open, &mut session.steps, &mut session.close] {
        steps.iter_mut().for_each(relax_step);
    }
}

fn relax_step(step: &mut Step) {
    step.asserts.clear();
    step.captures.clear();
    step.name = None;
    for pattern in step.expect.iter_mut().flat_map(|expect| &mut expect.any_of) {
        if let ReplyPattern::Reply { enhanced, text, lines, .. } = pattern {
            (*enhanced, *text, *lines) = (None, None, None);
        }
    }
    match &mut step.action {
        Action::Pipeline(members) | Action::Steps(members) => members.iter_mut().for_each(relax_step),
        _ => {}
    }
}

/// Replaces every secret by a token: those of `[secrets]`, the variables that passwords are made of, and passwords that stand
/// in the file. `given` are the values of the command line.
pub fn hide_secrets(session: &mut Session, given: &mut Vec<(String, Value)>) -> Vec<SecretToken> {
    let mut tokens = Vec::new();
    let names = session.secret_names();
    let mut literals = Vec::new();
    let mut declared: Vec<&mut Variable> = {
        let Session { vars, secrets, .. } = session;
        let secret = secrets.iter_mut();
        secret
            .chain(vars.iter_mut().filter(|variable| names.contains(&variable.name) && !is_composed(variable)))
            .collect()
    };
    // Names that the file gives come first: others are made to differ from them.
    declared.sort_by_key(|variable| !matches!(variable.source, ValueSource::Env { .. }));
    for variable in declared {
        hide_variable(variable, &mut tokens, &mut literals);
        given.retain(|(given, _)| *given != variable.name);
    }
    for (name, value) in given.iter_mut().filter(|(name, _)| names.contains(name)) {
        *value = Value::Text(fresh_token(&mut tokens, &environment_name(name)));
    }
    let Session { auth, open, steps, close, .. } = session;
    auth.iter_mut().for_each(|auth| hide_in_auth(auth, &mut tokens, &mut literals));
    for list in [open, steps, close] {
        list.iter_mut().for_each(|step| hide_in_step(step, &names, &mut tokens, &mut literals));
    }
    tokens
}

/// Made of other names, which are the secrets.
fn is_composed(variable: &Variable) -> bool {
    matches!(&variable.source, ValueSource::Template(template) if !template.is_literal())
}

fn hide_variable(variable: &mut Variable, tokens: &mut Vec<SecretToken>, literals: &mut LiteralTokens) {
    let name = environment_name(&variable.name);
    let token = match &variable.source {
        ValueSource::Env { name, .. } if is_shell_name(name) => new_token(tokens, script_variable(name)),
        ValueSource::Literal(Value::Text(literal)) => literal_token(literal, &name, tokens, literals),
        _ => fresh_token(tokens, &name),
    };
    variable.source = ValueSource::Literal(Value::Text(token));
}

/// Secrets that stand in the file, each with its token: `auth = true` repeats the password of `[auth]`.
type LiteralTokens = Vec<(String, String)>;

fn hide_in_step(
    step: &mut Step,
    names: &BTreeSet<String>,
    tokens: &mut Vec<SecretToken>,
    literals: &mut LiteralTokens,
) {
    for variable in step.with.iter_mut().filter(|variable| names.contains(&variable.name) && !is_composed(variable)) {
        hide_variable(variable, tokens, literals);
    }
    match &mut step.action {
        Action::Auth(auth) => hide_in_auth(auth, tokens, literals),
        Action::Pipeline(members) | Action::Steps(members) => {
            members.iter_mut().for_each(|member| hide_in_step(member, names, tokens, literals));
        }
        _ => {}
    }
}

/// A password in the file has no markup, so that a token is a template, too.
fn hide_in_auth(auth: &mut AuthSettings, tokens: &mut Vec<SecretToken>, literals: &mut LiteralTokens) {
    for (name, template) in [("PASSWORD", &mut auth.password), ("TOKEN", &mut auth.token)] {
        let Some(literal) = template.as_mut().filter(|template| template.is_literal()) else { continue };
        literal.source = literal_token(&literal.source, name, tokens, literals);
    }
}

/// The token of a secret that stands in the file, made at its first place.
fn literal_token(source: &str, name: &str, tokens: &mut Vec<SecretToken>, literals: &mut LiteralTokens) -> String {
    if let Some((_, token)) = literals.iter().find(|(known, _)| known == source) {
        return token.clone();
    }
    let token = fresh_token(tokens, name);
    literals.push((source.to_owned(), token.clone()));
    token
}

/// The token of a variable that no other secret has: with a number behind its name if need be.
fn fresh_token(tokens: &mut Vec<SecretToken>, name: &str) -> String {
    let mut names = std::iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}_{number}")));
    let is_free = |name: &String| tokens.iter().all(|known| known.variable != *name);
    let variable = names.find(is_free).unwrap_or_default();
    new_token(tokens, variable)
}

/// A token of small letters that no text has by chance. The same variable gets the same one.
fn new_token(tokens: &mut Vec<SecretToken>, variable: String) -> String {
    if let Some(known) = tokens.iter().find(|known| known.variable == variable) {
        return known.token.clone();
    }
    let letters: String = (0..20).map(|_| fastrand::lowercase()).collect();
    tokens.push(SecretToken { token: letters.clone(), variable });
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_secrets_share_a_variable_but_those_of_one_environment_variable() {
        let mut tokens = Vec::new();
        let mut literals = Vec::new();
        let same = new_token(&mut tokens, script_variable("PW"));
        assert_eq!(new_token(&mut tokens, script_variable("PW")), same);
        let made = fresh_token(&mut tokens, &environment_name("pw"));
        assert_ne!(made, same);
        let (one, other) = (environment_name("é"), environment_name("ü"));
        assert_ne!(fresh_token(&mut tokens, &one), fresh_token(&mut tokens, &other));
        let literal = literal_token("hunter2", "PW", &mut tokens, &mut literals);
        assert_eq!(literal_token("hunter2", "PASSWORD", &mut tokens, &mut literals), literal);
        let names: Vec<_> = tokens.iter().map(|known| known.variable.as_str()).collect();
        assert_eq!(names, ["PW", "PW_2", "SECRET__", "SECRET___2", "PW_3"]);
    }
}
