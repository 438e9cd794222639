//! Finds names in templates and expressions that nothing defines.
//!
//! A name is known from where it is set: variables and secrets everywhere, captures in the steps behind, `with` in its
//! step. Whether a step that captures really ran is not known before it runs; its captures count as known.

use super::closest_name;
use crate::session::{
    Action, AuthSettings, Diagnostic, Expectation, Expression, Message, RawBytes, ReplyPattern, Scope, Session,
    SourcePath, Span, Step, Template, TextSource, ValueSource, Variable,
};
use std::collections::HashMap;

/// What templates and expressions use and nothing defines.
pub(in crate::session) fn undefined_names(session: &Session, overridden: &[String]) -> Vec<Diagnostic> {
    let mut names = NameChecker { session, known: HashMap::new(), setting: None, found: Vec::new() };
    // `loop` is there in a step that repeats.
    names.add(Scope::FACTS.iter().copied().filter(|fact| *fact != "loop"));
    names.add(overridden.iter().map(String::as_str));
    // A row is there while the steps run.
    names.add(session.rows.iter().map(|_| "row"));
    names.add(session.secrets.iter().map(|secret| secret.name.as_str()));
    // A variable may use those above it.
    names.variables(&session.vars);
    names.variables(&session.secrets);
    for template in [&session.description, &session.server, &session.client_name].into_iter().flatten() {
        names.template(template);
    }
    names.tls();
    for step in session.open.iter().chain(&session.steps).chain(&session.close) {
        names.step(step);
    }
    let sections = [&session.open, &session.steps, &session.close];
    names.add(sections.into_iter().any(|steps| repeats(steps)).then_some("loop").into_iter());
    // What [auth] and [message] use may be captured by the steps that use them: looked at with all names known.
    session.auth.iter().for_each(|auth| names.auth(auth));
    session.message.iter().for_each(|message| names.message(message));
    names.found
}

/// Whether any of them repeats.
fn repeats(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.any(&|step| step.repeat.is_some()))
}

struct NameChecker<'s> {
    session: &'s Session,
    /// How many times each is set just now: a step's `with` ends with it.
    known: HashMap<&'s str, usize>,
    /// The variable whose source is looked at.
    setting: Option<&'s str>,
    found: Vec<Diagnostic>,
}

impl<'s> NameChecker<'s> {
    fn add(&mut self, names: impl Iterator<Item = &'s str>) {
        for name in names {
            *self.known.entry(name).or_default() += 1;
        }
    }

    fn remove(&mut self, names: impl Iterator<Item = &'s str>) {
        for name in names {
            if let Some(times) = self.known.get_mut(name) {
                *times = times.saturating_sub(1);
            }
        }
    }

    fn template(&mut self, template: &Template) {
        self.all(self.session.templates.names_at(template));
    }

    fn templates<'t>(&mut self, templates: impl IntoIterator<Item = &'t Template>) {
        templates.into_iter().for_each(|template| self.template(template));
    }

    fn expression(&mut self, expression: &Expression) {
        self.all(expression.names_at(&self.session.templates));
    }

    fn all(&mut self, used: Vec<(String, Span)>) {
        for (name, span) in used {
            if self.known.get(name.as_str()).is_some_and(|times| *times > 0) {
                continue;
            }
            let mut wrong = Diagnostic::error(span, format!("nothing defines the name \"{name}\""));
            let known = self.known.iter().filter(|(_, times)| **times > 0).map(|(known, _)| *known);
            let mut known: Vec<_> = known.collect();
            known.sort_unstable();
            if name == "row" {
                wrong.help = Some("\"row\" is known where [rows] stands".to_owned());
            } else if name == "loop" {
                wrong.help = Some("\"loop\" is known in a step with \"repeat\"".to_owned());
            } else if self.setting == Some(name.as_str()) {
                wrong.help = Some("it would be made of itself: a variable can use those above it".to_owned());
            } else if let Some(meant) = closest_name(&name, known.into_iter()) {
                wrong.label = Some(format!("did you mean \"{meant}\"?"));
            } else if self.session.vars.iter().any(|variable| variable.name == name) {
                wrong.help = Some("it is set further down: a variable can use those above it".to_owned());
            } else {
                wrong.help =
                    Some("names come from [vars], [secrets], --var, `with`, and captures of earlier steps".to_owned());
            }
            self.found.push(wrong);
        }
    }

    fn path(&mut self, path: &SourcePath) {
        self.template(&path.template);
    }

    fn content(&mut self, content: &TextSource) {
        match content {
            TextSource::Text(text) => self.template(text),
            TextSource::File { path, .. } => self.path(path),
        }
    }

    fn variables(&mut self, variables: &'s [Variable]) {
        for variable in variables {
            self.setting = Some(variable.name.as_str());
            match &variable.source {
                ValueSource::Template(template) => self.template(template),
                ValueSource::File { path, .. } | ValueSource::Csv { path, .. } | ValueSource::Json { path, .. } => {
                    self.path(path);
                }
                _ => {}
            }
            self.setting = None;
            self.add(std::iter::once(variable.name.as_str()));
        }
    }

    fn tls(&mut self) {
        let tls = &self.session.tls;
        self.templates(&tls.server_name);
        [&tls.ca, &tls.client_cert, &tls.client_key].into_iter().flatten().for_each(|path| self.path(path));
    }

    fn auth(&mut self, auth: &AuthSettings) {
        self.templates([&auth.user, &auth.password, &auth.token, &auth.authzid].into_iter().flatten());
    }

    fn message(&mut self, message: &Message) {
        self.templates(message.lines());
        message.contents().for_each(|content| self.content(content));
    }

    fn step(&mut self, step: &'s Step) {
        if step.deselected {
            return;
        }
        let repeats = step.repeat.is_some();
        self.add(repeats.then_some("loop").into_iter());
        self.variables(&step.with);
        if repeats {
            // The second time round, what the first captured is known.
            self.captures(step);
        }
        step.condition.iter().for_each(|condition| self.expression(condition));
        self.templates(&step.name);
        self.action(&step.action);
        step.expect.iter().for_each(|expect| self.expect(expect));
        step.retry.iter().for_each(|retry| self.expect(&retry.on));
        // Captures are taken before the step is judged by its asserts.
        self.add(step.captures.iter().map(|capture| capture.name.as_str()));
        step.asserts.iter().for_each(|assert| self.expression(assert));
        self.remove(step.with.iter().map(|variable| variable.name.as_str()));
        self.remove(repeats.then_some("loop").into_iter());
    }

    fn captures(&mut self, step: &'s Step) {
        self.add(step.captures.iter().map(|capture| capture.name.as_str()));
        step.members().iter().for_each(|step| self.captures(step));
    }

    fn expect(&mut self, expect: &Expectation) {
        for pattern in &expect.any_of {
            if let ReplyPattern::Reply { text: Some(text), .. } = pattern {
                self.template(text);
            }
        }
    }

    fn action(&mut self, action: &'s Action) {
        match action {
            Action::Send(line) => self.template(line),
            Action::Raw(RawBytes::Text(text)) => self.template(text),
            Action::Raw(RawBytes::File(path)) => self.path(path),
            Action::Hello { name, .. } => self.templates(name),
            // [auth] and [message] are looked at by themselves; a step's own are not the session's.
            Action::Auth(auth) if self.session.auth.as_ref().is_none_or(|own| own.span != auth.span) => self.auth(auth),
            Action::Message(message) if self.session.message.as_ref().is_none_or(|own| own.span != message.span) => {
                self.message(message);
            }
            Action::Body { content, .. } => self.content(content),
            Action::Pipeline(steps) | Action::Steps(steps) => steps.iter().for_each(|step| self.step(step)),
            Action::Xclient(attributes) => self.templates(attributes.iter().map(|(_, value)| value)),
            Action::Auth(_)
            | Action::Message(_)
            | Action::Raw(RawBytes::Bytes(_))
            | Action::Wait
            | Action::Starttls { .. }
            | Action::Tls
            | Action::Login
            | Action::Quit
            | Action::Sleep(_)
            | Action::Close(_)
            | Action::Connect
            | Action::Proxy { .. } => {}
        }
    }
}
