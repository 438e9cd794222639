//! Runs a part of a session: `--from-step` and `--to-step`.
//!
//! Steps keep their numbers. `[[open]]` and `[[close]]` always run, since the dialogue needs them. Without `[[open]]`, the
//! greeting is read even if the step that waits for it is not selected.

use super::read::{expect_codes, undefined_names};
use super::{Action, Diagnostic, Expectation, Session, Step};
use std::fmt;

/// The numbers of the first and the last step to run, as results count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepRange {
    pub from: Option<u64>,
    pub to: Option<u64>,
}

/// Why a range is invalid.
#[derive(Debug)]
pub enum StepRangeError {
    /// The session has fewer steps.
    OutOfRange { asked: u64, steps: u64 },
    /// Selected steps use names that only deselected steps set.
    Undefined(Vec<Diagnostic>),
}

impl fmt::Display for StepRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { asked, steps: 1 } => write!(f, "there is no step {asked}: the session has one step"),
            Self::OutOfRange { asked, steps } => write!(f, "there is no step {asked}: the session has {steps} steps"),
            Self::Undefined(found) => write!(f, "{} names have no value", found.len()),
        }
    }
}

impl StepRange {
    pub fn is_unbounded(self) -> bool {
        self == Self::default()
    }

    fn contains(self, number: u64) -> bool {
        self.from.is_none_or(|from| from <= number) && self.to.is_none_or(|to| number <= to)
    }
}

impl Session {
    /// Deselects the steps of `[[step]]` outside of the range. `overridden` are the names that `--var` sets.
    pub fn select_steps(&mut self, part: StepRange, overridden: &[String]) -> Result<(), StepRangeError> {
        let count = |steps: &[Step]| steps.len() as u64;
        let before = count(&self.open);
        let steps = before + count(&self.steps) + count(&self.close);
        if let Some(asked) = [part.from, part.to].into_iter().flatten().find(|asked| *asked > steps) {
            return Err(StepRangeError::OutOfRange { asked, steps });
        }
        let mut greeting = self.open.is_empty();
        for (number, step) in (before + 1..).zip(&mut self.steps) {
            if part.contains(number) {
                greeting = false;
            } else if greeting && let Some((action, expect)) = greeting_only(step, &mut greeting) {
                // Its other keys belong to what is not selected.
                step.action = action;
                step.expect = expect;
                step.captures.clear();
                step.asserts.clear();
            } else {
                greeting = false;
                step.deselected = true;
            }
        }
        let found = undefined_names(self, overridden);
        if found.is_empty() {
            Ok(())
        } else {
            Err(StepRangeError::Undefined(found.into_iter().map(with_selection_help).collect()))
        }
    }
}

/// The part of a step that connects and reads the greeting. `before_greeting` becomes false after the greeting is read.
fn greeting_only(step: &Step, before_greeting: &mut bool) -> Option<(Action, Option<Expectation>)> {
    match &step.action {
        Action::Connect | Action::Proxy(_) => Some((step.action.clone(), step.expect.clone())),
        Action::Wait => {
            *before_greeting = false;
            Some((Action::Wait, step.expect.clone()))
        }
        Action::Login => {
            *before_greeting = false;
            Some((Action::Wait, Some(expect_codes(step.span.clone(), &["220"]))))
        }
        Action::Steps(members) => {
            let mut left = Vec::new();
            for member in members {
                let Some((action, expect)) = greeting_only(member, before_greeting) else { break };
                left.push(Step { action, expect, captures: Vec::new(), asserts: Vec::new(), ..member.clone() });
                if !*before_greeting {
                    break;
                }
            }
            (!left.is_empty()).then_some((Action::Steps(left), None))
        }
        _ => None,
    }
}

fn with_selection_help(mut one: Diagnostic) -> Diagnostic {
    one.help = Some("the step that captures it is not selected by --from-step and --to-step: set it with --var".into());
    one
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::load;
    use crate::session::read::tests::Files;

    const STEPS: &str = "
        server = 'smtp://mx.example'
        step = [
            { expect = 220 },
            { send = 'EHLO a', expect = 250 },
            { send = 'NOOP', expect = 250, capture = { id = 'id=(.*)' } },
            { send = 'HELP', expect = 214 },
        ]";

    fn session(text: &str) -> Session {
        let read = load("case.toml", text, &Files::default(), &[]);
        read.unwrap_or_else(|wrong| panic!("{text}\n{}", wrong.render(false)))
    }

    fn left(session: &Session) -> Vec<usize> {
        let numbers = 1 + session.open.len()..;
        numbers.zip(&session.steps).filter(|(_, step)| !step.deselected).map(|(number, _)| number).collect()
    }

    #[test]
    fn a_range_keeps_its_steps_and_reads_the_greeting() {
        let short = "server = 'smtp://mx.example'\n[message]\nfrom = 'a@b'\nto = 'c@d'\ntext = 'x'\n";
        let open =
            "server = 'smtp://mx.example'\nopen = [ { expect = 220 } ]\nstep = [ { expect = 250 }, { sleep = '1s' } ]";
        let group = "server = 'smtp://mx.example'\nstep = [
            { steps = [ { connect = true }, { expect = 220 }, { send = 'EHLO a', expect = 250 } ] }, { quit = true } ]";
        let login = "server = 'smtp://mx.example'\nstep = [ { login = true }, { quit = true } ]";
        let late = "server = 'smtp://mx.example'\nstep = [ { raw = 'x' }, { expect = 220 }, { quit = true } ]";
        let table = [
            (STEPS, None, None, vec![1, 2, 3, 4], "all"),
            (STEPS, Some(3), None, vec![1, 3, 4], "the greeting is awaited all the same"),
            (STEPS, None, Some(2), vec![1, 2], "to the second"),
            (STEPS, Some(2), Some(2), vec![1, 2], "one"),
            (open, Some(3), None, vec![3], "open is played, and counted"),
            (open, None, Some(1), vec![], "open alone"),
            (short, None, Some(1), vec![], "what [message] implies is open, step and close: it only logs in"),
            (short, Some(2), Some(2), vec![2], "the message"),
            (short, Some(3), Some(3), vec![], "close is counted too"),
            (group, Some(2), None, vec![1, 2], "the group as far as the greeting"),
            (login, Some(2), None, vec![1, 2], "the login as far as the greeting"),
            (late, Some(3), None, vec![3], "who speaks first does not want the greeting yet"),
        ];
        for (text, from, to, expected, why) in table {
            let mut session = session(text);
            session.select_steps(StepRange { from, to }, &[]).unwrap_or_else(|error| panic!("{why}: {error}"));
            assert_eq!(left(&session), expected, "{why}");
        }
        let mut session = session(group);
        session.select_steps(StepRange { from: Some(2), to: None }, &[]).expect("it has two steps");
        assert!(matches!(&session.steps[0].action, Action::Steps(members) if members.len() == 2), "without EHLO");
    }

    #[test]
    fn an_invalid_range_is_an_error() {
        for (from, to, words) in [(Some(5), None, "no step 5"), (None, Some(9), "has 4 steps")] {
            let error = session(STEPS).select_steps(StepRange { from, to }, &[]).expect_err(words);
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn selected_steps_cannot_use_captures_of_deselected_ones() {
        let text = STEPS.replace("HELP", "HELP {{ id }}");
        let part = StepRange { from: Some(4), to: None };
        let Err(StepRangeError::Undefined(found)) = session(&text).select_steps(part, &[]) else {
            panic!("id has no value")
        };
        assert!(found[0].message.contains("\"id\""), "{found:?}");
        session(&text).select_steps(part, &["id".to_owned()]).expect("--var gives it");
        session(&text).select_steps(StepRange { from: Some(3), to: None }, &[]).expect("it is captured");
    }
}
