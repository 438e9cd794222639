//! Which sessions need more of TLS than a connection usually tells.

use super::visitor::{FilePurpose, Visitor};
use super::{Action, Expectation, Expression, ReplyPattern, Session, Template, TextSource};

impl Session {
    /// Whether the session asks for the certificate chain (`tls.chain`, `tls.days_left`), expects a handshake to fail, or
    /// ends TLS and goes on in plain text. A template in another file is taken to ask for it.
    pub fn needs_tls_details(&self) -> bool {
        let mut search = DetailSearch { found: false };
        search.visit_session(self);
        search.found
    }
}

struct DetailSearch {
    found: bool,
}

impl DetailSearch {
    /// `tls` may have another name in a template (`{% set t = tls %}`), so the words may be apart.
    fn look(&mut self, source: &str) {
        let asks = source.contains("chain") || source.replace("peer.days_left", "").contains("days_left");
        self.found |= asks && source.contains("tls");
    }
}

impl<'s> Visitor<'s> for DetailSearch {
    fn visit_action(&mut self, action: &'s Action) {
        self.found |= matches!(action, Action::EndTls);
        super::walk_action(self, action);
    }

    fn visit_template(&mut self, template: &'s Template) {
        if !template.is_literal() {
            self.look(&template.source);
        }
    }

    fn visit_expression(&mut self, expression: &'s Expression) {
        self.look(&expression.source);
    }

    fn visit_expectation(&mut self, expectation: &'s Expectation) {
        self.found |= expectation.any_of.iter().any(|pattern| matches!(pattern, ReplyPattern::HandshakeFailure));
        super::walk_expectation(self, expectation);
    }

    fn visit_text_source(&mut self, source: &'s TextSource, purpose: FilePurpose) {
        self.found |= matches!(source, TextSource::File { template: true, .. });
        super::walk_text_source(self, source, purpose);
    }
}

#[cfg(test)]
mod tests {
    use crate::session::load;
    use crate::session::read::tests::Files;

    #[test]
    fn sessions_that_need_details_are_found() {
        for (step, needed) in [
            ("starttls = true", false),
            ("starttls = true\nassert = [\"tls.peer.days_left > 14\", \"tls.version == 'TLSv1.3'\"]", false),
            ("starttls = true\nassert = [\"tls.days_left > 14\"]", true),
            ("starttls = true\nassert = [\"tls['days_left'] > 14\"]", true),
            ("starttls = true\nassert = [\"tls.chain | length == 2\"]", true),
            ("send = \"NOOP {{ tls.chain[0].subject }}\"\nexpect = 250", true),
            ("send = \"NOOP {% set t = tls %}{{ t.days_left }}\"\nexpect = 250", true),
            ("send = \"NOOP tls.chain\"\nexpect = 250", false),
            ("starttls = true\nexpect = \"handshake-failure\"", true),
            ("close = \"tls\"", true),
            ("close = \"write\"", false),
            ("tls = true\nexpect = \"handshake-failure\"", true),
        ] {
            let text = format!("server = \"smtp://mx.example.com\"\n[[step]]\n{step}\n");
            let session = load("a.toml", &text, &Files::default(), &[]).map_err(|errors| errors.render(false));
            assert_eq!(session.expect("a valid session").needs_tls_details(), needed, "{step}");
        }
    }
}
