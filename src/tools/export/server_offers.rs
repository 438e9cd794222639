//! What the server in memory offers.

/// What the server in memory offers after EHLO.
#[derive(Clone, Debug, Default)]
pub struct ServerOffers {
    pub starttls: bool,
    /// The session uses STARTTLS only if it is offered.
    pub optional_starttls: bool,
    /// The mechanisms that the session names.
    pub mechanisms: Vec<&'static str>,
}
