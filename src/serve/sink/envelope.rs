//! What is kept beside a mail: who sent it to whom, and how the session was.

use serde::Serialize;
use std::collections::BTreeMap;

/// ESMTP parameters: keyword in upper case, value where there is one.
pub(in crate::serve) type Params = BTreeMap<String, Option<String>>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::serve) struct Envelope {
    /// Without angle brackets; empty for the null path.
    pub mail_from: String,
    pub mail_params: Params,
    pub rcpt: Vec<Recipient>,
    pub helo: String,
    /// RFC 3848's words: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, and LMTP in place of ESMTP.
    pub protocol: String,
    pub lmtp: bool,
    pub smtputf8: bool,
    /// `TLSv1.3`, or `TLS` where the version could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Authenticated>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub xclient: BTreeMap<String, String>,
    /// The client's address that a PROXY header told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxied_for: Option<String>,
    /// Octets of content.
    pub size: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::serve) struct Recipient {
    pub address: String,
    pub params: Params,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::serve) struct Authenticated {
    pub mechanism: String,
    pub user: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub authzid: String,
}

/// Where mail goes. Errors are for the server's side; the client is told 451.
pub(in crate::serve) trait MailWriter {
    fn begin(&mut self) -> Result<(), String>;
    fn content(&mut self, bytes: &[u8]) -> Result<(), String>;
    /// Gives the name under which the mail is kept.
    fn commit(&mut self, envelope: &Envelope) -> Result<String, String>;
    /// Forgets what was begun.
    fn abandon(&mut self);
}
