//! SMTP (RFC 5321) and its extensions as pure functions over bytes: no socket, file or clock.

pub mod address;
pub mod address_list;
pub mod capabilities;
pub mod content;
pub mod dkim;
pub mod domain;
pub mod lines;
pub mod mail_command;
pub mod msg_id;
pub mod proxy;
pub mod queue_id;
pub mod reply;
pub mod sasl;
pub mod timeouts;
pub mod transaction;
pub mod xtext;
