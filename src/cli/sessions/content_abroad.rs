//! Whether a session sends content to a server that is not on this machine, for commands that run it many times.

use crate::cli::arguments::ConnectArguments;
use crate::session::{Action, RawBytes, Server, ServerAddress, Session};
use std::net::IpAddr;

/// The first server that is not on a loopback address and would get content. `url` is the URL of the session's own server.
pub fn content_abroad(session: &Session, url: &str, connect: &ConnectArguments) -> Option<String> {
    if !session.all_steps().any(|step| sends_content(&step.action)) {
        return None;
    }
    if let Some(domain) = &connect.mx {
        return Some(format!("the mail exchanger of {domain}"));
    }
    let named = session.named_servers.iter().map(|(_, url)| url.source.as_str());
    std::iter::once(url).chain(named).find(|url| !is_on_loopback(url, connect)).map(str::to_owned)
}

/// Whether the step may send the content of a message.
fn sends_content(action: &Action) -> bool {
    match action {
        Action::Message(_) | Action::Body { .. } | Action::Bdat { .. } => true,
        Action::Send(line) => begins_content(&line.source),
        Action::Raw(octets) => is_raw_content(octets),
        _ => false,
    }
}

fn is_raw_content(octets: &RawBytes) -> bool {
    match octets {
        RawBytes::Text(text) => begins_content(&text.source),
        RawBytes::Bytes(bytes) => begins_content(&String::from_utf8_lossy(bytes)),
        RawBytes::File(_) => true,
        RawBytes::Parts(parts) => parts.iter().any(is_raw_content),
    }
}

/// Whether a line has DATA or BDAT, or may have it once it is rendered.
fn begins_content(text: &str) -> bool {
    text.lines().any(|line| {
        let verb = line.split_whitespace().next().unwrap_or_default();
        verb.eq_ignore_ascii_case("DATA") || verb.eq_ignore_ascii_case("BDAT") || verb.starts_with("{{")
    })
}

fn is_on_loopback(url: &str, connect: &ConnectArguments) -> bool {
    let Ok(server) = Server::parse(url) else { return false };
    let ServerAddress::Tcp { host, port } = &server.address else { return true };
    let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    let mut resolved =
        connect.resolve.iter().filter(|(name, at, _)| name.eq_ignore_ascii_case(host) && at == port).peekable();
    if resolved.peek().is_some() {
        return resolved.all(|(_, _, address)| is_loopback(*address));
    }
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::load;
    use crate::source::SystemSources;
    use std::path::Path;

    #[test]
    fn content_for_another_machine_is_found() {
        let sources = SystemSources::new(Path::new("."), &[], false).expect("the folder exists");
        let resolve = vec![("mx.example".to_owned(), 25, IpAddr::from([127, 0, 0, 1]))];
        let connect = ConnectArguments { resolve, ..ConnectArguments::default() };
        let table = [
            ("smtp://192.0.2.1", "{ body = 'x', expect = 250 }", Some("smtp://192.0.2.1")),
            ("smtp://127.0.0.2", "{ body = 'x', expect = 250 }", None),
            ("smtp://[::1]:25", "{ body = 'x', expect = 250 }", None),
            ("smtp://LOCALHOST", "{ bdat = 'x' }", None),
            ("smtp+unix:///x", "{ bdat = 'x' }", None),
            ("smtp://mx.example", "{ bdat = 'x' }", None),
            ("smtp://mx.example:26", "{ bdat = 'x' }", Some("smtp://mx.example:26")),
            ("smtp://192.0.2.1", "{ send = 'RCPT TO:<a@example.com>', expect = 250 }", None),
            ("smtp://192.0.2.1", "{ pipeline = [ { send = 'data', expect = 354 } ] }", Some("smtp://192.0.2.1")),
            ("smtp://192.0.2.1", "{ raw = ['RSET\\r\\n', 'x'] }", None),
            ("smtp://192.0.2.1", "{ raw = { hex = '44415441 0d0a' } }", Some("smtp://192.0.2.1")),
            ("smtp://127.0.0.1", "{ on = 'b', server = 'smtp://192.0.2.9', bdat = 'x' }", Some("smtp://192.0.2.9")),
        ];
        for (url, step, expected) in table {
            let text = format!("server = '{url}'\nstep = [ {step} ]\n");
            let session =
                load("x.toml", &text, &sources, &[]).map_err(|errors| errors.render(false)).expect("it is valid");
            assert_eq!(content_abroad(&session, url, &connect).as_deref(), expected, "{url} {step}");
        }
    }
}
