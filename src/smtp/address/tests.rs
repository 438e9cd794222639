//! Addresses that are taken, and where and why others are not.

use super::*;
use proptest::prelude::*;

#[test]
fn mailboxes_are_taken_as_they_are() {
    let table = [
        ("a@example.com", "a", "example.com", "the usual"),
        ("first.last+tag@sub.example.com", "first.last+tag", "sub.example.com", "dots and a plus"),
        ("!#$%&'*+-/=?^_`{|}~@x", "!#$%&'*+-/=?^_`{|}~", "x", "all of atext"),
        ("\"a b\"@x", "\"a b\"", "x", "a quoted string keeps its quotes"),
        ("\"a@b\\\" c\"@x", "\"a@b\\\" c\"", "x", "an @ and an escaped quote"),
        ("\"\"@x", "\"\"", "x", "an empty quoted string"),
        ("\"ü\"@x", "\"ü\"", "x", "UTF-8 in quotes (RFC 6531)"),
        ("jürgen@bücher.example", "jürgen", "bücher.example", "UTF-8 (RFC 6531)"),
        ("a@123.example", "a", "123.example", "a label may begin with a digit"),
        ("a@xn--bcher-kva.example", "a", "xn--bcher-kva.example", "hyphens within"),
        ("a@localhost", "a", "localhost", "one label"),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]", "an IPv4 literal"),
        ("a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]", "an IPv6 literal"),
        ("a@[ipv6:::ffff:192.0.2.1]", "a", "[ipv6:::ffff:192.0.2.1]", "its tag in lower case, IPv4 within"),
        ("a@[x-tag:content]", "a", "[x-tag:content]", "a general literal"),
        ("", "", "", "the null path"),
        ("<>", "", "", "the null path in brackets"),
        ("Postmaster", "Postmaster", "", "RFC 5321 §4.1.1.3"),
    ];
    for (text, local, domain, why) in table {
        let expected = Mailbox { local: local.to_owned(), domain: domain.to_owned() };
        assert_eq!(Mailbox::parse(text), Ok(expected), "{why}");
    }
    assert!(Mailbox::NULL.is_null());
    assert_eq!(Mailbox::NULL.to_string(), "");
}

#[test]
fn errors_say_where_and_why() {
    let table = [
        ("a", 1, "an address needs an @ and a domain"),
        ("none>", 4, "an address needs an @ and a domain"),
        ("a, b@c", 1, "an address needs an @ and a domain"),
        ("@x", 0, "there is nothing before the @"),
        ("a@", 2, "the domain is missing"),
        ("a@b@c", 3, "an address has only one @"),
        ("a b@c", 1, "an address cannot contain a space outside quotes"),
        (" a@c", 0, "an address cannot contain a space outside quotes"),
        ("a@c ", 3, "an address cannot contain a space outside quotes"),
        ("a@c(comment)", 3, "an address cannot contain a comment"),
        ("a\r\nRCPT TO:<x@y>@c", 1, "an address cannot contain a line break"),
        ("a@c\n", 3, "an address cannot contain a line break"),
        ("a@c\0", 3, "an address cannot contain NUL"),
        ("\"a\r\n\"@c", 2, "an address cannot contain a line break"),
        ("<a@c>", 0, "an address is written without < and > here"),
        ("a@c> SIZE=5", 3, "an address is written without < and > here"),
        ("a@c,b@d", 3, "one address is expected here, not a list"),
        (".a@c", 0, "the part before the @ cannot begin with a dot or contain two dots in a row, except in quotes"),
        ("a..b@c", 2, "the part before the @ cannot begin with a dot or contain two dots in a row, except in quotes"),
        ("a.@c", 2, "the part before the @ cannot end in a dot, except in quotes"),
        ("a[b@c", 1, "this character needs quotes around the part before the @"),
        ("\"a@c", 0, "this quote is not closed"),
        ("\"a\\", 3, "a backslash must be followed by a printable ASCII character"),
        ("a@c.", 4, "a domain cannot end in a dot"),
        ("a@c..d", 4, "a label of the domain is empty"),
        ("a@-c", 2, "a label of a domain must begin with a letter or digit"),
        ("a@c-.d", 3, "a label of a domain must end in a letter or digit"),
        ("a@c_d", 3, "a domain cannot contain an underscore (U+005F)"),
        ("a@[192.0.2.256]", 3, "the brackets hold no IPv4 address, IPv6:address or tag:content"),
        ("a@[192.0.2]", 3, "the brackets hold no IPv4 address, IPv6:address or tag:content"),
        ("a@[]", 3, "the brackets hold no IPv4 address, IPv6:address or tag:content"),
        ("a@[2001:db8::1]", 3, "an IPv6 address literal is written [IPv6:…]"),
        ("a@[IPv6:x]", 3, "the brackets hold no IPv4 address, IPv6:address or tag:content"),
        ("a@[192.0.2.1", 2, "this bracket is not closed"),
        ("a@[192.0.2.1]x", 13, "the address should end here"),
        ("a\u{85}b@c", 1, "an address cannot contain a control character"),
        ("a@example.com\u{200b}", 13, "a domain cannot contain U+200B, which is invisible"),
        ("a@ex\u{ad}ample.com", 4, "a domain cannot contain U+00AD, which is invisible"),
        ("a@b\u{a0}", 3, "a domain cannot contain U+00A0"),
        ("a\u{200b}@c", 1, "the part before the @ cannot contain U+200B, which is invisible"),
    ];
    for (text, at, why) in table {
        assert_eq!(Mailbox::parse(text), Err(AddressError { at, why: why.into() }), "{text:?}");
    }
}

proptest! {
    #[test]
    fn what_is_taken_is_one_line_and_prints_as_it_was(text in prop_oneof!["\\PC*", "[a-c\"\\\\.@ ]{0,9}@[a-c.:\\[\\]0-9-]{0,9}", ".*"]) {
        if let Ok(mailbox) = Mailbox::parse(&text) {
            prop_assert!(!text.contains(['\r', '\n', '\0']));
            if text != "<>" {
                prop_assert_eq!(mailbox.to_string(), text);
            }
        }
    }
}

#[test]
fn a_mistake_is_placed_by_characters() {
    let text = "jürgen@exämple.de x";
    let error = Mailbox::parse(text).expect_err("something stands after it");
    assert_eq!(error.within(text), "an address cannot contain a space outside quotes (at character 18)");
    let far = AddressError { at: 99, why: "so".into() };
    assert_eq!(far.within("a"), "so (at character 2)", "another text cannot break it");
}
