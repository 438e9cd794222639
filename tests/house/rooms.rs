//! Which room may import which, and what pure rooms keep away from. ARCHITECTURE.md explains the rooms.

use crate::source::SourceFile;

/// The rooms that work on bytes and values alone.
pub const PURE: &[&str] = &["smtp", "transcript", "session", "event", "message"];

/// Each room, and what it may import.
fn table() -> Vec<(&'static str, Vec<&'static str>)> {
    let pure_and = |rooms: &[&'static str]| [PURE, rooms].concat();
    vec![
        ("smtp", vec![]),
        ("transcript", vec!["smtp"]), // for a line as it crossed the wire
        ("session", vec!["smtp"]),
        ("event", vec!["session", "smtp", "transcript"]),
        ("message", vec!["smtp"]),
        ("prepare", pure_and(&[])),
        ("exec", pure_and(&["prepare"])),
        ("net", vec!["exec", "session", "smtp"]), // exec's ports, and the types in them
        ("report", pure_and(&[])),
        ("source", pure_and(&[])),
        ("output", pure_and(&["report"])),
        ("batch", pure_and(&["exec", "net", "source"])),
        ("serve", pure_and(&["exec", "net"])),
        ("tools", pure_and(&["exec", "net", "report", "output", "source", "batch", "serve"])),
        ("cli", pure_and(&["exec", "net", "report", "output", "source", "batch", "serve", "tools"])),
    ]
}

/// What pure rooms do not name: paths, with all that lies below them.
const IMPURE: &[(&str, &str)] = &[
    ("std::fs", "a file"),
    ("std::env", "the environment"),
    ("std::process", "a process"),
    ("std::thread", "a thread"),
    ("std::os", "the system"),
    ("std::net::TcpStream", "a socket"),
    ("std::net::TcpListener", "a socket"),
    ("std::net::UdpSocket", "a socket"),
    ("std::net::ToSocketAddrs", "a resolver"),
    ("std::io::stdin", "the terminal"),
    ("std::io::stdout", "the terminal"),
    ("std::io::stderr", "the terminal"),
    ("std::time::Instant", "the clock"),
    ("std::time::SystemTime", "the clock"),
    ("jiff::Timestamp::now", "the clock"),
    ("jiff::Zoned::now", "the clock"),
    ("Instant::now", "the clock"),
    ("SystemTime::now", "the clock"),
    ("Timestamp::now", "the clock"),
    ("Zoned::now", "the clock"),
    ("print!", "the terminal"),
    ("println!", "the terminal"),
    ("eprint!", "the terminal"),
    ("eprintln!", "the terminal"),
    ("dbg!", "the terminal"),
    ("socket2", "a socket"),
    ("native_tls", "a socket"),
    ("rustix", "the system"),
    ("signal_hook", "a signal"),
    ("tempfile", "a file"),
    ("anstream", "the terminal"),
];

/// Where a file names what its room may not: `src/x/y.rs:3: room x may not import z`.
pub fn violations(file: &SourceFile) -> Vec<String> {
    let Some(room) = file.room() else { return Vec::new() }; // lib.rs and main.rs see everything
    let table = table();
    let Some((room, allowed)) = table.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{}: room {room} is not in the table", file.path)];
    };
    let mut wrong = Vec::new();
    for mention in &file.mentions {
        if let Some(imported) = imported_room(&mention.path, &mention.scope)
            && imported != *room
            && table.iter().any(|(name, _)| *name == imported)
            && !allowed.contains(&imported)
        {
            wrong.push(format!("{}:{}: room {room} may not import {imported}", file.path, mention.line));
        }
        let path = mention.path.join("::");
        let below = |outer: &str| path == outer || path.strip_prefix(outer).is_some_and(|rest| rest.starts_with("::"));
        if PURE.contains(room)
            && let Some((outer, what)) = IMPURE.iter().find(|(outer, _)| below(outer))
        {
            let place = format!("{}:{}", file.path, mention.line);
            wrong.push(format!("{place}: room {room} is pure and may not name {what}: {outer}"));
        }
    }
    wrong
}

/// The room that a path leads to, if it begins at the crate's root.
fn imported_room<'p>(path: &'p [String], scope: &[String]) -> Option<&'p str> {
    let climbs = path.iter().take_while(|segment| *segment == "super").count();
    let room = match path.first()?.as_str() {
        "crate" | "mailrun" => path.get(1),
        "super" if climbs == scope.len() => path.get(climbs),
        _ => None,
    };
    room.map(String::as_str)
}
