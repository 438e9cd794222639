//! Finds undefined names in templates and expressions.
//!
//! A name is known from its definition on: variables and secrets everywhere, captures in later steps, `with` in its step.
//! A step with a capture may be skipped when the session runs, but its captures count as known.

use crate::session::suggestions::closest_name;
use crate::session::template::is_function;
use crate::session::visitor::{Visitor, walk_action, walk_step_after_with, walk_variable};
use crate::session::{Action, Capture, Diagnostic, Expression, Scope, Session, Span, Step, Template, Variable};
use std::collections::HashMap;

/// The names that are used and that nothing defines.
pub(in crate::session) fn undefined_names(session: &Session, overridden: &[String]) -> Vec<Diagnostic> {
    let mut checker = NameChecker { session, known: HashMap::new(), setting: None, found: Vec::new() };
    // `loop` is defined in a step with `repeat` only.
    checker.add(Scope::FACTS.iter().copied().filter(|fact| *fact != "loop"));
    checker.add(overridden.iter().map(String::as_str));
    checker.visit_session(session);
    checker.found
}

struct NameChecker<'s> {
    session: &'s Session,
    /// How many definitions of each name are in effect. Those of `with` end with their step.
    known: HashMap<&'s str, usize>,
    /// The variable whose source is being checked.
    setting: Option<&'s str>,
    found: Vec<Diagnostic>,
}

impl<'s> Visitor<'s> for NameChecker<'s> {
    fn visit_session(&mut self, session: &'s Session) {
        // Rows exist while steps run.
        self.add(session.rows.iter().map(|_| "row"));
        self.add(session.secrets.iter().map(|secret| secret.name.as_str()));
        // A variable can use those above it.
        session.vars.iter().chain(&session.secrets).for_each(|variable| self.visit_variable(variable));
        let lines = [&session.description, &session.server, &session.client_name];
        lines.into_iter().flatten().for_each(|line| self.visit_line(line));
        self.visit_tls(&session.tls);
        session.sections().into_iter().flatten().for_each(|step| self.visit_step(step));
        // [auth] and [message] can use captures of any step, so they are checked with all names known.
        self.add(session.all_steps().any(|step| step.repeat.is_some()).then_some("loop").into_iter());
        session.auth.iter().for_each(|auth| self.visit_auth(auth));
        session.message.iter().for_each(|message| self.visit_message(message));
        session.dkim.iter().for_each(|dkim| self.visit_dkim(dkim));
    }

    fn visit_variable(&mut self, variable: &'s Variable) {
        self.setting = Some(variable.name.as_str());
        walk_variable(self, variable);
        self.setting = None;
        self.add(std::iter::once(variable.name.as_str()));
    }

    fn visit_step(&mut self, step: &'s Step) {
        if step.deselected {
            return;
        }
        let repeats = step.repeat.is_some();
        self.add(repeats.then_some("loop").into_iter());
        step.with.iter().for_each(|variable| self.visit_variable(variable));
        if repeats {
            // A repetition knows the captures of the one before.
            step.with_members().flat_map(|step| &step.captures).for_each(|capture| self.visit_capture(capture));
        }
        walk_step_after_with(self, step);
        self.remove(step.with.iter().map(|variable| variable.name.as_str()));
        self.remove(repeats.then_some("loop").into_iter());
    }

    fn visit_action(&mut self, action: &'s Action) {
        // The session's [auth] and [message] are checked on their own; a step can have others.
        let is_of_session = match action {
            Action::Auth(auth) => self.session.auth.as_ref().is_some_and(|own| own.span == auth.span),
            Action::Message(message) => self.session.message.as_ref().is_some_and(|own| own.span == message.span),
            _ => false,
        };
        if !is_of_session {
            walk_action(self, action);
        }
    }

    /// Captures are taken before the asserts of the step are evaluated.
    fn visit_capture(&mut self, capture: &'s Capture) {
        self.add(std::iter::once(capture.name.as_str()));
    }

    fn visit_template(&mut self, template: &'s Template) {
        self.check(self.session.templates.names_at(template));
    }

    fn visit_expression(&mut self, expression: &'s Expression) {
        self.check(expression.names_at(&self.session.templates));
    }
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

    fn check(&mut self, used: Vec<(String, Span)>) {
        for (name, span) in used {
            // A function that a variable hides elsewhere is one here.
            if is_function(&name) || self.known.get(name.as_str()).is_some_and(|times| *times > 0) {
                continue;
            }
            let mut wrong = Diagnostic::error(span, format!("nothing defines the name \"{name}\""));
            let known = self.known.iter().filter(|(_, times)| **times > 0).map(|(known, _)| *known);
            let mut known: Vec<_> = known.collect();
            known.sort_unstable();
            if name == "row" {
                wrong.help = Some("\"row\" is defined if the session has [rows]".to_owned());
            } else if name == "loop" {
                wrong.help = Some("\"loop\" is defined in a step with \"repeat\"".to_owned());
            } else if self.setting == Some(name.as_str()) {
                wrong.help = Some("it refers to itself: a variable can use those above it".to_owned());
            } else if let Some(meant) = closest_name(&name, known.into_iter()) {
                wrong.label = Some(format!("did you mean \"{meant}\"?"));
            } else if self.session.vars.iter().any(|variable| variable.name == name) {
                wrong.help = Some("it is defined further down: a variable can use those above it".to_owned());
            } else {
                wrong.help =
                    Some("names come from [vars], [secrets], --var, `with`, and captures of earlier steps".to_owned());
            }
            self.found.push(wrong);
        }
    }
}
