//! Changes a session so that it can be recorded: secrets become tokens, and any reply with the right code passes.

use super::error::ExportError;
use super::recorded_dialogue::AwaitedReply;
use super::secret_pieces::SecretToken;
use super::server_offers::ServerOffers;
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
    let declared: Vec<&mut Variable> = {
        let Session { vars, secrets, .. } = session;
        let secret = secrets.iter_mut();
        secret
            .chain(vars.iter_mut().filter(|variable| names.contains(&variable.name) && !is_composed(variable)))
            .collect()
    };
    for variable in declared {
        let name = match &variable.source {
            ValueSource::Env { name, .. } if is_shell_name(name) => script_variable(name),
            _ => environment_name(&variable.name),
        };
        variable.source = ValueSource::Literal(Value::Text(new_token(&mut tokens, name)));
        given.retain(|(given, _)| *given != variable.name);
    }
    for (name, value) in given.iter_mut().filter(|(name, _)| names.contains(name)) {
        *value = Value::Text(new_token(&mut tokens, environment_name(name)));
    }
    let Session { auth, open, steps, close, .. } = session;
    let mut literals = Vec::new();
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

/// Passwords that stand in the file, each with its token: `auth = true` repeats that of `[auth]`.
type LiteralTokens = Vec<(String, String)>;

fn hide_in_step(
    step: &mut Step,
    names: &BTreeSet<String>,
    tokens: &mut Vec<SecretToken>,
    literals: &mut LiteralTokens,
) {
    for variable in step.with.iter_mut().filter(|variable| names.contains(&variable.name) && !is_composed(variable)) {
        variable.source = ValueSource::Literal(Value::Text(new_token(tokens, environment_name(&variable.name))));
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
        let known = literals.iter().find(|(source, _)| *source == literal.source).map(|(_, token)| token.clone());
        let token = known.unwrap_or_else(|| {
            let mut names = std::iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}_{number}")));
            let is_free = |name: &String| tokens.iter().all(|known| known.variable != *name);
            let variable = names.find(is_free).unwrap_or_default();
            new_token(tokens, variable)
        });
        literals.push((std::mem::replace(&mut literal.source, token.clone()), token));
    }
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

/// Names that a shell or the script itself uses, in capitals.
const TAKEN_NAMES: [&str; 55] = [
    "CDPATH",
    "DIRSTACK",
    "ENV",
    "EUID",
    "FOLDER",
    "FROM",
    "FUNCNAME",
    "GLOBIGNORE",
    "GROUPS",
    "HISTCMD",
    "HOME",
    "HOST",
    "HOSTNAME",
    "HOSTTYPE",
    "IFS",
    "LANG",
    "LANGUAGE",
    "LINE",
    "LINENO",
    "MACHTYPE",
    "MAILPATH",
    "OLDPWD",
    "OPTARG",
    "OPTERR",
    "OPTIND",
    "OSTYPE",
    "PATH",
    "PATTERN",
    "PEER",
    "PIPESTATUS",
    "PORT",
    "POSIXLY_CORRECT",
    "PPID",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "PWD",
    "RANDOM",
    "REPLY",
    "SAID",
    "SECONDS",
    "SHELL",
    "SHELLOPTS",
    "SHLVL",
    "SRANDOM",
    "STATUS",
    "TERM",
    "TEXT",
    "TIMEFORMAT",
    "TMOUT",
    "TMPDIR",
    "TO",
    "UID",
    "WITHIN",
];
const TAKEN_PREFIXES: [&str; 6] = ["BASH", "COMP_", "DYLD_", "EPOCH", "LC_", "LD_"];

/// The environment variable of a secret that has none of its own, or one whose name is not a shell's.
fn environment_name(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    script_variable(&name)
}

/// Whether a shell has a variable of that name (POSIX.1-2024, XBD 3.216).
fn is_shell_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_part) && name.starts_with(|c: char| is_part(c) && !c.is_ascii_digit())
}

/// The name of a variable in a script. One that the shell or the script uses gets a prefix.
fn script_variable(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let is_taken = TAKEN_NAMES.contains(&upper.as_str())
        || TAKEN_PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
        || name.chars().all(|c| c == '_')
        || !is_shell_name(name);
    if is_taken { format!("SECRET_{name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_a_name_of_its_own_in_the_script() {
        for (given, expected) in [
            ("SMTP_PASSWORD", "SMTP_PASSWORD"),
            ("pw2", "pw2"),
            ("host", "SECRET_host"),
            ("from", "SECRET_from"),
            ("said", "SECRET_said"),
            ("PATH", "SECRET_PATH"),
            ("BASH_ENV", "SECRET_BASH_ENV"),
            ("_", "SECRET__"),
        ] {
            assert!(is_shell_name(given), "{given}");
            assert_eq!(script_variable(given), expected);
        }
        for refused in ["", "1a", "a-b", "A:-$(touch x)", "ä", "a\nb", "A}; id; ${B"] {
            assert!(!is_shell_name(refused), "{refused:?}");
        }
        for (name, expected) in [("pw", "PW"), ("to", "SECRET_TO"), ("1a", "SECRET_1A"), ("mot-clé", "MOT_CL_")] {
            assert_eq!(environment_name(name), expected);
            assert!(is_shell_name(expected), "{expected}");
        }
    }
}
