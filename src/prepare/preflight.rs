//! Renders everything that depends on variables and secrets alone, and opens the files that it names, before anything is
//! sent: what would fail later fails now.

use super::clock::Clock;
use super::context::{RowContext, RunContext};
use super::message::{MessageContext, PartReader, TextKind, prepare_message, signing_key};
use super::values::{PreparedValues, Renderer, ValueReader, one_line};
use crate::event::StepError;
use crate::session::{
    Action, AuthSettings, DkimSection, FilePurpose, Message, MessageNumbering, Scheme, Scope, Server, Session,
    SourcePath, Span, Step, Template, TextDecoding, TextSource, Value, ValueSource, Visitor, captures_name,
    walk_action, walk_text_source,
};
use crate::transcript::Secrets;
use std::collections::HashSet;

/// Checks all steps that are sure to run, as far as the file shows. Learns passwords, and the names of those that are too
/// short to be hidden everywhere.
pub fn check(
    run: RunContext<'_>,
    values: &mut PreparedValues,
    secrets: &mut Secrets,
    clock: &dyn Clock,
) -> Result<(), StepError> {
    let mut preflight = Preflight::new(run, values, secrets, clock);
    preflight.findings.short_names = std::mem::take(&mut values.notices.short_names);
    preflight.visit_session(run.session);
    let findings = preflight.findings;
    values.notices.short_names = findings.short_names;
    let mut errors = findings.errors.into_iter();
    errors.next().map_or(Ok(()), |first| Err(first.with(errors)))
}

/// The names that can be rendered.
#[derive(Clone, Default)]
pub(super) struct KnownNames {
    /// Those whose values do not change while the session runs.
    pub names: HashSet<String>,
    /// Standard input is not read.
    pub without_input: bool,
}

/// What is checked, and what is learnt from it.
pub(super) struct Preflight<'p, 'a> {
    pub run: RunContext<'a>,
    pub row: RowContext,
    /// `None` if it is not known.
    pub server: Option<Server>,
    pub secrets: &'p mut Secrets,
    pub clock: &'p dyn Clock,
    pub known: KnownNames,
    /// The innermost step that is being checked.
    pub step: Option<&'a Span>,
    pub findings: PreflightFindings,
}

/// The most errors that one run reports.
const MAX_ERRORS: usize = 100;

/// What was found.
#[derive(Default)]
pub(super) struct PreflightFindings {
    /// All errors, each once, in the order of the session.
    pub errors: Vec<StepError>,
    /// The names of passwords that are too short to be hidden everywhere.
    short_names: Vec<String>,
    /// No further check runs: a signal came, or there are enough errors.
    is_final: bool,
    /// The size of the largest message in bytes.
    pub message_bytes: u64,
    /// Addresses of envelopes that are longer than every server accepts, and why.
    pub long_addresses: Vec<String>,
    /// How many messages were prepared.
    pub messages: usize,
    /// How many of them have no recipient that is not excluded.
    pub excluded_messages: usize,
}

impl PreflightFindings {
    pub fn add(&mut self, error: StepError) {
        for one in error.into_list() {
            if !self.errors.iter().any(|known| known.span == one.span && known.cause == one.cause) {
                self.errors.push(one);
            }
        }
        self.is_final = self.errors.len() >= MAX_ERRORS;
    }
}

impl<'a> Visitor<'a> for Preflight<'_, 'a> {
    fn visit_session(&mut self, session: &'a Session) {
        session.auth.iter().for_each(|auth| self.visit_auth(auth));
        session.dkim.iter().for_each(|dkim| self.visit_dkim(dkim));
        session.sections().into_iter().flatten().for_each(|step| self.visit_step(step));
    }

    fn visit_step(&mut self, step: &'a Step) {
        // A step with a condition may not run.
        if step.deselected || !self.is_sure_to_run(step) {
            return;
        }
        let (known, outer) = (self.known.clone(), self.step.replace(&step.span));
        self.check(|preflight| {
            let values = preflight.with(step)?;
            preflight.row.scope.push_layer(values);
            preflight.visit_action(&step.action);
            preflight.row.scope.pop_layer();
            Ok(())
        });
        (self.known, self.step) = (known, outer);
    }

    fn visit_action(&mut self, action: &'a Action) {
        match action {
            Action::Xclient(attributes) => {
                self.check(|preflight| attributes.iter().try_for_each(|(_, value)| preflight.line(value)));
            }
            Action::EndTls if !self.may_start_tls() => self.check(|preflight| {
                let what = "close = \"tls\" ends TLS, but no step starts it";
                Err(StepError::bad_value(preflight.secrets, what))
            }),
            action => walk_action(self, action),
        }
    }

    fn visit_auth(&mut self, auth: &'a AuthSettings) {
        self.check(|preflight| preflight.credentials(auth));
    }

    fn visit_dkim(&mut self, dkim: &'a DkimSection) {
        [&dkim.domain, &dkim.selector].into_iter().for_each(|line| self.visit_line(line));
        self.check(|preflight| preflight.dkim_key(dkim));
    }

    fn visit_message(&mut self, message: &'a Message) {
        let is_whole = message.templates().is_some_and(|all| all.into_iter().all(|template| self.is_known(template)));
        if is_whole && self.is_signature_known() {
            let errors = self.findings.errors.len();
            self.check(|preflight| preflight.prepare(message));
            if self.findings.errors.len() == errors {
                return;
            }
        }
        // Preparing a message ends at its first error, so each part is checked by itself.
        message.lines().into_iter().for_each(|line| self.visit_line(line));
        let texts = message.text.iter().map(|text| (text, TextKind::Plain));
        for (content, kind) in texts.chain(message.html.iter().map(|html| (html, TextKind::Html))) {
            match content {
                TextSource::File { path, template: true, .. } if self.is_known(&path.template) => {
                    let session = self.run.session;
                    let later = |name: &str| is_later(session, name);
                    self.check(|preflight| preflight.parts().try_file(path, kind, content.decoding(), &later));
                }
                content => self.visit_text_source(content, FilePurpose::Text(content.decoding())),
            }
        }
        for attached in message.attachments.iter().filter(|attached| attached.can_be_pattern) {
            self.check(|preflight| match preflight.is_known(&attached.path.template) {
                true => preflight.parts().attached(attached).and_then(|found| {
                    found.iter().try_for_each(|path| preflight.parts().open(path, &attached.path.span).map(drop))
                }),
                false => Ok(()),
            });
        }
        let tables = message.attachments.iter().filter(|attached| !attached.can_be_pattern);
        let files = tables.map(|attached| &attached.path).chain(&message.eml);
        files.for_each(|path| self.visit_path(path, FilePurpose::Bytes));
    }

    /// The content of `body`; a message's is visited with its message.
    fn visit_text_source(&mut self, content: &'a TextSource, purpose: FilePurpose) {
        match content {
            TextSource::File { path, template: true, .. }
                if purpose == FilePurpose::Bytes && self.is_known(&path.template) =>
            {
                let session = self.run.session;
                let later = |name: &str| is_later(session, name);
                let decoding = TextDecoding::strict(None);
                self.check(|preflight| preflight.parts().try_file(path, TextKind::Plain, decoding, &later));
            }
            content => walk_text_source(self, content, purpose),
        }
    }

    fn visit_path(&mut self, path: &'a SourcePath, _: FilePurpose) {
        self.check(|preflight| preflight.file(path));
    }

    fn visit_line(&mut self, template: &'a Template) {
        self.check(|preflight| preflight.line(template));
    }

    fn visit_template(&mut self, template: &'a Template) {
        self.check(|preflight| match preflight.is_known(template) {
            true => preflight.renderer().render(template).map(drop),
            false => Ok(()),
        });
    }
}

impl<'p, 'a> Preflight<'p, 'a> {
    pub fn new(run: RunContext<'a>, values: &PreparedValues, secrets: &'p mut Secrets, clock: &'p dyn Clock) -> Self {
        let row = RowContext::new(values.scope.clone(), values.moment.clone(), MessageNumbering::default());
        let session = run.session;
        let variables = session.vars.iter().chain(&session.secrets).map(|variable| &variable.name);
        let mut names: HashSet<String> =
            variables.chain(run.options.variables.iter().map(|(name, _)| name)).cloned().collect();
        remove_captures(session, &mut names);
        let known = KnownNames { names, without_input: false };
        let server = Some(values.server.clone());
        Self { run, row, server, secrets, clock, known, step: None, findings: PreflightFindings::default() }
    }

    /// Whether no condition keeps the step from running. For a row, a condition counts that depends on nothing later.
    fn is_sure_to_run(&self, step: &Step) -> bool {
        let Some(condition) = &step.condition else { return true };
        let names = condition.names(&self.run.session.templates);
        self.known.names.contains("row")
            && names.iter().all(|name| self.known.names.contains(name))
            && self.renderer().evaluate(condition).unwrap_or(false)
    }

    /// Whether the server or a step starts TLS.
    fn may_start_tls(&self) -> bool {
        let starts_tls = |step: &Step| {
            step.server.is_some() || matches!(step.action, Action::Starttls { .. } | Action::Tls | Action::Login)
        };
        self.server.as_ref().is_none_or(|server| server.scheme == Scheme::Smtps)
            || self.run.session.all_steps().any(starts_tls)
    }

    /// Runs a check, unless no further one is to run, and keeps its errors. Those without a place get that of the step.
    pub fn check(&mut self, check: impl FnOnce(&mut Self) -> Result<(), StepError>) {
        if self.findings.is_final {
            return;
        }
        let Err(mut error) = check(self) else { return };
        if let Some(step) = self.step {
            error = error.all_at(step);
        }
        if error.interrupt(self.clock).is_some() {
            (self.findings.errors, self.findings.is_final) = (vec![error], true);
        } else {
            self.findings.add(error);
        }
    }

    pub fn renderer(&self) -> Renderer<'_> {
        Renderer { session: self.run.session, scope: &self.row.scope, secrets: self.secrets }
    }

    fn parts(&self) -> PartReader<'_, '_> {
        PartReader { run: self.run, renderer: self.renderer(), clock: self.clock }
    }

    /// Whether what a message is signed with is known, if it is.
    fn is_signature_known(&self) -> bool {
        let Some(dkim) = &self.run.session.dkim else { return true };
        let key = match &dkim.key.source {
            ValueSource::File { path, .. } => Some(&path.template),
            _ => None,
        };
        [&dkim.domain, &dkim.selector].into_iter().chain(key).all(|template| self.is_known(template))
    }

    pub fn is_known(&self, template: &Template) -> bool {
        let is_input = self.known.without_input && template.source == "-";
        !is_input && self.run.session.templates.names(template).iter().all(|name| self.known.names.contains(name))
    }

    /// The values of a step's `with`, if they are known; otherwise none of its names is known in the step.
    fn with(&mut self, step: &Step) -> Result<Vec<(String, Value)>, StepError> {
        for variable in &step.with {
            let is_known = match &variable.source {
                ValueSource::Template(template) => self.is_known(template),
                ValueSource::Literal(_) => true,
                _ => false,
            };
            if !is_known {
                self.known.names.retain(|name| !step.with.iter().any(|variable| variable.name == *name));
                return Ok(Vec::new());
            }
            // A variable can use those above it.
            self.known.names.insert(variable.name.clone());
        }
        let mut reader = ValueReader::new(
            self.run,
            self.server.as_ref().map(|server| server.host().to_owned()),
            self.secrets,
            self.clock,
        );
        reader.own_values(&mut self.row.scope, &step.with)
    }

    fn prepare(&mut self, message: &Message) -> Result<(), StepError> {
        let mut inputs = MessageContext { run: self.run, row: &mut self.row, secrets: self.secrets, clock: self.clock };
        let mail = prepare_message(&mut inputs, message)?;
        let findings = &mut self.findings;
        findings.messages += 1;
        if mail.notices.all_excluded {
            findings.excluded_messages += 1;
            return Ok(());
        }
        findings.message_bytes = findings.message_bytes.max(mail.content.size());
        let too_long = std::iter::once(&mail.from).chain(&mail.recipients);
        let too_long = too_long.filter_map(|mailbox| Some(format!("{mailbox}: {}", mailbox.exceeded_limit()?)));
        findings.long_addresses.extend(too_long);
        Ok(())
    }

    fn line(&self, template: &Template) -> Result<(), StepError> {
        if self.is_known(template) { self.renderer().render_line(template).map(drop) } else { Ok(()) }
    }

    fn file(&self, path: &SourcePath) -> Result<(), StepError> {
        if !self.is_known(&path.template) {
            return Ok(());
        }
        let resolved = self.renderer().resolve(path)?;
        match self.run.sources.open_content(&resolved) {
            Ok(_) => Ok(()),
            Err(error) => Err(StepError::source(self.secrets, self.clock, &error).at(&path.span)),
        }
    }

    /// Checks a key that is known before the first message.
    fn dkim_key(&self, dkim: &DkimSection) -> Result<(), StepError> {
        match dkim.has_fixed_key(&self.run.session.templates) {
            true => signing_key(&self.parts(), dkim).map(drop),
            false => Ok(()),
        }
    }

    /// Tells the redactor the password and the token, whatever they come from, before anything is shown.
    fn credentials(&mut self, auth: &AuthSettings) -> Result<(), StepError> {
        [&auth.user, &auth.authzid].into_iter().flatten().try_for_each(|template| self.line(template))?;
        for (name, template) in [("password", &auth.password), ("token", &auth.token)] {
            let Some(template) = template.as_ref().filter(|template| self.is_known(template)) else { continue };
            let secret = self.renderer().render(template)?;
            // For short secrets that it is made of, there is a warning already.
            let is_reported = self.findings.short_names.iter().any(|short| short == name)
                || !self.renderer().short_secrets(template).is_empty();
            if !self.secrets.redactor.add(&secret) && !is_reported {
                self.findings.short_names.push(name.to_owned());
            }
            one_line(self.secrets, secret, template)?;
        }
        Ok(())
    }
}

/// Removes what steps capture: it changes while the session runs.
pub(super) fn remove_captures(session: &Session, names: &mut HashSet<String>) {
    for capture in session.all_steps().flat_map(|step| &step.captures) {
        names.remove(&capture.name);
    }
}

/// Whether the name gets another value while the session runs.
fn is_later(session: &Session, name: &str) -> bool {
    Scope::FACTS.contains(&name)
        || name == "row"
        || session.sections().into_iter().any(|steps| captures_name(steps, name))
}
