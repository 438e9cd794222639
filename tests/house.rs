//! Holds `src/` to the table of who may import whom, and keeps pure rooms away from sockets, files, clocks,
//! environment and terminals. ARCHITECTURE.md explains the rooms.
//!
//! Test modules are free: a test may borrow from any room what it needs to make a value.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms that work on bytes and values alone.
const PURE: &[&str] = &["smtp", "transcript", "session", "event", "message"];

/// Each room, and what it may import.
fn table() -> Vec<(&'static str, Vec<&'static str>)> {
    let beside = |rooms: &[&'static str]| [PURE, rooms].concat();
    vec![
        ("smtp", vec![]),
        ("transcript", vec!["smtp"]), // for a line as it crossed the wire
        ("session", vec!["smtp"]),
        ("event", vec!["session", "smtp", "transcript"]),
        ("message", vec!["smtp"]),
        ("exec", beside(&[])),
        ("net", vec!["exec", "session", "smtp"]), // exec's ports, and the types in them
        ("report", beside(&[])),
        ("source", beside(&[])),
        ("batch", beside(&["exec", "net", "source"])),
        ("serve", beside(&["exec", "net"])),
        ("tools", beside(&["exec", "net", "report", "source", "batch", "serve"])),
        ("cli", beside(&["exec", "net", "report", "source", "batch", "serve", "tools"])),
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

#[test]
fn every_room_imports_only_what_the_table_lets_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let table = table();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in rust_files(&src) {
        let inside = file.strip_prefix(&src).expect("it was found there");
        let modules = module_of(inside);
        let Some(room) = modules.first() else { continue }; // lib.rs and main.rs see everything
        let shown = format!("src/{}", inside.display());
        let Some((room, allowed)) = table.iter().find(|(name, _)| name == room) else {
            wrong.push(format!("room {room} is not in the table ({shown})"));
            continue;
        };
        seen.insert(*room);
        let text = fs::read_to_string(&file).expect("sources are text");
        wrong.extend(
            violations(room, allowed, &modules, &text).into_iter().map(|(line, why)| format!("{why} ({shown}:{line})")),
        );
    }
    assert!(PURE.iter().all(|room| seen.contains(room)), "the rooms were looked into: {seen:?}");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_watch_sees_every_way_of_importing() {
    let table: &[(&str, &[&str], &str)] = &[
        ("use crate::cli::Arguments;", &["1: room session may not import cli"], "plain"),
        ("\nuse crate::{cli, smtp::{self, reply::Reply}};", &["2: room session may not import cli"], "in a group"),
        ("use crate::{\n    smtp,\n    exec::{run},\n};", &["3: room session may not import exec"], "over lines"),
        ("fn f() { crate::net::connect() }", &["1: room session may not import net"], "inline"),
        ("use super::super::event::Event;", &["1: room session may not import event"], "by climbing"),
        ("use super::model::Step; use crate::session::Span; use crate::smtp::lines;", &[], "what is allowed"),
        ("// crate::cli\n/* crate::cli /* crate::net */ */ /// [`crate::cli`]\n", &[], "comments"),
        ("let s = \"crate::cli\"; let r = r#\"crate::cli \" \"#; let c = '\"'; let l: &'a str = x;", &[], "strings"),
        (
            "#[cfg(test)]\nmod tests {\n    use crate::cli;\n}\nuse crate::net;",
            &["5: room session may not import net"],
            "tests are free",
        ),
        ("#[cfg(test)]\nuse crate::cli::{Arguments, x};\nfn f() {}", &[], "a single item of tests"),
        (
            "use std::{fs, io::{self, Read}};",
            &["1: room session is pure and may not name a file: std::fs"],
            "std in a group",
        ),
        ("let t = Instant::now();", &["1: room session is pure and may not name the clock: Instant::now"], "a clock"),
        (
            "use std::net::{IpAddr, TcpStream as T};",
            &["1: room session is pure and may not name a socket: std::net::TcpStream"],
            "a socket, but addresses are values",
        ),
        ("println!(\"x\");", &["1: room session is pure and may not name the terminal: println!"], "a macro"),
    ];
    for (text, expected, why) in table {
        let found = violations("session", &["smtp"], &["session".into(), "file".into()], text);
        let found: Vec<String> = found.into_iter().map(|(line, why)| format!("{line}: {why}")).collect();
        assert_eq!(found, *expected, "{why}");
    }
    assert_eq!(violations("net", &["exec"], &["net".into()], "use std::net::TcpStream;"), vec![], "edges are not pure");
}

/// The lines where a room names what it may not, and what that is.
fn violations(room: &str, allowed: &[&str], modules: &[String], text: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    for (line, path) in paths(&without_tests(&tokens(text))) {
        if let Some(imported) = imported_room(&path, modules)
            && imported != room
            && table().iter().any(|(name, _)| *name == imported)
            && !allowed.contains(&imported.as_str())
        {
            out.push((line, format!("room {room} may not import {imported}")));
        }
        let path = path.join("::");
        let below = |outer: &str| path == outer || path.strip_prefix(outer).is_some_and(|rest| rest.starts_with("::"));
        if PURE.contains(&room)
            && let Some((outer, what)) = IMPURE.iter().find(|(outer, _)| below(outer))
        {
            out.push((line, format!("room {room} is pure and may not name {what}: {outer}")));
        }
    }
    out
}

/// The room that a path leads to, where it leads to the crate's root at all.
fn imported_room(path: &[String], modules: &[String]) -> Option<String> {
    let climbs = path.iter().take_while(|segment| *segment == "super").count();
    match path.first()?.as_str() {
        "crate" | "mailrun" => path.get(1).cloned(),
        "super" if climbs == modules.len() => path.get(climbs).cloned(),
        _ => None,
    }
}

/// `session/file.rs` is `session::file`, `session/mod.rs` is `session`, `lib.rs` the root.
fn module_of(inside: &Path) -> Vec<String> {
    let mut modules: Vec<String> =
        inside.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if modules.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        modules.pop();
    }
    modules
}

/// All sources but test modules in files of their own.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).expect("src is there") {
        let path = entry.expect("it can be listed").path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if stem == "tests" || stem.ends_with("_tests") {
            continue;
        }
        if path.is_dir() {
            out.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
    out.sort();
    out
}

/// A name, `::`, or one other character; with its line.
type Token = (usize, String);

/// Enough of Rust's lexer: comments and literals are dropped.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out: Vec<Token> = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let start = i;
        match (at(i), at(i + 1)) {
            ('/', '/') => i += chars[i..].iter().take_while(|c| **c != '\n').count(),
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            ('"', _) => i = end_of_quoted(&chars, i + 1, '"'),
            ('\'', '\\') => i = end_of_quoted(&chars, i + 1, '\''),
            ('\'', _) if at(i + 2) == '\'' => i += 3,
            (':', ':') => {
                out.push((line, "::".into()));
                i += 2;
            }
            (c, _) if c.is_alphanumeric() || c == '_' => {
                i += chars[i..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
                let name: String = chars[start..i].iter().collect();
                let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
                if ["r", "br", "cr"].contains(&name.as_str()) && at(i + hashes) == '"' {
                    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                    let inside = i + hashes + 1;
                    let length = chars[inside..].windows(close.len()).position(|window| window == close);
                    i = length.map_or(chars.len(), |length| inside + length + close.len());
                } else {
                    out.push((line, name));
                }
            }
            (c, _) => {
                if !c.is_whitespace() {
                    out.push((line, c.to_string()));
                }
                i += 1;
            }
        }
        line += chars[start..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    out
}

fn end_of_quoted(chars: &[char], mut i: usize, quote: char) -> usize {
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// Drops each item behind `#[cfg(test)]`: up to its `;`, or its braces.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut out = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let marked = tokens[i..].iter().map(|(_, token)| token.as_str()).take(mark.len()).eq(mark);
        if !marked {
            out.push(tokens[i].clone());
            i += 1;
            continue;
        }
        let mut depth = 0usize;
        let is_use = tokens[i + mark.len()..]
            .iter()
            .take_while(|(_, token)| token != "{" && token != ";")
            .any(|(_, token)| token == "use");
        while let Some((_, token)) = tokens.get(i) {
            i += 1;
            match token.as_str() {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 && !is_use {
                        break;
                    }
                }
                ";" if depth == 0 => break,
                _ => {}
            }
        }
    }
    out
}

/// Every path, groups of `use` spelled out: `std::{fs, io::Read}` is `std::fs` and `std::io::Read`.
fn paths(tokens: &[Token]) -> Vec<(usize, Vec<String>)> {
    let mut out = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        if is_name(&tokens[i].1) {
            i = path(tokens, i, &[], &mut out);
        } else {
            i += 1;
        }
    }
    out
}

/// Reads the path that begins at `i` below `outer`; gives what is behind it.
fn path(tokens: &[Token], mut i: usize, outer: &[String], out: &mut Vec<(usize, Vec<String>)>) -> usize {
    let text = |i: usize| tokens.get(i).map_or("", |(_, token)| token.as_str());
    let line = tokens[i].0;
    let mut path = outer.to_vec();
    loop {
        path.push(text(i).to_owned());
        i += 1;
        if text(i) == "!" && text(i + 1) != "=" && path.len() == 1 {
            path[0].push('!');
            i += 1;
        }
        if text(i) != "::" {
            break;
        }
        if text(i + 1) == "{" {
            i += 2;
            while i < tokens.len() && text(i) != "}" {
                i = if is_name(text(i)) { self::path(tokens, i, &path, out) } else { i + 1 };
                if text(i) == "as" {
                    i += 2;
                }
            }
            return i + 1;
        }
        if !is_name(text(i + 1)) {
            break; // a glob, or generics
        }
        i += 1;
    }
    out.push((line, path));
    i
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
