//! `--save`: a smoke test that passes against the server as it is.

use super::report::{CertificateTrust, ProbeReply, ProbeReport, StarttlsState, TlsView};
use crate::session::{Scheme, Server, TlsVersion, as_template, toml_string};
use std::fmt::Write;
use std::path::PathBuf;

/// A certificate with more days left passes.
const DAYS: i64 = 14;

/// What a saved session needs beside what the probe found.
#[derive(Default)]
pub struct SavedSessionOptions {
    /// `--var`: `client_name`, `recipient` and `elsewhere`.
    pub variables: Vec<(String, String)>,
    /// `--ca`, with absolute paths.
    pub ca: Vec<PathBuf>,
    pub verify: bool,
}

/// The text of the session file.
pub fn saved_session(report: &ProbeReport, options: &SavedSessionOptions) -> String {
    let scheme = Server::parse(&report.server).map_or(Scheme::Smtp, |server| server.scheme);
    let mut out = String::new();
    let date = report.at.to_string();
    let date = date.split('T').next().unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "#:schema ./session.schema.json\n\
         # A smoke test of {server}, as `mailrun probe` found it on {date}. Run it only against your own server:\n\
         #\n\
         #   mailrun test FILE\n\
         #   mailrun test --var recipient=postmaster@example.com FILE\n\
         #\n\
         # The second one also asks whether the server takes mail for that address, and whether it relays. Nothing is sent.\n\
         description = \"It still says what it said on {date}\"\n\
         tags = [\"smoke\"]\n\
         server = {url}\n\
         timeout = \"60s\"\n",
        server = report.server,
        url = string(&report.server),
    );
    let variable = |name: &str| options.variables.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value);
    let client_name = variable("client_name");
    if client_name.is_some() {
        out.push_str("client_name = \"{{ client_name }}\"\n");
    }
    out.push_str("\n# Each can be set with --var NAME=VALUE.\n[vars]\n");
    if let Some(name) = client_name {
        let _ = writeln!(out, "client_name = {}", string(name));
    }
    let recipient = variable("recipient").map_or("", String::as_str);
    let elsewhere = variable("elsewhere").map_or("nobody@elsewhere.example", String::as_str);
    let _ = writeln!(
        out,
        "recipient = {}{}",
        string(recipient),
        comment(recipient.is_empty(), "an address of the server's")
    );
    let _ = writeln!(out, "elsewhere = {}  # an address that it must not relay to", string(elsewhere));
    if let Some(tls) = &report.tls {
        tls_table(tls, options, &mut out);
    }
    steps(report, scheme, &mut out);
    out
}

fn comment(wanted: bool, text: &str) -> String {
    if wanted { format!("  # {text}") } else { String::new() }
}

/// A value as a string of TOML, of which no part is an expression.
fn string(value: &str) -> String {
    toml_string(&as_template(value))
}

fn tls_table(tls: &TlsView, options: &SavedSessionOptions, out: &mut String) {
    let mut table = String::new();
    match (&tls.trust, options.ca.as_slice()) {
        (CertificateTrust::NotTrusted(_, why), _) => {
            let _ = writeln!(table, "verify = false  # the certificate is not trusted: {why}");
        }
        _ if !options.verify => table.push_str("verify = false  # the probe did not verify it either (--insecure)\n"),
        (_, []) => {}
        (_, [only]) => {
            let _ = writeln!(table, "ca = {}", string(&only.to_string_lossy()));
        }
        (_, several) => {
            let files: Vec<String> = several.iter().map(|path| format!("--ca {}", path.display())).collect();
            let _ =
                writeln!(table, "# Run it with {}", crate::transcript::escape_unprintable(files.join(" ").as_bytes()));
        }
    }
    for (name, version) in [("TLSv1.0", TlsVersion::Tls10), ("TLSv1.1", TlsVersion::Tls11)] {
        if tls.version.as_deref() == Some(name) {
            let number = super::report::version_number(version);
            let _ = writeln!(table, "min_version = \"{number}\"  # the server accepts no newer version");
            let _ = writeln!(table, "max_version = \"{number}\"");
        }
    }
    if !table.is_empty() {
        let _ = write!(out, "\n[tls]\n{table}");
    }
}

fn steps(report: &ProbeReport, scheme: Scheme, out: &mut String) {
    let hello = match (scheme, &report.refused_hello) {
        (Scheme::Lmtp, _) => "lhlo = true",
        (_, Some(_)) => "helo = true",
        (_, None) => "ehlo = true",
    };
    let mut add = |text: &str| {
        let _ = write!(out, "\n[[step]]\n{text}\n");
    };
    let days = report.tls.as_ref().and_then(|tls| tls.days_left);
    let in_time = match days {
        Some(days) if days > DAYS => format!("\nassert = [\"tls.days_left > {DAYS}\"]"),
        Some(days) => format!("\n# assert = [\"tls.days_left > {DAYS}\"]  # it was {days}"),
        None => String::new(),
    };
    if scheme == Scheme::Smtps {
        add(&format!("name = \"TLS from the first byte\"\ntls = true{in_time}"));
    }
    let code = report.greeting.as_ref().map_or(220, |greeting| greeting.code);
    add(&format!("name = \"greets\"\nexpect = {code}"));
    if let Some(reply) = &report.hello {
        add(&format!("{hello}{}", still_offers(reply)));
    }
    if report.tls.is_some() && scheme != Scheme::Smtps {
        let tolerant = comment(report.injected.is_some(), "bytes followed the reply unencrypted (CVE-2011-0411)");
        let check = if report.injected.is_some() { format!("\ninject_check = false{tolerant}") } else { String::new() };
        add(&format!("name = \"encrypts\"\nstarttls = true{check}{in_time}"));
    }
    if let StarttlsState::Refused(reply) = &report.starttls {
        add(&format!("name = \"refuses STARTTLS, although it offers it\"\nstarttls = true\nexpect = {}", reply.code));
    }
    if let Some(reply) = report.hello_in_tls.as_ref().filter(|_| report.tls.is_some()) {
        add(&format!("{hello}{}", still_offers(reply)));
    }
    let asked = "if = \"recipient != ''\"";
    add(&format!("{asked}\nsend = \"MAIL FROM:<>\"\nexpect = 250"));
    add(&format!(
        "name = \"accepts mail for its own domain\"\n{asked}\nsend = \"RCPT TO:<{{{{ recipient }}}}>\"\nexpect = \"25x\""
    ));
    add(&format!("name = \"does not relay\"\n{asked}\nsend = \"RCPT TO:<{{{{ elsewhere }}}}>\"\nexpect = \"5xx\""));
    add(&format!("{asked}\nsend = \"RSET\"\nexpect = 250"));
    let answers_quit = report.times.iter().any(|(name, _)| *name == "QUIT");
    add(if answers_quit {
        "quit = true"
    } else {
        "send = \"QUIT\"\nexpect = [221, \"close\"]  # it closed without a reply"
    });
}

/// Asserts of what a reply to EHLO offers.
fn still_offers(reply: &ProbeReply) -> String {
    let offered = reply.capabilities();
    // Other names cannot be written between quotation marks as they are. A server may sort them anew, but not twice.
    let plain = |word: &&String| {
        !word.is_empty() && word.len() <= 64 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let keywords = offered.keywords.keys().filter(plain).take(100);
    let mut asserts: Vec<String> =
        keywords.map(|keyword| format!("    \"'{keyword}' in ehlo.capabilities\",\n")).collect();
    let mechanisms = offered.auth();
    asserts.extend(
        mechanisms.iter().filter(plain).take(50).map(|mechanism| format!("    \"'{mechanism}' in ehlo.auth\",\n")),
    );
    asserts.extend(offered.size().map(|size| format!("    \"ehlo.size >= {size}\",\n")));
    if asserts.is_empty() { String::new() } else { format!("\nassert = [\n{}]", asserts.concat()) }
}
