//! Tests against real mail servers. Each is started in a temporary folder on loopback ports; the system's own instance is
//! never used.
//!
//! These tests need root and what `tests/servers/install.sh` installs, so a plain `cargo test` ignores them;
//! `make test-servers` installs the servers and runs them.

#[path = "../support/mod.rs"]
mod support;

mod aiosmtpd;
mod all_servers;
mod authentication;
mod certificates;
mod delivery;
mod dovecot;
mod exim;
mod fixture;
mod internationalised;
mod mailing;
mod messages;
mod namespace;
mod old_tls;
mod postfix;
mod probe;
mod sendmail;
mod smoke;
mod verification;
