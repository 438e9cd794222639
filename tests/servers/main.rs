//! Real mail servers, each started in a temporary folder on loopback ports, never the system's own instance.
//!
//! They need root and what `tests/servers/install.sh` brings, so they are ignored by a plain `cargo test`;
//! `make test-servers` installs and runs them.

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
mod messages;
mod namespace;
mod postfix;
mod sendmail;
mod smoke;
mod verification;
