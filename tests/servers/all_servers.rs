//! The list of all servers, and the page with the results of the tests.

use crate::certificates::Certificate;
use crate::fixture::{Server, TlsVersions};
use crate::{aiosmtpd, dovecot, exim, postfix, sendmail};
use std::sync::{Mutex, PoisonError};

/// Functions that start each server.
pub const STARTS: [fn(&Certificate) -> Server; 5] =
    [|certificate| postfix::start(certificate, ""), exim::start, dovecot::start, sendmail::start, aiosmtpd::start];

/// Functions that start the servers whose versions of TLS can be chosen.
pub const STARTS_WITH_VERSIONS: [fn(&Certificate, TlsVersions) -> Server; 3] = [
    |certificate, versions| postfix::start(certificate, postfix::tls_settings(versions)),
    exim::start_with,
    dovecot::start_with,
];

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/servers.md");

/// Writes a section of `docs/servers.md`, replacing the one with the same heading.
pub fn publish(heading: &str, text: &str) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let page = std::fs::read_to_string(PAGE).expect("the page is there");
    let heading = format!("## {heading}\n");
    let section = format!("{heading}\n{}\n", text.trim_end());
    let page = match page.find(&heading) {
        None => format!("{}\n\n{section}", page.trim_end()),
        Some(start) => {
            let after =
                page[start + heading.len()..].find("\n## ").map_or("", |at| &page[start + heading.len() + at..]);
            format!("{}{section}{after}", &page[..start])
        }
    };
    std::fs::write(PAGE, page).expect("the page can be written");
}
