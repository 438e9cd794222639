//! The steps that `[message]` implies.

use super::expect::{expect_codes, expectation};
use super::reader::SessionReader;
use crate::session::{Action, CodePattern, Diagnostic, Expectation, FailurePolicy, ReplyPattern, Span, Step};

impl SessionReader<'_> {
    /// `[[open]]`, `[[step]]` and `[[close]]`. If the file has `[message]`, sections that it does not write are implied.
    pub(super) fn add_implied_steps(
        &mut self,
        open: Option<Vec<Step>>,
        steps: Option<Vec<Step>>,
        close: Option<Vec<Step>>,
    ) -> [Vec<Step>; 3] {
        let Some(message) = &self.message else {
            return [open.unwrap_or_default(), steps.unwrap_or_default(), close.unwrap_or_default()];
        };
        let span = message.span.clone();
        let implied_message = implied_step(
            span.clone(),
            Action::Message(Box::new(message.clone())),
            Some(expect_codes(span.clone(), &["250"])),
        );
        if open.is_none()
            && let Some(waits) = steps.iter().flatten().next().and_then(waits_for_greeting)
        {
            let text = "this waits for a greeting that the implied [[open]] has already read";
            let wrong = Diagnostic::error(waits.clone(), text);
            self.report(wrong.with_help("[message] implies greeting, EHLO, STARTTLS and AUTH: write [[open]] instead"));
        }
        let farewell = vec![codes("221"), ReplyPattern::Close];
        let farewell = expectation(span.clone(), farewell);
        [
            open.unwrap_or_else(|| vec![implied_step(span.clone(), Action::Login, None)]),
            steps.unwrap_or_else(|| vec![implied_message]),
            close.unwrap_or_else(|| vec![implied_step(span, Action::Quit, Some(farewell))]),
        ]
    }
}

fn codes(text: &str) -> ReplyPattern {
    ReplyPattern::codes(CodePattern::parse(text).into_iter().collect())
}

fn implied_step(span: Span, action: Action, expect: Option<Expectation>) -> Step {
    Step {
        span,
        implied: true,
        deselected: false,
        action,
        expect,
        name: None,
        asserts: Vec::new(),
        captures: Vec::new(),
        timeout: None,
        delay: None,
        condition: None,
        repeat: None,
        retry: None,
        on_fail: FailurePolicy::Stop,
        chunk: None,
        always: false,
        with: Vec::new(),
        on: None,
        server: None,
    }
}

/// The span of the first step if it waits for a 220. A named connection has its own greeting.
fn waits_for_greeting(step: &Step) -> Option<&Span> {
    if step.on.as_deref().is_some_and(|on| on != "main") {
        return None;
    }
    match &step.action {
        Action::Steps(steps) => steps.first().and_then(waits_for_greeting),
        Action::Wait => {
            let accepts = |pattern: &ReplyPattern| match pattern {
                ReplyPattern::Reply { code, .. } => code.iter().any(|code| code.accepts_code(220)),
                _ => false,
            };
            step.expect.iter().flat_map(|expect| &expect.any_of).any(accepts).then_some(&step.span)
        }
        _ => None,
    }
}
