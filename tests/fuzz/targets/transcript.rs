//! A parsed transcript is printed so that it parses to the same, and every line is escaped reversibly.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailrun::smtp::lines::{LineEnd, WireLine};
use mailrun::transcript::{LineBody, TranscriptLine, Redactor, write_notation, parse, escape_unprintable, unescape};

fuzz_target!(|bytes: &[u8]| {
    let mut shown = String::new();
    write_notation(WireLine { bytes, end: LineEnd::Missing }, &[], &mut shown);
    assert!(!shown.contains(char::is_control));
    assert_eq!(unescape(&shown), Ok(LineBody::plain(bytes, LineEnd::Missing)));
    assert!(!escape_unprintable(bytes).contains(char::is_control));

    // A record may have more digits of its time than are printed, and remarks in another form: after it was printed once
    // nothing changes.
    let text = String::from_utf8_lossy(bytes);
    if let Ok(records) = parse(&text) {
        let printed = print(&records);
        let again = parse(&printed).expect("what is printed can be read");
        assert_eq!(print(&again), printed);
    }

    // The first bytes are a secret, which must be found anywhere in the rest.
    let (secret, rest) = text.split_at(text.floor_char_boundary(8));
    let mut redactor = Redactor::default();
    if redactor.add(secret) && !secret.is_empty() {
        let hidden = redactor.find(rest.as_bytes());
        for (at, _) in rest.match_indices(secret) {
            assert!(hidden.iter().any(|range| range.start <= at && at + secret.len() <= range.end));
        }
    }
});

fn print(records: &[TranscriptLine]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}
