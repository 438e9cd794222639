//! Names that were given up, because a reader had to learn what they mean here. They do not come back as items.

use crate::source::SourceFile;

/// As the names of types, functions, modules and constants.
const NAMES: &[&str] = &[
    "Player",
    "Channel",
    "Spoken",
    "spoken",
    "closer",
    "look_closer",
    "turns",
    "Turns",
    "Nowhere",
    "Feed",
    "Ahead",
    "whole",
    "Order",
    "land",
    "last_words",
    "farewell",
    "Lane",
    "Asked",
    "heard",
    "Heard",
    "Terms",
    "Claimed",
    "bury",
    "put_away",
    "Way",
    "Patient",
    "by_hand",
    "News",
    "left_out",
    "Trouble",
    "severs",
    "Narrator",
    "Answer",
    "Several",
    "soundness",
    "words",
    "Once",
    "Sealing",
    "seal",
    "Next",
    "settle",
    "put",
    "hear_hello",
    "paired",
    "end_in",
    "between",
    "Ready",
    "Hearing",
    "Book",
    "Held",
    "Holds",
    "Towards",
    "Left",
    "Passage",
    "Meaning",
    "alone",
    "blocks",
    "abreast",
    "one_by_one",
    "Mistaken",
    "Opening",
    "distrust",
];

/// Variants, functions and fields of one type.
const MEMBERS: &[(&str, &str)] = &[
    ("Flow", "On"),
    ("Flow", "Stopped"),
    ("Flow", "Quitting"),
    ("Flow", "Over"),
    ("Attempted", "reached"),
    ("Session", "give"),
];

/// `src/x.rs:3: fn land`.
pub fn violations(file: &SourceFile) -> Vec<String> {
    let mut wrong = Vec::new();
    for definition in &file.definitions {
        let item = !matches!(definition.kind, "variant" | "field");
        let member = (definition.owner.as_str(), definition.name.as_str());
        if (item && NAMES.contains(&definition.name.as_str())) || MEMBERS.contains(&member) {
            wrong.push(format!("{}:{}: {} {}", file.path, definition.line, definition.kind, definition.name));
        }
    }
    wrong
}
