//! Renders, before anything is sent, all that depends on variables and secrets alone, and opens the files that it
//! names: what would be refused later is refused now.

use super::context::{RowContext, RunContext};
use super::error::StepError;
use super::events::EventSink;
use super::message::{MessageContext, PartReader, prepare_message};
use super::row_source::Row;
use super::values::{PreparedValues, Renderer, ValueReader, one_line, own_values};
use crate::session::MessageNumbering;
use crate::session::captures_name;
use crate::session::{
    Action, AuthSettings, Message, RawBytes, Scope, Session, SourcePath, Step, Template, TextSource, Value,
    ValueSource, Variable,
};
use std::collections::HashSet;

/// The names whose values do not change while the session runs.
type KnownNames = HashSet<String>;

/// Checks all steps that are sure to run, as far as the file is concerned. Learns passwords, and the names of those that
/// are too short to be hidden everywhere.
pub fn check(run: RunContext<'_>, values: &mut PreparedValues, events: &mut EventSink<'_>) -> Result<(), StepError> {
    let row = RowContext {
        row: Row::default(),
        scope: values.scope.clone(),
        moment: values.moment.clone(),
        message_id: None,
        numbering: MessageNumbering::default(),
        last_message: None,
    };
    let host = values.server.host().to_owned();
    let short_names = std::mem::take(&mut values.notices.short_names);
    let mut preflight = Preflight { run, row, host, events, short_names };
    let result = check_session(&mut preflight);
    values.notices.short_names = preflight.short_names;
    result
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
}

impl Preflight<'_, '_, '_> {
    fn renderer(&self) -> Renderer<'_> {
        Renderer { session: self.run.session, scope: &self.row.scope, secrets: &self.events.secrets }
    }

    fn parts(&self) -> PartReader<'_, '_> {
        PartReader { run: self.run, renderer: self.renderer(), clock: self.events.clock }
    }

    fn own_values(&mut self, variables: &[Variable]) -> Result<Vec<(String, Value)>, StepError> {
        let reader = ValueReader { run: self.run, host: Some(self.host.clone()) };
        own_values(&reader, &mut self.row.scope, self.events, variables)
    }

    fn prepare(&mut self, message: &Message) -> Result<(), StepError> {
        let (secrets, clock) = (&self.events.secrets, self.events.clock);
        let mut inputs = MessageContext { run: self.run, row: &mut self.row, secrets, clock };
        prepare_message(&mut inputs, message).map(drop)
    }
}

fn check_session(context: &mut Preflight<'_, '_, '_>) -> Result<(), StepError> {
    let session = context.run.session;
    let mut known: KnownNames =
        session.vars.iter().chain(&session.secrets).map(|variable| variable.name.clone()).collect();
    known.extend(context.run.options.variables.iter().map(|(name, _)| name.clone()));
    let sections = [&session.open, &session.steps, &session.close];
    for section in sections {
        forget_captures(section, &mut known);
    }
    let mut found = PreflightErrors::default();
    if let Some(auth) = &session.auth {
        let checked = credentials(context, auth, &known);
        found.add(context, checked)?;
    }
    for section in sections {
        let checked = steps(context, section, &known);
        found.add(context, checked)?;
    }
    found.end()
}

/// The most errors that one run reports.
const MOST: usize = 100;

/// All that is wrong, each once, in the order of the session.
#[derive(Default)]
struct PreflightErrors(Vec<StepError>);

impl PreflightErrors {
    /// An error means that nothing more is checked: a signal came, or there are enough errors.
    fn add(&mut self, context: &Preflight<'_, '_, '_>, checked: Result<(), StepError>) -> Result<(), StepError> {
        let Err(error) = checked else { return Ok(()) };
        if error.interrupt(context.events.clock).is_some() {
            return Err(error);
        }
        for one in error.apart() {
            if !self.0.iter().any(|known| known.span == one.span && known.cause == one.cause) {
                self.0.push(one);
            }
        }
        if self.0.len() < MOST { Ok(()) } else { std::mem::take(self).end() }
    }

    fn end(self) -> Result<(), StepError> {
        let mut all = self.0.into_iter();
        all.next().map_or(Ok(()), |first| Err(first.with(all)))
    }
}

fn forget_captures(steps: &[Step], known: &mut KnownNames) {
    for step in steps {
        for capture in &step.captures {
            known.remove(&capture.name);
        }
        forget_captures(step.members(), known);
    }
}

fn steps(context: &mut Preflight<'_, '_, '_>, steps: &[Step], known: &KnownNames) -> Result<(), StepError> {
    let mut found = PreflightErrors::default();
    for step in steps {
        // Whether it runs is not known yet, or it does not.
        if step.condition.is_some() || step.deselected {
            continue;
        }
        let mut own = known.clone();
        let mut fixed = true;
        for variable in &step.with {
            // It may use those before it.
            fixed &= is_fixed(context, variable, &own);
            if fixed {
                own.insert(variable.name.clone());
            } else {
                own.remove(&variable.name);
            }
        }
        if !fixed {
            own.retain(|name| !step.with.iter().any(|variable| variable.name == *name));
        }
        let with = if fixed { context.own_values(&step.with) } else { Ok(Vec::new()) };
        let checked = with.and_then(|with| {
            context.row.scope.push_layer(with);
            let checked = action(context, &step.action, &own);
            context.row.scope.pop_layer();
            checked
        });
        found.add(context, checked.map_err(|error| error.all_at(&step.span)))?;
    }
    found.end()
}

fn is_fixed(context: &Preflight<'_, '_, '_>, variable: &Variable, known: &KnownNames) -> bool {
    match &variable.source {
        ValueSource::Template(template) => is_known(context, template, known),
        ValueSource::Literal(_) => true,
        _ => false,
    }
}

fn is_known(context: &Preflight<'_, '_, '_>, template: &Template, known: &KnownNames) -> bool {
    context.run.session.templates.names(template).iter().all(|name| known.contains(name))
}

fn action(context: &mut Preflight<'_, '_, '_>, action: &Action, known: &KnownNames) -> Result<(), StepError> {
    match action {
        Action::Send(template) => line(context, template, known),
        Action::Hello { name: Some(template), .. } => line(context, template, known),
        Action::Raw(RawBytes::Text(template)) => text(context, template, known),
        Action::Raw(RawBytes::File(path)) => file(context, path, known),
        Action::Body { content: body, .. } => content(context, body, known),
        Action::Auth(settings) => credentials(context, settings, known),
        Action::Message(message) => mail(context, message, known),
        Action::Pipeline(members) | Action::Steps(members) => steps(context, members, known),
        Action::Xclient(attributes) => attributes.iter().try_for_each(|(_, value)| line(context, value, known)),
        Action::Wait
        | Action::Raw(RawBytes::Bytes(_))
        | Action::Hello { name: None, .. }
        | Action::Starttls { .. }
        | Action::Tls
        | Action::Login
        | Action::Quit
        | Action::Sleep(_)
        | Action::Close(_)
        | Action::Connect
        | Action::Proxy { .. } => Ok(()),
    }
}

fn line(context: &Preflight<'_, '_, '_>, template: &Template, known: &KnownNames) -> Result<(), StepError> {
    if is_known(context, template, known) { context.renderer().render_line(template).map(drop) } else { Ok(()) }
}

fn text(context: &Preflight<'_, '_, '_>, template: &Template, known: &KnownNames) -> Result<(), StepError> {
    if is_known(context, template, known) { context.renderer().render(template).map(drop) } else { Ok(()) }
}

fn file(context: &Preflight<'_, '_, '_>, path: &SourcePath, known: &KnownNames) -> Result<(), StepError> {
    if !is_known(context, &path.template, known) {
        return Ok(());
    }
    let resolved = context.renderer().resolve(path)?;
    match context.run.sources.open(&resolved) {
        Ok(_) => Ok(()),
        Err(error) => Err(StepError::source(&context.events.secrets, context.events.clock, &error).at(&path.span)),
    }
}

fn content(context: &Preflight<'_, '_, '_>, content: &TextSource, known: &KnownNames) -> Result<(), StepError> {
    match content {
        TextSource::Text(template) => text(context, template, known),
        TextSource::File { path, .. } => file(context, path, known),
    }
}

/// Password and token are secrets wherever they come from: known to the redactor before anything is shown.
fn credentials(
    context: &mut Preflight<'_, '_, '_>,
    settings: &AuthSettings,
    known: &KnownNames,
) -> Result<(), StepError> {
    for template in [&settings.user, &settings.authzid].into_iter().flatten() {
        line(context, template, known)?;
    }
    for (name, template) in [("password", &settings.password), ("token", &settings.token)] {
        let Some(template) = template.as_ref().filter(|template| is_known(context, template, known)) else { continue };
        let secret = context.renderer().render(template)?;
        // If it is made of short secrets, they were warned of by their own names.
        let named = context.short_names.iter().any(|short| short == name)
            || !context.renderer().short_secrets(template).is_empty();
        if !context.events.secrets.redactor.add(&secret) && !named {
            context.short_names.push(name.to_owned());
        }
        one_line(&context.events.secrets, secret, template)?;
    }
    Ok(())
}

/// Whether the name gets another value while the session runs.
fn is_later(session: &Session, name: &str) -> bool {
    Scope::FACTS.contains(&name)
        || name == "row"
        || [&session.open, &session.steps, &session.close].into_iter().any(|steps| captures_name(steps, name))
}

fn mail(context: &mut Preflight<'_, '_, '_>, message: &Message, known: &KnownNames) -> Result<(), StepError> {
    let lines = message.lines();
    let mut all = lines.iter().copied().chain(message.contents().map(|content| match content {
        TextSource::Text(template) => template,
        TextSource::File { path, .. } => &path.template,
    }));
    // What a file that is a template names is not known before it is rendered.
    let renders = message.contents().any(|content| matches!(content, TextSource::File { template: true, .. }));
    if !renders && all.all(|template| is_known(context, template, known)) {
        let Err(first) = context.prepare(message) else { return Ok(()) };
        let mut found = PreflightErrors::default();
        found.add(context, Err(first))?;
        // It stops at the first thing that is wrong.
        let others = parts(context, message, known);
        found.add(context, others)?;
        return found.end();
    }
    parts(context, message, known)
}

/// Each part of a message by itself.
fn parts(context: &Preflight<'_, '_, '_>, message: &Message, known: &KnownNames) -> Result<(), StepError> {
    let mut found = PreflightErrors::default();
    for template in message.lines() {
        found.add(context, line(context, template, known))?;
    }
    let later = |name: &str| is_later(context.run.session, name);
    for (part, html) in
        message.text.iter().map(|text| (text, false)).chain(message.html.iter().map(|html| (html, true)))
    {
        match part {
            TextSource::File { path, template: true } if is_known(context, &path.template, known) => {
                found.add(context, context.parts().try_file(path, html, &later))?;
            }
            part => found.add(context, content(context, part, known))?,
        }
    }
    for path in message.attachments.iter().map(|attachment| &attachment.path).chain(&message.eml) {
        found.add(context, file(context, path, known))?;
    }
    found.end()
}
