//! The rules themselves, on small sources: what they find, and what they let pass.

use crate::source::SourceFile;
use crate::{imports, items, names_used_twice, retired, rooms};

fn parse(files: &[(&str, &str)]) -> Vec<SourceFile> {
    files.iter().map(|(path, text)| SourceFile::parse(path, text)).collect()
}

/// Text, what is found in it, why.
type Row = (&'static str, &'static [&'static str], &'static str);

#[test]
fn imports_against_the_table_of_rooms_are_found() {
    let table: &[Row] = &[
        ("use crate::cli::Arguments;", &["1: room session may not import cli"], "plain"),
        ("\nuse crate::{cli, smtp::{self, reply::Reply}};", &["2: room session may not import cli"], "in a group"),
        ("use crate::{\n    smtp,\n    exec::{run},\n};", &["3: room session may not import exec"], "over lines"),
        ("fn f() { crate::net::connect() }", &["1: room session may not import net"], "in code"),
        ("fn f() { assert!(crate::net::connect()) }", &["1: room session may not import net"], "within a macro"),
        ("use super::super::event::Event;", &["1: room session may not import event"], "by climbing"),
        ("mod m { use super::super::super::event::Event; }", &["1: room session may not import event"], "from inside"),
        ("use super::model::Step; use crate::session::Span; use crate::smtp::lines;", &[], "what is allowed"),
        ("// crate::cli\n/* crate::cli /* crate::net */ */\n/// [`crate::cli`]\nstruct S;", &[], "comments"),
        ("const S: &str = \"crate::cli\"; const R: &str = r#\"crate::cli \" \"#;", &[], "literals"),
        (
            "#[cfg(test)]\nmod tests {\n    use crate::cli;\n}\nuse crate::net;",
            &["5: room session may not import net"],
            "test modules are free",
        ),
        ("#[cfg(test)]\nuse crate::cli::{Arguments, x};\nfn f() {}", &[], "a single item of tests"),
        (
            "use std::{fs, io::{self, Read}};",
            &["1: room session is pure and may not name a file: std::fs"],
            "std in a group",
        ),
        (
            "fn f() { let t = Instant::now(); }",
            &["1: room session is pure and may not name the clock: Instant::now"],
            "a clock",
        ),
        (
            "use std::net::{IpAddr, TcpStream as T};",
            &["1: room session is pure and may not name a socket: std::net::TcpStream"],
            "a socket, but addresses are values",
        ),
        (
            "fn f() { println!(\"x\"); }",
            &["1: room session is pure and may not name the terminal: println!"],
            "a macro",
        ),
    ];
    for (text, expected, why) in table {
        let found = rooms::violations(&SourceFile::parse("src/session/file.rs", text));
        let expected: Vec<String> = expected.iter().map(|line| format!("src/session/file.rs:{line}")).collect();
        assert_eq!(found, expected, "{why}");
    }
    let socket = SourceFile::parse("src/net/file.rs", "use std::net::TcpStream;");
    assert!(rooms::violations(&socket).is_empty(), "edges are not pure");
    let unknown = SourceFile::parse("src/attic/mod.rs", "");
    assert_eq!(rooms::violations(&unknown), ["src/attic/mod.rs: room attic is not in the table"]);
}

#[test]
fn planted_cycles_are_found() {
    /// The files of a room, the cycles as the imports in them, why.
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static [&'static str]], &'static str);
    let table: &[Case] = &[
        (
            &[
                ("src/net/mod.rs", "mod a; mod b;"),
                ("src/net/a.rs", "use super::b::B;"),
                ("src/net/b.rs", "pub struct B;"),
            ],
            &[],
            "one way",
        ),
        (
            &[
                ("src/net/mod.rs", "mod a; mod b;"),
                ("src/net/a.rs", "use super::b::B; pub struct A;"),
                ("src/net/b.rs", "pub struct B(super::a::A);"),
            ],
            &[&["src/net/a.rs:1: super::b::B", "src/net/b.rs:1: super::a::A"]],
            "two files, one of them in its code",
        ),
        (
            &[
                ("src/lib.rs", "mod net;"),
                ("src/net/mod.rs", "mod a; mod b; mod c; pub use b::*; use c::C as D;"),
                ("src/net/a.rs", "use super::B; pub struct A;"),
                ("src/net/b.rs", "use super::D; pub struct B;"),
                ("src/net/c.rs", "pub struct C(crate::net::a::A);"),
            ],
            &[&["src/net/a.rs:1: super::B", "src/net/b.rs:1: super::D", "src/net/c.rs:1: crate::net::a::A"]],
            "three files, through re-exports, a glob and an alias",
        ),
        (
            &[
                ("src/net/mod.rs", "mod a; use a::A; pub struct M;"),
                ("src/net/a.rs", "pub struct A; impl A { fn f(_: super::M) {} }"),
            ],
            &[&["src/net/mod.rs:1: a::A", "src/net/a.rs:1: super::M"]],
            "a module and the one around it",
        ),
        (
            &[
                ("src/net/mod.rs", "mod a; mod b;"),
                ("src/net/a.rs", "use super::b; fn f() { b::g() }"),
                ("src/net/b.rs", "pub fn g() {} pub use super::a::x;"),
                ("src/net/c.rs", "use crate::serve::S;"),
                ("src/serve/mod.rs", "pub struct S(crate::net::c::C);"),
            ],
            &[],
            "a name that nothing defines, and other rooms, are no import",
        ),
        (
            &[
                ("src/net/mod.rs", "mod a; mod b;"),
                ("src/net/a.rs", "pub struct A; #[cfg(test)] mod tests { use super::super::b::B; }"),
                ("src/net/b.rs", "use super::a::A; pub struct B;"),
            ],
            &[],
            "tests are left out",
        ),
        (
            &[
                ("src/net/mod.rs", "mod a; mod b;"),
                (
                    "src/net/a.rs",
                    "use super::b::{self, B}; impl B { fn f() { matches!(0, b::inner::ONE) } } pub enum A { X }",
                ),
                ("src/net/b.rs", "pub struct B; pub mod inner { use super::super::a::A::X; pub const ONE: u8 = 1; }"),
            ],
            &[&["src/net/a.rs:1: super::b::B", "src/net/b.rs:1: super::super::a::A::X"]],
            "a module within a file, and a variant",
        ),
        (
            &[
                ("src/net/mod.rs", "mod a; mod b; pub use a::a; pub use b::*;"),
                ("src/net/a.rs", "pub fn a(_: super::B) {}"),
                ("src/net/b.rs", "use super::*; pub struct B; fn f() { a() }"),
            ],
            &[&["src/net/a.rs:1: super::B", "src/net/b.rs:1: a"]],
            "a function that is named as its module, and globs that import each other",
        ),
    ];
    for (files, expected, why) in table {
        let files = parse(files);
        let edges = imports::edges(&files);
        let cycles: Vec<_> = imports::knots(&edges).into_iter().map(|knot| knot.cycle).collect();
        assert_eq!(cycles, *expected, "{why}");
    }
}

#[test]
fn imports_against_an_order_are_found() {
    let files = parse(&[
        ("src/exec/mod.rs", "mod first; mod second; mod odd; use second::S;"),
        ("src/exec/first.rs", "pub struct F(super::second::S);"),
        ("src/exec/second/mod.rs", "mod part; pub struct S(super::first::F); use part::P;"),
        ("src/exec/second/part.rs", "pub struct P;"),
        ("src/exec/odd.rs", ""),
    ]);
    let wrong = imports::against_order(&files, &imports::edges(&files), "exec", &["first", "second", "mod"]);
    let expected =
        ["exec::odd has no place in the order", "src/exec/first.rs:1: super::second::S: first stands before second"];
    assert_eq!(wrong, expected);
}

#[test]
fn whoever_takes_the_executor_is_found() {
    let text = "impl Executor<'_> { fn method(&mut self) {} fn new() -> Self {} }\n\
                fn argument(executor: &mut super::Executor) {}\n\
                fn option(one: Option<&Executor<'_>>) {}\n\
                struct Holder<'a>(&'a Executor);\n\
                trait T { fn declared(&self, executor: &Executor); }\n\
                fn other(executor: &Execution) -> Executor {}";
    let found = items::takers(&SourceFile::parse("src/exec/x.rs", text), "Executor");
    let expected = ["1: fn method", "2: fn argument", "3: fn option", "4: struct Holder", "5: fn declared"];
    assert_eq!(found, expected.map(|line| format!("src/exec/x.rs:{line}")));
}

#[test]
fn large_structs_and_long_files_are_found() {
    let text =
        "struct Small { a: u8, b: u8 }\nmod inner { pub struct Large(u8, u8, u8); }\n#[cfg(test)]\nmod tests {\n}\n";
    let file = SourceFile::parse("src/exec/x.rs", text);
    assert_eq!(items::too_many_fields(&file, 2), ["src/exec/x.rs:2: struct Large has 3 fields"]);
    assert_eq!(file.lines, 2, "tests do not count");
}

#[test]
fn retired_names_are_found_as_items_alone() {
    let table: &[Row] = &[
        ("struct Player;", &["1: struct Player"], "a type"),
        ("mod farewell;", &["1: mod farewell"], "a module"),
        ("struct S; impl S {\nfn land(&self) {} }", &["2: fn land"], "a method"),
        ("enum Flow { On, Continue }", &["1: variant On"], "a variant"),
        ("enum Switch { On }\nenum State { Ready }", &[], "variants of other types"),
        ("struct Session; impl Session { fn give() {} }", &["1: fn give"], "a method of one type"),
        ("struct Gift; impl Gift { fn give() {} }", &[], "the same of another type"),
        ("fn f(put: u8) { let land = put; }", &[], "variables"),
    ];
    for (text, expected, why) in table {
        let found = retired::violations(&SourceFile::parse("src/net/x.rs", text));
        assert_eq!(found, expected.iter().map(|line| format!("src/net/x.rs:{line}")).collect::<Vec<_>>(), "{why}");
    }
}

#[test]
fn types_of_the_same_name_are_found() {
    let files = parse(&[
        ("src/net/a.rs", "struct One; enum Error {} enum Two { Three }"),
        ("src/serve/b.rs", "trait One {} struct Error; struct Three;"),
    ]);
    assert_eq!(names_used_twice(&files), ["One: src/net/a.rs:1, src/serve/b.rs:1"]);
}
