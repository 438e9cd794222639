//! Renders everything that depends on variables and secrets alone, and opens the files that it names, before anything is
//! sent: what would fail later fails now.

use super::context::{RowContext, RunContext};
use super::error::StepError;
use super::events::EventSink;
use super::message::{MessageContext, PartReader, prepare_message};
use super::row_source::Row;
use super::values::{PreparedValues, Renderer, ValueReader, one_line, own_values};
use crate::session::{
    Action, AuthSettings, FilePurpose, Message, MessageNumbering, Scope, Session, SourcePath, Span, Step, Template,
    TextSource, Value, ValueSource, Visitor, captures_name, walk_action,
};
use std::collections::HashSet;

/// Checks all steps that are sure to run, as far as the file shows. Learns passwords, and the names of those that are too
/// short to be hidden everywhere.
pub fn check(run: RunContext<'_>, values: &mut PreparedValues, events: &mut EventSink<'_>) -> Result<(), StepError> {
    let row = RowContext {
        row: Row::default(),
        scope: values.scope.clone(),
        moment: values.moment.clone(),
        message_id: None,
        numbering: MessageNumbering::default(),
        last_message: None,
    };
    let session = run.session;
    let variables = session.vars.iter().chain(&session.secrets).map(|variable| &variable.name);
    let mut known: HashSet<String> =
        variables.chain(run.options.variables.iter().map(|(name, _)| name)).cloned().collect();
    for capture in session.all_steps().flat_map(|step| &step.captures) {
        known.remove(&capture.name);
    }
    let host = values.server.host().to_owned();
    let short_names = std::mem::take(&mut values.notices.short_names);
    let errors = PreflightErrors::default();
    let mut preflight = Preflight { run, row, host, events, short_names, known, step: None, errors };
    preflight.visit_session(session);
    values.notices.short_names = preflight.short_names;
    preflight.errors.result()
}

/// What is checked, and what is learnt from it.
struct Preflight<'p, 'a, 'e> {
    run: RunContext<'a>,
    row: RowContext,
    /// The server's name.
    host: String,
    events: &'p mut EventSink<'e>,
    /// The names of passwords that are too short to be hidden everywhere.
    short_names: Vec<String>,
    /// The names whose values do not change while the session runs.
    known: HashSet<String>,
    /// The innermost step that is being checked.
    step: Option<&'a Span>,
    errors: PreflightErrors,
}

/// The most errors that one run reports.
const MAX_ERRORS: usize = 100;

/// All errors, each once, in the order of the session.
#[derive(Default)]
struct PreflightErrors {
    list: Vec<StepError>,
    /// No further check runs: a signal came, or there are enough errors.
    is_final: bool,
}

impl PreflightErrors {
    fn add(&mut self, error: StepError) {
        for one in error.into_list() {
            if !self.list.iter().any(|known| known.span == one.span && known.cause == one.cause) {
                self.list.push(one);
            }
        }
        self.is_final = self.list.len() >= MAX_ERRORS;
    }

    fn result(self) -> Result<(), StepError> {
        let mut all = self.list.into_iter();
        all.next().map_or(Ok(()), |first| Err(first.with(all)))
    }
}

impl<'a> Visitor<'a> for Preflight<'_, 'a, '_> {
    fn visit_session(&mut self, session: &'a Session) {
        session.auth.iter().for_each(|auth| self.visit_auth(auth));
        session.sections().into_iter().flatten().for_each(|step| self.visit_step(step));
    }

    fn visit_step(&mut self, step: &'a Step) {
        // A step with a condition may not run.
        if step.condition.is_some() || step.deselected {
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
            action => walk_action(self, action),
        }
    }

    fn visit_auth(&mut self, auth: &'a AuthSettings) {
        self.check(|preflight| preflight.credentials(auth));
    }

    fn visit_message(&mut self, message: &'a Message) {
        if message.templates().is_some_and(|all| all.into_iter().all(|template| self.is_known(template))) {
            let errors = self.errors.list.len();
            self.check(|preflight| preflight.prepare(message));
            if self.errors.list.len() == errors {
                return;
            }
        }
        // Preparing a message ends at its first error, so each part is checked by itself.
        message.lines().into_iter().for_each(|line| self.visit_line(line));
        let contents =
            message.text.iter().map(|text| (text, false)).chain(message.html.iter().map(|html| (html, true)));
        for (content, is_html) in contents {
            match content {
                TextSource::File { path, template: true, .. } if self.is_known(&path.template) => {
                    let session = self.run.session;
                    let later = |name: &str| is_later(session, name);
                    self.check(|preflight| preflight.parts().try_file(path, is_html, content.decoding(), &later));
                }
                content => self.visit_text_source(content, FilePurpose::Text(content.decoding())),
            }
        }
        let files = message.attachments.iter().map(|attachment| &attachment.path).chain(&message.eml);
        files.for_each(|path| self.visit_path(path, FilePurpose::Bytes));
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

impl<'a> Preflight<'_, 'a, '_> {
    /// Runs a check, unless no further one is to run, and keeps its errors. Those without a place get that of the step.
    fn check(&mut self, check: impl FnOnce(&mut Self) -> Result<(), StepError>) {
        if self.errors.is_final {
            return;
        }
        let Err(mut error) = check(self) else { return };
        if let Some(step) = self.step {
            error = error.all_at(step);
        }
        if error.interrupt(self.events.clock).is_some() {
            self.errors = PreflightErrors { list: vec![error], is_final: true };
        } else {
            self.errors.add(error);
        }
    }

    fn renderer(&self) -> Renderer<'_> {
        Renderer { session: self.run.session, scope: &self.row.scope, secrets: &self.events.secrets }
    }

    fn parts(&self) -> PartReader<'_, '_> {
        PartReader { run: self.run, renderer: self.renderer(), clock: self.events.clock }
    }

    fn is_known(&self, template: &Template) -> bool {
        self.run.session.templates.names(template).iter().all(|name| self.known.contains(name))
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
                self.known.retain(|name| !step.with.iter().any(|variable| variable.name == *name));
                return Ok(Vec::new());
            }
            // A variable can use those above it.
            self.known.insert(variable.name.clone());
        }
        let reader = ValueReader { run: self.run, host: Some(self.host.clone()) };
        own_values(&reader, &mut self.row.scope, self.events, &step.with)
    }

    fn prepare(&mut self, message: &Message) -> Result<(), StepError> {
        let (secrets, clock) = (&self.events.secrets, self.events.clock);
        let mut inputs = MessageContext { run: self.run, row: &mut self.row, secrets, clock };
        prepare_message(&mut inputs, message).map(drop)
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
            Err(error) => Err(StepError::source(&self.events.secrets, self.events.clock, &error).at(&path.span)),
        }
    }

    /// Tells the redactor the password and the token, whatever they come from, before anything is shown.
    fn credentials(&mut self, auth: &AuthSettings) -> Result<(), StepError> {
        [&auth.user, &auth.authzid].into_iter().flatten().try_for_each(|template| self.line(template))?;
        for (name, template) in [("password", &auth.password), ("token", &auth.token)] {
            let Some(template) = template.as_ref().filter(|template| self.is_known(template)) else { continue };
            let secret = self.renderer().render(template)?;
            // For short secrets that it is made of, there is a warning already.
            let is_reported = self.short_names.iter().any(|short| short == name)
                || !self.renderer().short_secrets(template).is_empty();
            if !self.events.secrets.redactor.add(&secret) && !is_reported {
                self.short_names.push(name.to_owned());
            }
            one_line(&self.events.secrets, secret, template)?;
        }
        Ok(())
    }
}

/// Whether the name gets another value while the session runs.
fn is_later(session: &Session, name: &str) -> bool {
    Scope::FACTS.contains(&name)
        || name == "row"
        || session.sections().into_iter().any(|steps| captures_name(steps, name))
}
