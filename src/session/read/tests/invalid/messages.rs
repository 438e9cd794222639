//! Errors in `[message]`.

use super::all;

/// Adds keys to a valid `[message]`.
macro_rules! message {
    ($text:literal) => {
        concat!("[message]\nfrom = \"a@b.c\"\nto = [\"d@e.f\"]\n", $text, "\n")
    };
}

#[test]
fn messages() {
    all(&[
        (
            step!("{ message = { from = 'a@b.c', to = [⟦\"x@y.z\\r\\nRCPT TO:<q@r.s>\"], text = 't' } }"),
            "\"to\" is one line",
            "a command behind an address",
        ),
        (
            step!("{ message = { from = 'a@b.c', to = 'a@b.c', subject = ⟦\"s\\r\\nx\", text = 't' } }"),
            "\"subject\" is one line",
            "a subject of two lines",
        ),
        (
            step!("{ message = { from = 'a@b.c', to = 'a@b.c', headers = { X-A = ⟦\"a\\u0000\" }, text = 't' } }"),
            "\"X-A\" is one line",
            "a NUL in a header",
        ),
        ("⟦[message]\nto = [\"a@b.c\"]", "needs \"from\"", "no author"),
        ("[message]\nfrom = ⟦\"g:;\"\nto = [\"a@b.c\"]", "it names nobody", "a group of nobody as author"),
        ("⟦[message]\nfrom = \"a@b.c\"", "needs recipients", "nobody to send to"),
        ("[message]\nfrom = \"a@b.c\"\nto = ⟦[]", "no recipient", "an empty list"),
        ("[message]\nfrom = ⟦\"nobody\"\nto = [\"a@b.c\"]", "not an address", "no domain"),
        ("[message]\nfrom = \"a@b.c\"\nto = ⟦\"a@b.c, d e@f\"\n", "a space outside quotes", "one of several"),
        ("[message]\nfrom = \"a@b.c\"\nto = [\"x@y.z\", ⟦\"a b@c.d\"]", "not an address", "a space"),
        (message!("cc = [⟦1]"), "a list, each a string", "a number"),
        ("[message]\nfrom = ⟦\"a@b.c, d@e.f\"\nto = [\"a@b.c\"]", "more than one address", "two authors"),
        (message!("date = ⟦1.5"), "a string or an integer", "a fraction of a second"),
        (message!("date = ⟦08:00:00"), "is not a date", "a time of day"),
        (
            message!("eml = \"x.eml\"\n⟦subject = \"x\""),
            "\"subject\" cannot be used with \"eml\"",
            "a made header of a ready mail",
        ),
        (message!("eml = ⟦\"\""), "\"eml\" is an empty path", "no path"),
        (message!("attach = [⟦{ name = \"x\" }]"), "an attachment needs \"file\"", "a name alone"),
        (message!("attach = [{ file = \"x\", ⟦tipe = \"x\" }]"), "unknown key \"tipe\" in an attachment", "a typo"),
        (message!("attach = [⟦1]"), "\"attach\" must be", "a number"),
        (message!("⟦subjct = \"x\""), "did you mean \"subject\"?", "mistyped"),
        (message!("headers = { ⟦\"X Y\" = \"x\" }"), "not a header name", "a space"),
        (message!("headers = { ⟦\"X:\" = \"x\" }"), "not a header name", "a colon"),
        (message!("headers = { ⟦subject = \"x\" }"), "made from \"subject\"", "a key's header"),
        (message!("headers = { X = ⟦1 }"), "must be a string", "a number"),
        (message!("params = { ⟦data = \"x\" }"), "in \"params\"", "no such command"),
        (message!("on_refused = ⟦\"stop\""), "\"abort\" or \"skip\"", "unknown"),
        (message!("text = { ⟦fil = \"x\" }"), "did you mean \"file\"?", "mistyped"),
        (message!("subject = \"{{ ⟦nobody }}\""), "nothing defines", "an undefined name, told once"),
        (message!("⟦[[step]]\nexpect = 220"), "the implied [[open]]", "a greeting that was read already"),
    ]);
}
