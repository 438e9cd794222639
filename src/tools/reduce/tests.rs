//! The search over planted faults, without a server.

use super::minimize::{SearchDepth, Stopped, minimize};
use super::reducer::{FaultCheck, Reducer};
use super::session_document::SessionDocument;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use std::cell::Cell;

/// Minimizes a list, and gives what remains and the number of checks.
fn counted(count: usize, depth: SearchDepth, fault: &dyn Fn(&[usize]) -> bool) -> (Vec<usize>, usize) {
    let mut checks = 0;
    let kept = minimize(count, depth, &mut |kept| {
        checks += 1;
        Ok(fault(kept))
    });
    (kept.expect("nothing stops it"), checks)
}

#[test]
fn a_list_is_reduced_to_what_the_fault_needs() {
    let table: [(usize, &[usize], &str); 7] = [
        (0, &[], "an empty list"),
        (1, &[0], "a single item"),
        (40, &[], "a fault that needs nothing"),
        (40, &[39], "the last item"),
        (40, &[0, 13, 14, 39], "items that are apart"),
        (40, &[7], "an item in the middle"),
        (3, &[0, 1, 2], "all items"),
    ];
    for (count, needed, why) in table {
        let (kept, _) = counted(count, SearchDepth::SINGLE, &|kept| needed.iter().all(|item| kept.contains(item)));
        assert_eq!(kept, needed, "{why}");
    }
}

#[test]
fn items_that_need_each_other_are_removed_together() {
    // 3, 4 and 5 must all be there or none; 8 is the fault.
    let fault = |kept: &[usize]| {
        kept.contains(&8) && matches!([3, 4, 5].iter().filter(|item| kept.contains(item)).count(), 0 | 3)
    };
    let depth = SearchDepth { finest: 1, longest_run: 3 };
    assert_eq!(counted(10, depth, &fault).0, [8]);
}

#[test]
fn a_coarse_search_ends_with_fewer_checks() {
    let fault = |kept: &[usize]| kept.len() > 500;
    let (coarse, few) = counted(1000, SearchDepth { finest: 10, longest_run: 1 }, &fault);
    let (fine, many) = counted(1000, SearchDepth::SINGLE, &fault);
    assert_eq!(fine.len(), 501);
    assert!((501..=510).contains(&coarse.len()), "{}", coarse.len());
    assert!(few * 5 < many, "{few} and {many} checks");
}

#[test]
fn a_stopped_search_says_so() {
    let mut checks = 0;
    let stopped = minimize(10, SearchDepth::SINGLE, &mut |_| {
        checks += 1;
        if checks > 3 { Err(Stopped) } else { Ok(false) }
    });
    assert_eq!(stopped, Err(Stopped));
    assert_eq!(checks, 4);
}

proptest! {
    #[test]
    fn a_minimum_is_found_with_a_bounded_number_of_checks(count in 1usize..200, needed in prop::collection::btree_set(0usize..200, 0..6)) {
        let needed: Vec<usize> = needed.into_iter().filter(|item| *item < count).collect();
        let (kept, checks) = counted(count, SearchDepth::SINGLE, &|kept| needed.iter().all(|item| kept.contains(item)));
        prop_assert_eq!(&kept, &needed);
        let bound = 2 * (needed.len() + 1) * (count.ilog2() as usize + 3);
        prop_assert!(checks <= bound, "{} checks for {} of {}, more than {}", checks, needed.len(), count, bound);
    }

    /// Whatever the fault is: it shows in the result, and no item of it can be removed alone.
    #[test]
    fn no_item_of_the_result_can_be_removed(count in 1usize..24, seed in any::<u64>()) {
        let fault = |kept: &[usize]| {
            let bits = kept.iter().fold(seed | 1, |sum, item| (sum ^ (*item as u64 + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23));
            kept.len() == count || bits % 3 == 0
        };
        let (kept, _) = counted(count, SearchDepth::SINGLE, &fault);
        prop_assert!(kept.is_empty() || fault(&kept));
        for index in 0..kept.len() {
            let mut less = kept.clone();
            less.remove(index);
            prop_assert!(!fault(&less), "{:?} is enough", less);
        }
    }
}

/// A fault in the text of a session.
struct TextFault<'f> {
    shows: &'f dyn Fn(&str) -> bool,
}

impl FaultCheck for TextFault<'_> {
    fn holds(&mut self, session: &str, _: &[usize]) -> Result<bool, Stopped> {
        Ok((self.shows)(session))
    }

    fn content(&mut self, file: &str) -> Option<Vec<u8>> {
        match file {
            "text" => Some(b"one\ntwo\n".to_vec()),
            "bytes" => Some(b"\xffab".to_vec()),
            "template" => Some(b"{{ x }}".to_vec()),
            _ => None,
        }
    }
}

/// Reduces a session; gives the text and the original numbers of its steps.
fn reduced(session: &str, shows: &dyn Fn(&str) -> bool) -> (String, Vec<usize>) {
    assert!(shows(session), "the whole session shows the fault");
    let mut fault = TextFault { shows };
    let document = SessionDocument::parse(session).expect("TOML");
    let mut reducer = Reducer::new(document, &mut fault);
    reducer.reduce().expect("nothing stops it");
    (reducer.best().text(), reducer.best().step_numbers())
}

#[test]
fn steps_keep_their_comments_their_form_and_their_numbers() {
    let session = "# A bug.\nserver = \"smtp://x\" # here\n\n# the greeting\n[[open]]\nexpect = 220\n\n# not needed\n[[step]]\nsend = \"NOOP\"\nexpect = 250\n\n# the fault\n[[step]]\nsend = 'RSET'   # twice\nexpect = 250\n";
    let (text, numbers) = reduced(session, &|text| text.contains("RSET") && text.contains("expect = 220"));
    assert_eq!(
        text,
        "# A bug.\nserver = \"smtp://x\" # here\n\n# the greeting\n[[open]]\nexpect = 220\n\n# the fault\n[[step]]\nsend = 'RSET'   # twice\nexpect = 250\n"
    );
    assert_eq!(numbers, [1, 3]);
}

#[test]
fn each_kind_of_part_is_reduced() {
    let table: [(&str, &[&str], &str, &str); 13] = [
        (
            "server = \"x\"\nstep = [ { expect = 220 }, { send = \"A\", expect = 1 }, { send = \"B\", expect = 2 } ]\n",
            &["expect = 220", "\"B\""],
            "server = \"x\"\nstep = [ { expect = 220 }, { send = \"B\", expect = 2 } ]\n",
            "inline steps",
        ),
        (
            "[[step]]\npipeline = [ { send = \"A\" }, { send = \"B\" }, { send = \"C\" } ]\n",
            &["\"B\""],
            "[[step]]\nsend = \"B\"\n",
            "members of a pipeline",
        ),
        (
            "[[step]]\nsteps = [ { steps = [ { send = \"A\" }, { send = \"B\" } ] }, { send = \"C\" } ]\n",
            &["\"B\""],
            "[[step]]\nsend = \"B\"\n",
            "a group in a group",
        ),
        (
            "[message]\nto = [\"a@x\", \"b@x\"]\ncc = \"c@x, d@x, e@x\"\n[[step]]\nmessage = true\n",
            &["b@x", "d@x", "message = true"],
            "[message]\nto = [\"b@x\"]\ncc = \"d@x\"\n[[step]]\nmessage = true\n",
            "recipients",
        ),
        (
            "tags = [\"a\"]\n[vars]\nx = \"1\"\n[[step]]\nname = \"n\"\nsend = \"A\"\nexpect = 1\ndelay = \"1s\"\nassert = [\"a\", \"b\"]\n",
            &["\"A\"", "\"b\""],
            "[[step]]\nname = \"n\"\nsend = \"A\"\nexpect = 1\nassert = [\"b\"]\n",
            "settings and keys of steps",
        ),
        (
            "[[step]]\nsend = \"MAIL FROM:<a> SIZE=1 BODY=8BITMIME\"\n",
            &["MAIL FROM:<a>", "8BITMIME"],
            "[[step]]\nsend = \"MAIL FROM:<a>8BITMIME\"\n",
            "words, and then bytes",
        ),
        (
            "[[step]]\nbody = \"\"\"\none\ntwo\nthree\n\"\"\"\n",
            &["tw", "ee"],
            "[[step]]\nbody = \"twee\"\n",
            "lines, and then bytes",
        ),
        ("[[step]]\nraw = { hex = \"00 01 ff 02\" }\n", &["01", "02"], "[[step]]\nraw = { hex = \"0102\" }\n", "hex"),
        ("[[step]]\nbdat = { base64 = \"YWJj\" }\n", &["Y"], "[[step]]\nbdat = { base64 = \"YQ==\" }\n", "base64"),
        (
            "[[step]]\nraw = { hex = \"3c 62 40 78 3e\" }\n",
            &["78"],
            "[[step]]\nraw = { hex = \"624078\" }\n",
            "an address in hex stays whole",
        ),
        (
            "[[step]]\nraw = [\"ab\", { hex = \"0d0a\" }, \"cd\"]\n",
            &["b", "0a"],
            "[[step]]\nraw = [\"b\", { hex = \"0a\" }]\n",
            "the parts of raw",
        ),
        (
            "[[step]]\nsend = \"a{{ name }}b\"\nwith = { name = \"x\", other = \"y\" }\n",
            &["{{ name }}", "name ="],
            "[[step]]\nsend = \"{{ name }}\"\nwith = { name = \"x\" }\n",
            "an expression stays whole",
        ),
        ("[[step]]\nsend = \"A\"\n[[close]]\nquit = true\n", &["quit"], "[[close]]\nquit = true\n", "a section"),
    ];
    for (session, needed, expected, why) in table {
        let (text, _) = reduced(session, &|text| needed.iter().all(|part| text.contains(part)));
        assert_eq!(text, expected, "{why}");
    }
}

#[test]
fn a_long_string_is_cut_in_pieces_until_it_is_short_enough_to_be_cut_byte_by_byte() {
    // A fault that needs 1,000 bytes is not searched for byte by byte.
    for (length, needed, most) in [(255, 102, 102), (1280, 102, 102), (100_000, 102, 102), (1280, 1000, 1009)] {
        let checks = Cell::new(0);
        let enough = |text: &str| {
            checks.set(checks.get() + 1);
            // "expect" has one, too.
            text.matches('x').count() - text.matches("expect").count() >= needed
        };
        for session in [
            format!("step = [ {{ raw = \"{}\", expect = 1 }} ]\n", "x".repeat(length)),
            format!("step = [ {{ raw = {{ base64 = \"{}\" }}, expect = 1 }} ]\n", STANDARD.encode("x".repeat(length))),
        ] {
            checks.set(0);
            let octets = |text: &str| match text.split_once("base64 = \"") {
                Some((_, rest)) => {
                    let encoded = rest.split('"').next().unwrap_or_default();
                    String::from_utf8(STANDARD.decode(encoded).expect("base64")).expect("ASCII")
                }
                None => text.to_owned(),
            };
            let (text, _) = reduced(&session, &|text| enough(&octets(text)));
            let left = octets(&text).matches('x').count() - octets(&text).matches("expect").count();
            assert!((needed..=most).contains(&left), "{length}: {left}");
            assert!(checks.get() < 700, "{length}: {} checks", checks.get());
        }
    }
}

#[test]
fn the_content_of_files_is_written_into_the_session_and_reduced() {
    let sends = |text: &str| ["file", "tw", "ff"].iter().any(|part| text.contains(part));
    for (step, expected) in [
        ("body = { file = \"text\" }", "body = \"tw\""),
        ("bdat = { file = \"text\" }", "bdat = \"tw\""),
        ("raw = { file = \"bytes\" }", "raw = { hex = \"ff\" }"),
        ("raw = [ { file = \"bytes\" }, \"x\" ]", "raw = [ { hex = \"ff\" } ]"),
        ("body = { file = \"template\" }", "body = { file = \"template\" }"),
        ("body = { file = \"missing\" }", "body = { file = \"missing\" }"),
        ("body = { file = \"text\", template = true }", "body = \"tw\""),
    ] {
        let (text, _) = reduced(&format!("[[step]]\n{step}\n"), &sends);
        assert_eq!(text, format!("[[step]]\n{expected}\n"), "{step}");
    }
}

#[test]
fn groups_are_written_out_where_that_changes_nothing() {
    let group = "# a\n[[step]]\nexpect = 220\n\n# b\n[[step]]\nsteps = [ { send = \"A\", expect = 1 }, { send = \"B\" } ]\n\n[[step]]\nquit = true\n";
    for (session, needed, expected, numbers) in [
        (group, &["220", "\"A\", expect = 1", "\"B\"", "quit"][..], group, vec![1, 2, 3]),
        (
            group,
            &["220", "\"A\"", "\"B\"", "quit"],
            "# a\n[[step]]\nexpect = 220\n\n# b\n[[step]]\nsend = \"A\"\nexpect = 1\n\n[[step]]\nsend = \"B\"\n\n[[step]]\nquit = true\n",
            vec![1, 2, 2, 3],
        ),
        (
            "step = [ { expect = 220 }, { steps = [ { send = \"A\" }, { send = \"B\" } ] } ]\n",
            &["220", "\"A\"", "\"B\""],
            "step = [ { expect = 220 }, { send = \"A\" }, { send = \"B\" } ]\n",
            vec![1, 2, 2],
        ),
        (
            "step = [ { pipeline = [ { send = \"A\" }, { send = \"B\" } ] } ]\n",
            &["\"A\"", "\"B\""],
            "step = [ { pipeline = [ { send = \"A\" }, { send = \"B\" } ] } ]\n",
            vec![1],
        ),
    ] {
        let (text, kept) = reduced(session, &|text| needed.iter().all(|part| text.contains(part)));
        assert_eq!((text.as_str(), kept), (expected, numbers));
    }
}

#[test]
fn names_that_nothing_uses_any_more_are_removed() {
    let session =
        "[vars]\nx = \"1\"\n[secrets]\npw = \"2\"\nother = \"3\"\n[[step]]\nraw = \"A{{ pw }}{{ x }}\"\nexpect = 1\n";
    let is_defined = |text: &str| {
        ["pw", "x"]
            .iter()
            .all(|name| !text.contains(&format!("{{{{ {name} }}}}")) || text.contains(&format!("\n{name} =")))
    };
    let (text, _) = reduced(session, &|text| text.contains("\"A") && is_defined(text));
    assert_eq!(text, "[[step]]\nraw = \"A\"\nexpect = 1\n");
}

/// A check that answers at random.
struct RandomCheck(fastrand::Rng);

impl FaultCheck for RandomCheck {
    fn holds(&mut self, session: &str, numbers: &[usize]) -> Result<bool, Stopped> {
        let read = SessionDocument::parse(session).unwrap_or_else(|| panic!("not TOML:\n{session}"));
        assert_eq!(read.step_numbers().len(), numbers.len(), "{session}");
        Ok(self.0.u8(..4) == 0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever the check says, each session that is tried is TOML, and its steps have numbers.
    #[test]
    fn every_session_that_is_tried_is_toml(seed in any::<u64>()) {
        let session = "# head\nserver = 'x'\ntags = [\n  \"a\", # one\n  \"b\",\n]\n[vars]\na.b = 1\n[message]\nto = ['a, b', \"c\"]\n[message.headers]\nX = \"y\"\n\n[[open]]\nlogin = true\n[[step]]\nsteps = [ { pipeline = [ { send = \"MAIL FROM:<é> {{ x }} B\" }, { raw = [\"a\\r\\n\", { hex = \"00ff\" }] } ] }, { repeat = 9, send = \"A\" } ]\n[step.with]\nk = 1\n[[step]]\nbody = \"\"\"\none\n'two'\n\"\"\"\nassert = ['x']\n[[step]]\nsteps = [ { send = \"A\" } ]\n[[close]]\nquit = true\n";
        let mut check = RandomCheck(fastrand::Rng::with_seed(seed));
        let document = SessionDocument::parse(session).expect("TOML");
        Reducer::new(document, &mut check).reduce().expect("nothing stops it");
    }
}

#[test]
fn a_repetition_is_lowered_to_what_the_fault_needs() {
    let count =
        |text: &str| text.lines().find_map(|line| line.strip_prefix("repeat = ")?.parse::<u32>().ok()).unwrap_or(1);
    for needed in [1, 2, 7, 99, 100] {
        let (text, _) =
            reduced("[[step]]\nsend = \"A\"\nrepeat = 100\n", &|text| text.contains("send") && count(text) >= needed);
        assert_eq!(count(&text), needed);
        assert_eq!(text.contains("repeat"), needed > 1, "{text}");
    }
}

#[test]
fn a_section_without_steps_stays_empty_next_to_a_message() {
    let session =
        "[message]\nfrom = \"a@x\"\n[[open]]\nlogin = true\n[[step]]\nmessage = true\n[[close]]\nquit = true\n";
    let (text, numbers) = reduced(session, &|text| text.contains("message = true") && text.contains("[message]"));
    assert!(text.contains("open = []") && text.contains("close = []") && !text.contains("quit"), "{text}");
    assert_eq!(numbers, [2]);
}

#[test]
fn a_heading_is_written_as_comments() {
    let session = SessionDocument::parse("\n# mine\nserver = 'x'\n").expect("TOML");
    let text = session.text_with_heading(&["one".to_owned(), String::new()]);
    assert_eq!(text, "# one\n#\n\n# mine\nserver = 'x'\n");
}
