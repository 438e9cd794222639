//! A script for bash and `openssl s_client`.

use super::error::ExportError;
use super::recorded_dialogue::{RecordedDialogue, WireAction, WireEvent};
use super::script::{END, begin, command, functions, step_comment};
use super::secret_pieces::plain_bytes;
use super::shell_words::quote;
use crate::exec::{CloseMode, Server, ServerAddress, TlsOptions, TlsVersion};
use std::net::IpAddr;

const FORMAT: &str = "openssl";

/// `-quiet` prints nothing of the handshake, `-nocommands` sends lines that begin with Q and R, `-no_ign_eof` ends at the end of
/// the input.
const CONNECT: &str = r#"folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
stop() { printf '%s\n' "$*" >&2; cat "$folder/log" >&2; exit 1; }

# connect OPTION…: starts openssl s_client on descriptors 3 and 4
connect() {
  mkfifo "$folder/in" "$folder/out" || exit 1
  openssl s_client -quiet -nocommands -no_ign_eof "$@" <"$folder/in" >"$folder/out" 2>"$folder/log" &
  peer=$!
  exec 3>"$folder/in" 4<"$folder/out"
  rm "$folder/in" "$folder/out"
}

# disconnect: close_notify, and the end of the connection
disconnect() { exec 3>&-; wait "$peer"; exec 4<&-; }
to=3 from=4
case $host in *:*) host="[$host]" ;; esac
"#;

/// Writes the script.
pub fn write(dialogue: &RecordedDialogue) -> Result<String, ExportError> {
    let mut text = begin(dialogue, FORMAT, "bash 4 or later and openssl");
    if let Some(ServerAddress::Tcp { host, port }) = dialogue.server().map(|server| &server.address) {
        text += &functions(&quote(host), *port);
    }
    text += CONNECT;
    let mut last_step = None;
    let mut open: Option<usize> = None;
    let mut events = dialogue.actions.iter().peekable();
    while let Some(event) = events.next() {
        text += &step_comment(dialogue, event, &mut last_step);
        let cannot = |why: &str, help: &str| Err(dialogue.cannot_express(event, FORMAT, why, help));
        match &event.action {
            WireAction::Connect { server, is_own } => {
                if open.is_some() {
                    return cannot("the script has one connection at a time", "export a session for each connection");
                }
                open = Some(event.connection);
                let mut before = Vec::new();
                let options = loop {
                    match events.next() {
                        Some(WireEvent { action: WireAction::StartTls(options), connection, .. })
                            if *connection == event.connection =>
                        {
                            break options;
                        }
                        Some(other) => before.push(other),
                        None => return cannot("it does not use TLS", "--as sh exports a dialogue without TLS"),
                    }
                };
                let name = starttls_name(dialogue, server, &before)?;
                text += &connect_command(dialogue, event, (server, *is_own), options, name)?;
            }
            WireAction::StartTls(_) => return cannot("TLS was started before", "start it once"),
            WireAction::Close(CloseMode::Fin) => {
                text += if open == Some(event.connection) { "disconnect\n" } else { "" };
                open = open.filter(|open| *open != event.connection);
            }
            WireAction::EndTls => {
                return cannot("openssl s_client cannot go on in plain text", "end the connection with `close = true`");
            }
            WireAction::Close(_) => {
                return cannot("openssl s_client can only end the whole connection", "end it with `close = true`");
            }
            action => text += &command(action).unwrap_or_default(),
        }
    }
    Ok(text + END)
}

/// The name in EHLO or LHLO if TLS is started with STARTTLS; `None` if it comes first. openssl says greeting, EHLO and STARTTLS
/// by itself, and nothing else.
fn starttls_name(
    dialogue: &RecordedDialogue,
    server: &Server,
    before: &[&WireEvent],
) -> Result<Option<String>, ExportError> {
    let actions: Vec<&WireAction> = before.iter().map(|event| &event.action).collect();
    let (
        WireAction::Reply(_),
        WireAction::Send(hello),
        WireAction::Reply(_),
        WireAction::Send(starttls),
        WireAction::Reply(_),
    ) = (match actions.as_slice() {
        [] => return Ok(None),
        [a, b, c, d, e] => (*a, *b, *c, *d, *e),
        _ => return Err(not_plain_starttls(dialogue, before)),
    })
    else {
        return Err(not_plain_starttls(dialogue, before));
    };
    let verb = if server.is_lmtp() { "LHLO " } else { "EHLO " };
    let hello = plain_bytes(hello).and_then(|bytes| String::from_utf8(bytes).ok());
    let name = hello.as_deref().and_then(|line| line.strip_prefix(verb)?.strip_suffix("\r\n"));
    let is_starttls = plain_bytes(starttls).is_some_and(|line| line == b"STARTTLS\r\n");
    match name.filter(|name| is_starttls && !name.contains(char::is_control)) {
        Some(name) => Ok(Some(name.to_owned())),
        None => Err(not_plain_starttls(dialogue, before)),
    }
}

fn not_plain_starttls(dialogue: &RecordedDialogue, before: &[&WireEvent]) -> ExportError {
    let expected = "before TLS, openssl s_client says greeting, EHLO and STARTTLS by itself, and nothing else";
    match before.last() {
        Some(event) => dialogue.cannot_express(event, FORMAT, expected, "begin with these three, each with one reply"),
        None => ExportError::new(crate::session::Place::default(), expected, ""),
    }
}

fn connect_command(
    dialogue: &RecordedDialogue,
    event: &WireEvent,
    (server, is_own): (&Server, bool),
    options: &TlsOptions,
    starttls: Option<String>,
) -> Result<String, ExportError> {
    let cannot = |why: &str, help: &str| Err(dialogue.cannot_express(event, FORMAT, why, help));
    if options.client_cert.is_some() {
        return cannot("its client certificate has a private key", "leave client_cert out of [tls]");
    }
    if options.limits.security_level.is_some() {
        return cannot("it sets OpenSSL's security level", "leave security_level out of [tls]");
    }
    let mut text = String::new();
    let mut words = vec!["connect -connect".to_owned()];
    match &server.address {
        ServerAddress::Tcp { .. } if !is_own => words.push("\"$host:$port\"".to_owned()),
        ServerAddress::Tcp { host, port } if host.contains(':') => words.push(quote(&format!("[{host}]:{port}"))),
        ServerAddress::Tcp { host, port } => words.push(quote(&format!("{host}:{port}"))),
        ServerAddress::Unix(_) => {
            return cannot("the script opens no UNIX sockets", "give a server with --server smtp://HOST:PORT");
        }
    }
    if let Some(name) = starttls {
        let protocol = if server.is_lmtp() { "lmtp" } else { "smtp" };
        words.push(format!("-starttls {protocol} -name {}", quote(&name)));
    }
    let is_ip = options.server_name.parse::<IpAddr>().is_ok();
    words.push(if is_ip { "-noservername".to_owned() } else { format!("-servername {}", quote(&options.server_name)) });
    if options.verify {
        let what = if is_ip { "-verify_ip" } else { "-verify_hostname" };
        words.push(format!("-verify_return_error {what} {}", quote(&options.server_name)));
        if !options.system_roots {
            words.push("-no-CApath -no-CAstore".to_owned());
        }
        if !options.ca.is_empty() {
            let pem = String::from_utf8_lossy(&options.ca);
            text += &format!("cat >\"$folder/ca.pem\" <<'END_OF_PEM'\n{}\nEND_OF_PEM\n", pem.trim());
            words.push("-CAfile \"$folder/ca.pem\"".to_owned());
        }
    }
    words.push(format!("-min_protocol {}", version(options.limits.min_version.unwrap_or(TlsVersion::Tls12))));
    words.extend(options.limits.max_version.map(|newest| format!("-max_protocol {}", version(newest))));
    words.extend(options.limits.ciphers.as_ref().map(|list| format!("-cipher {}", quote(list))));
    if !options.alpn.is_empty() {
        words.push(format!("-alpn {}", quote(&options.alpn.join(","))));
    }
    Ok(format!("{text}{}\n", words.join(" ")))
}

fn version(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Tls10 => "TLSv1",
        TlsVersion::Tls11 => "TLSv1.1",
        TlsVersion::Tls12 => "TLSv1.2",
        TlsVersion::Tls13 => "TLSv1.3",
    }
}
