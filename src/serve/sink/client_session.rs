//! What is known of a client: its greeting, its authentication, its transaction.

use super::envelope::{AuthIdentity, Envelope, Params, Recipient};
use std::collections::BTreeMap;

/// The client's greeting command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hello {
    #[default]
    None,
    Helo,
    Ehlo,
    Lhlo,
}

/// What the client has said so far.
#[derive(Debug, Default)]
pub(super) struct ClientSession {
    pub(super) hello: Hello,
    pub(super) helo: String,
    pub(super) tls: Option<String>,
    pub(super) authenticated: Option<AuthIdentity>,
    pub(super) proxied_for: Option<String>,
    pub(super) xclient: BTreeMap<String, String>,
    pub(super) mail: Option<(String, Params)>,
    pub(super) rcpt: Vec<Recipient>,
    pub(super) size: u64,
    /// A BDAT of this transaction was accepted.
    pub(super) chunking: bool,
}

impl ClientSession {
    /// RFC 3207 §4.2: forgets everything that was sent unencrypted.
    pub(super) fn tls_started(&mut self, version: Option<String>) {
        let proxied_for = self.proxied_for.take();
        let xclient = std::mem::take(&mut self.xclient);
        let tls = Some(version.unwrap_or_else(|| "TLS".to_owned()));
        *self = Self { tls, proxied_for, xclient, ..Self::default() };
    }

    /// Forgets the transaction (RFC 5321 §4.1.1.5).
    pub(super) fn reset(&mut self) {
        self.mail = None;
        self.rcpt.clear();
        self.size = 0;
        self.chunking = false;
    }

    /// Ends the transaction and returns its envelope.
    pub(super) fn take_envelope(&mut self) -> Envelope {
        let (mail_from, mail_params) = self.mail.take().unwrap_or_default();
        let lmtp = self.hello == Hello::Lhlo;
        let protocol = match self.hello {
            Hello::Helo | Hello::None => "SMTP".to_owned(),
            hello => {
                let base = if hello == Hello::Lhlo { "LMTP" } else { "ESMTP" };
                let tls = if self.tls.is_some() { "S" } else { "" };
                let auth = if self.authenticated.is_some() { "A" } else { "" };
                format!("{base}{tls}{auth}")
            }
        };
        let envelope = Envelope {
            smtputf8: mail_params.contains_key("SMTPUTF8"),
            mail_from,
            mail_params,
            rcpt: std::mem::take(&mut self.rcpt),
            helo: self.helo.clone(),
            protocol,
            lmtp,
            tls: self.tls.clone(),
            auth: self.authenticated.clone(),
            xclient: self.xclient.clone(),
            proxied_for: self.proxied_for.clone(),
            size: self.size,
        };
        self.reset();
        envelope
    }
}
