//! Holds `src/` to the rules of ARCHITECTURE.md: which room imports which, no import cycle inside a room, the order of
//! exec's modules, who may take the executor, the size of structs and files, and names.
//!
//! Test modules are free: a test may borrow from any room what it needs to make a value. Each rule is tested on small
//! sources in `rules.rs`.

mod files;
mod imports;
mod items;
mod mentions;
mod modules;
mod retired;
mod rooms;
mod rules;
mod source;

use source::SourceFile;
use std::collections::{BTreeMap, BTreeSet};

/// The modules of `exec/`; each imports only from those before it.
const EXEC_ORDER: &[&str] = &[
    "ports",
    "row_source",
    "read_outcome",
    "error",
    "events",
    "outbox",
    "connection",
    "connector",
    "context",
    "exchange",
    "checks",
    "message",
    "actions",
    "flow",
    "connections",
    "attempts",
    "rows",
    "prepared_session",
    "mod",
];

/// The type that leads a run, and the one file whose functions take it: an action gets only what it needs.
const EXECUTOR: (&str, &str) = ("Executor", "src/exec/mod.rs");

/// The most fields that a struct of `prepare/` and `exec/` has.
const MOST_FIELDS: usize = 8;

/// The most lines of a file in `src/`, without its tests.
const MOST_LINES: usize = 400;

/// What does not hold yet: a rule, and the beginning of the paths that it is not held against.
const NOT_YET: &[(Rule, &str)] = &[];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Rooms,
    Cycles,
    Order,
    Executor,
    Fields,
    Lines,
    Retired,
    Twice,
}

fn holds_yet(rule: Rule, path: &str) -> bool {
    !NOT_YET.iter().any(|(not_yet, beginning)| *not_yet == rule && path.starts_with(beginning))
}

/// Each of these begins with its path.
fn assert_none(rule: Rule, wrong: impl IntoIterator<Item = String>, what: &str) {
    let wrong: Vec<String> = wrong.into_iter().filter(|line| holds_yet(rule, line)).collect();
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn every_room_imports_only_what_the_table_allows() {
    let files = source::project();
    let rooms: BTreeSet<&str> = files.iter().filter_map(SourceFile::room).collect();
    assert!(rooms::PURE.iter().all(|room| rooms.contains(room)), "all rooms are read: {rooms:?}");
    assert_none(Rule::Rooms, files.iter().flat_map(rooms::violations), "imports against the table of rooms");
}

#[test]
fn no_files_of_a_room_import_each_other_in_a_cycle() {
    let files = source::project();
    let edges = imports::edges(files);
    assert!(edges.len() > 200, "imports are found: {}", edges.len());
    let shown = |knot: &imports::Knot<'_>| {
        let paths: Vec<&str> = knot.files.iter().map(|index| files[*index].path.as_str()).collect();
        format!("  {}\n  among {}\n", knot.cycle.join("\n  "), paths.join(" "))
    };
    let knots = imports::knots(&edges);
    let wrong = knots.iter().filter(|knot| knot.files.iter().any(|index| holds_yet(Rule::Cycles, &files[*index].path)));
    assert_none(Rule::Cycles, wrong.map(shown), "import cycles");
}

#[test]
fn the_modules_of_exec_import_in_their_order() {
    let files = source::project();
    let wrong = imports::against_order(files, &imports::edges(files), "exec", EXEC_ORDER);
    assert_none(Rule::Order, wrong, "imports against the order of exec's modules");
}

#[test]
fn only_the_loops_of_exec_take_the_executor() {
    let (name, home) = EXECUTOR;
    let files = source::project();
    assert!(files.iter().any(|file| file.path == home && !items::takers(file, name).is_empty()), "it is found at home");
    let others = files.iter().filter(|file| file.path != home);
    assert_none(Rule::Executor, others.flat_map(|file| items::takers(file, name)), "these take the executor");
}

#[test]
fn structs_of_the_executor_have_few_fields() {
    let files = source::project();
    let executor = files.iter().filter(|file| matches!(file.room(), Some("prepare" | "exec")));
    assert_none(Rule::Fields, executor.flat_map(|file| items::too_many_fields(file, MOST_FIELDS)), "too many fields");
}

#[test]
fn no_file_is_too_long() {
    let files = source::project();
    let long = files.iter().filter(|file| file.lines > MOST_LINES);
    let shown = |file: &SourceFile| format!("{}: {} lines", file.path, file.lines);
    assert_none(Rule::Lines, long.map(shown), "files that are too long");
}

#[test]
fn no_retired_name_comes_back() {
    assert_none(Rule::Retired, source::project().iter().flat_map(retired::violations), "retired names");
}

#[test]
fn a_type_name_is_used_once() {
    assert_none(Rule::Twice, names_used_twice(source::project()), "types of the same name");
}

/// Types, traits and aliases of one name in several places. Each module may have its own `Error`.
fn names_used_twice(files: &[SourceFile]) -> Vec<String> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files {
        for one in &file.definitions {
            let is_type = matches!(one.kind, "struct" | "enum" | "trait" | "type");
            if is_type && one.name != "Error" {
                places.entry(one.name.clone()).or_default().push(format!("{}:{}", file.path, one.line));
            }
        }
    }
    let several = places.into_iter().filter(|(_, places)| places.len() > 1);
    several.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect()
}
