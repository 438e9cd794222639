//! Renders, before anything is sent, all that depends on variables and secrets alone, and opens the files that it
//! names: what would be refused later is refused now.

use super::actions;
use super::error::StepError;
use super::executor::Executor;
use super::values::one_line;
use crate::session::{
    Action, AuthSettings, Message, RawBytes, Scope, Session, SourcePath, Step, Template, TextSource, ValueSource,
    Variable, all_steps,
};
use std::collections::HashSet;

/// The names whose values do not change while the session runs.
type KnownNames = HashSet<String>;

/// Checks all steps that are sure to run as far as the file is concerned.
pub fn check(executor: &mut Executor<'_>) -> Result<(), StepError> {
    let session = executor.session;
    let mut known: KnownNames =
        session.vars.iter().chain(&session.secrets).map(|variable| variable.name.clone()).collect();
    known.extend(executor.settings.variables.iter().map(|(name, _)| name.clone()));
    let sections = [&session.open, &session.steps, &session.close];
    for section in sections {
        forget_captures(section, &mut known);
    }
    let mut found = PreflightErrors::default();
    if let Some(auth) = &session.auth {
        let checked = credentials(executor, auth, &known);
        found.add(executor, checked)?;
    }
    for section in sections {
        let checked = steps(executor, section, &known);
        found.add(executor, checked)?;
    }
    found.end()
}

/// The most that one run tells.
const MOST: usize = 100;

/// All that is wrong, each once, in the order of the session.
#[derive(Default)]
struct PreflightErrors(Vec<StepError>);

impl PreflightErrors {
    /// An error is that nothing more is to be looked for: a signal came, or there is enough.
    fn add(&mut self, executor: &Executor<'_>, checked: Result<(), StepError>) -> Result<(), StepError> {
        let Err(error) = checked else { return Ok(()) };
        if error.interrupt(executor.events.clock).is_some() {
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

fn steps(executor: &mut Executor<'_>, steps: &[Step], known: &KnownNames) -> Result<(), StepError> {
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
            fixed &= is_fixed(executor, variable, &own);
            if fixed {
                own.insert(variable.name.clone());
            } else {
                own.remove(&variable.name);
            }
        }
        if !fixed {
            own.retain(|name| !step.with.iter().any(|variable| variable.name == *name));
        }
        let with = if fixed { executor.with(&step.with) } else { Ok(Vec::new()) };
        let checked = with.and_then(|with| {
            executor.scope.push_layer(with);
            let checked = action(executor, &step.action, &own);
            executor.scope.pop_layer();
            checked
        });
        found.add(executor, checked.map_err(|error| error.all_at(&step.span)))?;
    }
    found.end()
}

fn is_fixed(executor: &Executor<'_>, variable: &Variable, known: &KnownNames) -> bool {
    match &variable.source {
        ValueSource::Template(template) => is_known(executor, template, known),
        ValueSource::Literal(_) => true,
        _ => false,
    }
}

fn is_known(executor: &Executor<'_>, template: &Template, known: &KnownNames) -> bool {
    executor.session.templates.names(template).iter().all(|name| known.contains(name))
}

fn action(executor: &mut Executor<'_>, action: &Action, known: &KnownNames) -> Result<(), StepError> {
    match action {
        Action::Send(template) => line(executor, template, known),
        Action::Hello { name: Some(template), .. } => line(executor, template, known),
        Action::Raw(RawBytes::Text(template)) => text(executor, template, known),
        Action::Raw(RawBytes::File(path)) => file(executor, path, known),
        Action::Body { content: body, .. } => content(executor, body, known),
        Action::Auth(settings) => credentials(executor, settings, known),
        Action::Message(message) => mail(executor, message, known),
        Action::Pipeline(members) | Action::Steps(members) => steps(executor, members, known),
        Action::Xclient(attributes) => attributes.iter().try_for_each(|(_, value)| line(executor, value, known)),
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

fn line(executor: &Executor<'_>, template: &Template, known: &KnownNames) -> Result<(), StepError> {
    if is_known(executor, template, known) { executor.render_line(template).map(drop) } else { Ok(()) }
}

fn text(executor: &Executor<'_>, template: &Template, known: &KnownNames) -> Result<(), StepError> {
    if is_known(executor, template, known) { executor.render(template).map(drop) } else { Ok(()) }
}

fn file(executor: &Executor<'_>, path: &SourcePath, known: &KnownNames) -> Result<(), StepError> {
    if !is_known(executor, &path.template, known) {
        return Ok(());
    }
    let resolved = executor.resolve(path)?;
    match executor.sources.open(&resolved) {
        Ok(_) => Ok(()),
        Err(error) => Err(StepError::source(&executor.events, &error).at(&path.span)),
    }
}

fn content(executor: &Executor<'_>, content: &TextSource, known: &KnownNames) -> Result<(), StepError> {
    match content {
        TextSource::Text(template) => text(executor, template, known),
        TextSource::File { path, .. } => file(executor, path, known),
    }
}

/// Password and token are secrets wherever they come from: known to the redactor before anything is told.
fn credentials(executor: &mut Executor<'_>, settings: &AuthSettings, known: &KnownNames) -> Result<(), StepError> {
    for template in [&settings.user, &settings.authzid].into_iter().flatten() {
        line(executor, template, known)?;
    }
    for (name, template) in [("password", &settings.password), ("token", &settings.token)] {
        let Some(template) = template.as_ref().filter(|template| is_known(executor, template, known)) else { continue };
        let secret = executor.render(template)?;
        // Where it is made of short secrets, they were warned of by their own names.
        let named = executor.short_names.iter().any(|short| short == name) || !executor.secrets_in(template).is_empty();
        if !executor.events.redactor.add(&secret) && !named {
            executor.short_names.push(name.to_owned());
        }
        one_line(&executor.events, secret, template)?;
    }
    Ok(())
}

/// Whether one of the steps captures the name.
pub fn is_captured(steps: &[Step], name: &str) -> bool {
    all_steps(steps).any(|step| step.captures.iter().any(|capture| capture.name == name))
}

/// Whether the name gets another value while the session runs.
fn is_later(session: &Session, name: &str) -> bool {
    Scope::FACTS.contains(&name)
        || name == "row"
        || [&session.open, &session.steps, &session.close].into_iter().any(|steps| is_captured(steps, name))
}

fn mail(executor: &mut Executor<'_>, message: &Message, known: &KnownNames) -> Result<(), StepError> {
    let lines = message.lines();
    let mut all = lines.iter().copied().chain(message.contents().map(|content| match content {
        TextSource::Text(template) => template,
        TextSource::File { path, .. } => &path.template,
    }));
    // What a file that is a template names is not known before it is rendered.
    let renders = message.contents().any(|content| matches!(content, TextSource::File { template: true, .. }));
    if !renders && all.all(|template| is_known(executor, template, known)) {
        let Err(first) = actions::compose(executor, message).map(drop) else { return Ok(()) };
        let mut found = PreflightErrors::default();
        found.add(executor, Err(first))?;
        // It stops at the first thing that is wrong.
        let others = parts(executor, message, known);
        found.add(executor, others)?;
        return found.end();
    }
    parts(executor, message, known)
}

/// Each thing that a mail is made of, by itself.
fn parts(executor: &Executor<'_>, message: &Message, known: &KnownNames) -> Result<(), StepError> {
    let mut found = PreflightErrors::default();
    for template in message.lines() {
        found.add(executor, line(executor, template, known))?;
    }
    let later = |name: &str| is_later(executor.session, name);
    for (part, html) in
        message.text.iter().map(|text| (text, false)).chain(message.html.iter().map(|html| (html, true)))
    {
        match part {
            TextSource::File { path, template: true } if is_known(executor, &path.template, known) => {
                found.add(executor, actions::try_file(executor, path, html, &later))?;
            }
            part => found.add(executor, content(executor, part, known))?,
        }
    }
    for path in message.attachments.iter().map(|attachment| &attachment.path).chain(&message.eml) {
        found.add(executor, file(executor, path, known))?;
    }
    found.end()
}
