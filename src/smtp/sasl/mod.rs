//! SASL (RFC 4422) for SMTP AUTH (RFC 4954): challenges in, responses out; nothing is sent here.

mod cram;
mod dialogue;
mod exchange;
mod fixed;
mod mechanism;
mod oauth;
mod scram;
mod start;

pub use dialogue::{AuthDialogue, AuthLine, AuthTurn};
pub use exchange::{Credentials, Response, SaslError, SaslExchange};
pub use mechanism::{Mechanism, MechanismChoice, UnknownMechanism};
pub use start::start_exchange;
