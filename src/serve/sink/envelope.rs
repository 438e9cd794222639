//! What is stored with a mail: sender, recipients, and the properties of the session.

use serde::Serialize;
use std::collections::BTreeMap;

/// ESMTP parameters: keyword in upper case, and the value if there is one.
pub(in crate::serve) type Params = BTreeMap<String, Option<String>>;

/// The envelope of a mail, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::serve) struct Envelope {
    /// Without angle brackets; empty for the null path.
    pub mail_from: String,
    pub mail_params: Params,
    pub rcpt: Vec<Recipient>,
    pub helo: String,
    /// The keywords of RFC 3848: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, with LMTP in place of ESMTP.
    pub protocol: String,
    pub lmtp: bool,
    pub smtputf8: bool,
    /// `TLSv1.3`, or `TLS` if the version is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthIdentity>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub xclient: BTreeMap<String, String>,
    /// The client's address in a PROXY header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxied_for: Option<String>,
    /// Octets of content.
    pub size: u64,
}

/// A recipient that was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::serve) struct Recipient {
    pub address: String,
    pub params: Params,
}

/// Who authenticated, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::serve) struct AuthIdentity {
    pub mechanism: String,
    pub user: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub authzid: String,
}

/// Stores mail. Errors are for the operator of the server; the client gets a 451.
pub(in crate::serve) trait MailWriter {
    fn begin(&mut self) -> Result<(), String>;
    fn content(&mut self, bytes: &[u8]) -> Result<(), String>;
    /// Returns the name under which the mail is stored.
    fn commit(&mut self, envelope: &Envelope) -> Result<String, String>;
    /// Discards an incomplete mail.
    fn abandon(&mut self);
}
