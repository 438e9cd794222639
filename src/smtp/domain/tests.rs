use super::*;
use proptest::prelude::*;

#[test]
fn domains_become_a_labels() {
    let table = [
        ("example.com", "example.com", "ASCII"),
        ("EXAMPLE.Com", "EXAMPLE.Com", "ASCII keeps its case"),
        ("XN--BCHER-KVA.example", "XN--BCHER-KVA.example", "an A-label keeps its case"),
        ("a_b..c-", "a_b..c-", "ASCII is not judged here"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]", "an address literal"),
        ("", "", "the null path has no domain"),
        ("bücher.example", "xn--bcher-kva.example", "the usual"),
        ("BÜCHER.Example", "xn--bcher-kva.example", "upper case"),
        ("bu\u{308}cher.example", "xn--bcher-kva.example", "decomposed, as macOS writes file names"),
        ("münchen.example", "xn--mnchen-3ya.example", "the acceptance test's"),
        ("faß.de", "xn--fa-hia.de", "non-transitional: ß is not ss"),
        ("βόλος.com", "xn--nxasmm1c.com", "non-transitional: a final sigma"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah", "an ideographic full stop"),
        ("ｅｘａｍｐｌｅ．com", "example.com", "full-width letters and dot"),
        ("אבג.example", "xn--4dbcd.example", "right to left"),
        ("نامه\u{200c}ای.com", "xn--mgba3gch31f060k.com", "a joiner where RFC 5892 allows it"),
        ("क्\u{200d}ष.example", "xn--11b2ezcw70k.example", "a joiner after a virama"),
        ("☃.example", "xn--n3h.example", "a symbol, which UTS #46 allows"),
        ("xn--bcher-kva.bücher.example", "xn--bcher-kva.xn--bcher-kva.example", "an A-label beside a U-label"),
    ];
    for (domain, expected, why) in table {
        assert_eq!(to_ascii(domain).as_deref(), Ok(expected), "{why}");
    }
}

#[test]
fn errors_name_the_first_offending_code_point() {
    use DomainError::*;
    let long = format!("{}.example", "ü".repeat(70));
    let longest = "ü.".repeat(40);
    let huge = "ü".repeat(100_000);
    let table = [
        ("exa\u{ad}mple.com", Removed { character: '\u{ad}', at: 3 }, "a soft hyphen"),
        ("example.com\u{200b}", Removed { character: '\u{200b}', at: 11 }, "a zero-width space"),
        ("\u{feff}example.com", Removed { character: '\u{feff}', at: 0 }, "a byte order mark"),
        ("a\u{2060}.com", Removed { character: '\u{2060}', at: 1 }, "a word joiner"),
        ("a\u{fe0f}.com", Removed { character: '\u{fe0f}', at: 1 }, "a variation selector"),
        ("bücher\u{200b}\u{ad}.com", Removed { character: '\u{200b}', at: 7 }, "the first of two"),
        ("bü cher.com", Disallowed { character: ' ', at: 3 }, "a space"),
        ("bü_cher.com", Disallowed { character: '_', at: 3 }, "an underscore: STD 3"),
        ("[ü]", Disallowed { character: '[', at: 0 }, "an address literal is ASCII"),
        ("a\u{a0}b.com", Disallowed { character: '\u{a0}', at: 1 }, "a no-break space, which maps to a space"),
        ("a\u{2028}.com", Disallowed { character: '\u{2028}', at: 1 }, "a line separator"),
        ("a\u{202e}moc.com", Disallowed { character: '\u{202e}', at: 1 }, "an override of the direction"),
        ("a\u{2100}.com", Disallowed { character: '\u{2100}', at: 1 }, "a/c: it maps to a slash"),
        ("\u{ff0f}.com", Disallowed { character: '\u{ff0f}', at: 0 }, "a full-width slash"),
        ("a\u{e000}.com", Disallowed { character: '\u{e000}', at: 1 }, "private use"),
        ("a\u{fffd}.com", Disallowed { character: '\u{fffd}', at: 1 }, "a replacement character"),
        ("a\u{378}.com", Disallowed { character: '\u{378}', at: 1 }, "not assigned"),
        ("a\u{200d}b.com", Joiner { character: '\u{200d}', at: 1 }, "a zero-width joiner between Latin letters"),
        ("a\u{200c}b.com", Joiner { character: '\u{200c}', at: 1 }, "a zero-width non-joiner"),
        ("אb.com", Bidi { character: 'b', at: 2 }, "Latin in a Hebrew label"),
        ("aאb.com", Bidi { character: 'א', at: 1 }, "Hebrew in a Latin label"),
        ("1a.אב", Bidi { character: '1', at: 0 }, "a label that begins with a digit, beside a Hebrew one"),
        ("\u{301}a.com", LeadingMark { character: '\u{301}', at: 0 }, "a combining mark"),
        ("x.\u{301}a.com", LeadingMark { character: '\u{301}', at: 2 }, "in the second label"),
        ("-ü.com", Hyphen { at: 0 }, "a hyphen in front"),
        ("ü-.com", Hyphen { at: 2 }, "a hyphen at the end"),
        ("ü.ab--c.com", Hyphen { at: 5 }, "hyphens as third and fourth character"),
        ("ü.xn--a.com", InvalidALabel { label: "xn--a".to_owned(), at: 3 }, "Punycode that is not valid"),
        ("ü..com", EmptyLabel { at: 3 }, "an empty label"),
        ("ü.com.", EmptyLabel { at: 7 }, "a dot at the end"),
        ("。ü", EmptyLabel { at: 0 }, "an ideographic dot in front"),
        (&long, LabelTooLong { label: "ü".repeat(70), octets: 76, at: 0 }, "a label of more than 63 octets"),
        (longest.trim_end_matches('.'), TooLong { octets: 319 }, "a domain of more than 253 octets"),
        (&huge, TooLong { octets: 200_000 }, "a domain that takes too long to convert"),
    ];
    for (domain, expected, why) in table {
        assert_eq!(to_ascii(domain), Err(expected), "{why}");
    }
    let message = to_ascii("a\u{200b}.com").expect_err("it is invisible").to_string();
    assert_eq!(message, "a domain cannot contain U+200B, which is invisible");
}

#[test]
fn local_parts_have_no_format_characters() {
    let table = [
        ("a.b+c", None, "ASCII"),
        ("jürgen", None, "Latin"),
        ("用户", None, "Han"),
        ("\"a b\"", None, "a quoted string"),
        ("e\u{301}", None, "a combining mark"),
        ("a\u{200b}b", Some(('\u{200b}', 1)), "a zero-width space"),
        ("ü\u{ad}", Some(('\u{ad}', 2)), "a soft hyphen"),
        ("\u{202e}a", Some(('\u{202e}', 0)), "an override of the direction"),
        ("a\u{feff}", Some(('\u{feff}', 1)), "a byte order mark"),
        ("a\u{e0041}", Some(('\u{e0041}', 1)), "a tag character"),
        ("a\u{200d}b", Some(('\u{200d}', 1)), "a joiner"),
        ("\"\u{2066}\"", Some(('\u{2066}', 1)), "an isolate within quotes"),
    ];
    for (local, expected, why) in table {
        let expected = expected.map_or(Ok(()), |(character, at)| Err(LocalPartError { character, at }));
        assert_eq!(check_local_part(local), expected, "{why}");
    }
}

#[test]
fn spellings_of_a_domain_are_compared() {
    let table = [
        ("Example.COM", "example.com", "case"),
        ("BÜCHER.example", "xn--bcher-kva.example", "U-label and A-label"),
        ("a_b.EXAMPLE", "a_b.example", "what is not valid is compared by its case alone"),
    ];
    for (domain, expected, why) in table {
        assert_eq!(comparison_key(domain), expected, "{why}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn what_is_valid_is_ldh_and_stays_the_same(domain in "[a-c0-9.\u{e0}-\u{fc}\u{5d0}-\u{5d3}\u{660}-\u{669}\u{301}\u{200b}-\u{200d}\u{ad}-]{1,12}") {
        match to_ascii(&domain) {
            Ok(ascii) => {
                prop_assert!(ascii.is_ascii());
                prop_assert_eq!(to_ascii(&ascii), Ok(ascii.clone()));
                if !domain.is_ascii() {
                    prop_assert!(ascii.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')));
                    let has_removed = domain.contains(['\u{200b}', '\u{ad}']);
                    prop_assert!(!has_removed);
                }
            }
            Err(error) => {
                let named = match error {
                    DomainError::Disallowed { character, at }
                    | DomainError::Removed { character, at }
                    | DomainError::Joiner { character, at }
                    | DomainError::Bidi { character, at }
                    | DomainError::LeadingMark { character, at } => Some((character, at)),
                    DomainError::Hyphen { at } => Some(('-', at)),
                    _ => None,
                };
                if let Some((character, at)) = named {
                    prop_assert_eq!(domain.get(at..).and_then(|rest| rest.chars().next()), Some(character));
                }
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(domain in "\\PC{0,30}", local in ".{0,20}") {
        let strict = to_ascii(&domain);
        if !domain.is_ascii() {
            let crate_says = UTS46.to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Verify);
            prop_assert!(strict.is_err() || crate_says.is_ok(), "never laxer than the crate");
        }
        let _ = check_local_part(&local);
    }
}
