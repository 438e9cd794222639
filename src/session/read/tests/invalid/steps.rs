//! Errors in steps.

use super::all;

#[test]
fn actions() {
    all(&[
        (step!("{ send = \"QUIT\", ⟦quit = true }"), "\"send\" and \"quit\"", "two actions"),
        (step!("⟦{ send = \"NOOP\" }"), "\"expect\" is missing", "no expect"),
        (step!("⟦{ body = \"x\" }"), "\"expect\" is missing", "no expect"),
        (
            step!("⟦{ name = \"x\" }"),
            "\"expect\" is missing: a step without an action waits for a reply",
            "neither action nor expect",
        ),
        (step!("⟦{}"), "\"expect\" is missing", "nothing at all"),
        (step!("{ send = \"NOOP\", ⟦expct = 250 }"), "did you mean \"expect\"?", "mistyped, and so not missing"),
        (step!("{ send = ⟦1, expect = 250 }"), "must be a string", "a number"),
        (step!("{ send = ⟦\"a\\r\\nb\", expect = 250 }"), "one line", "two lines"),
        (step!("{ send = \"{{ ⟦nobody }}\", expect = 250 }"), "nothing defines the name \"nobody\"", "undefined"),
        (step!("{ send = \"{{ ⟦row.email }}\", expect = 250 }"), "[rows]", "no rows"),
        (step!("{ raw = ⟦1 }"), "a string or a table with hex", "a number"),
        (step!("{ raw = ⟦{} }"), "must have one of: hex, base64, file", "no bytes"),
        (step!("{ raw = { hex = ⟦\"4e4\" } }"), "hexadecimal", "half a byte"),
        (step!("{ raw = { hex = ⟦\"+1\" } }"), "hexadecimal", "a sign"),
        (step!("{ raw = { base64 = ⟦\"!\" } }"), "base64", "not base64"),
        (step!("{ raw = { hex = \"00\", ⟦file = \"x\" } }"), "only one", "two forms"),
        (step!("{ raw = \"x\", ⟦capture = { a = 'b' } }"), "nothing is read", "no reply to look at"),
        (step!("{ ehlo = ⟦false }"), "true or a string", "false is no action"),
        (step!("{ starttls = ⟦\"never\" }"), "\"required\" or \"opportunistic\"", "an unknown policy"),
        (step!("{ tls = true, expect = ⟦220 }"), "has no reply", "no reply"),
        (step!("{ login = true, ⟦expect = 220 }"), "takes no \"expect\"", "it has its own"),
        (step!("{ sleep = \"1s\", ⟦expect = 250 }"), "takes no \"expect\"", "no reply"),
        (step!("{ close = true, ⟦expect = 250 }"), "takes no \"expect\"", "no reply"),
        (step!("{ connect = true, ⟦expect = 220 }"), "takes no \"expect\"", "no reply"),
        (step!("{ steps = [{ quit = true }], ⟦expect = 250 }"), "each of its steps has its own", "a group"),
        (step!("{ pipeline = [{ quit = true }], ⟦expect = 250 }"), "each of its steps has its own", "a group"),
        (step!("{ close = ⟦\"now\" }"), "\"reset\", \"write\" or \"tls\"", "an unknown way"),
        (step!("{ sleep = ⟦5 }"), "a duration", "a number"),
        (step!("{ quit = ⟦\"yes\" }"), "must be true", "a string"),
        (step!("{ send = \"x\", expect = 250, ⟦inject_check = false }"), "only with \"starttls\"", "elsewhere"),
        (step!("{ send = \"x\", expect = 250, ⟦dot_stuffing = false }"), "only with \"body\"", "elsewhere"),
        (step!("{ body = ⟦1, expect = 250 }"), "a string or a table with file", "a number"),
        (step!("{ body = { ⟦flie = \"x\" }, expect = 250 }"), "did you mean \"file\"?", "mistyped"),
        (step!("{ message = ⟦true }"), "needs [message]", "no [message]"),
        (step!("{ pipeline = ⟦[] }"), "has no step", "an empty group"),
        (step!("{ steps = ⟦[] }"), "has no step", "an empty group"),
        (step!("{ pipeline = [{ ⟦sleep = \"1s\" }] }"), "is not allowed in a pipeline", "nothing to write"),
        (step!("{ pipeline = [⟦{ expect = 250 }] }"), "is not allowed in a pipeline", "nothing to write"),
        (step!("{ pipeline = [⟦{ send = \"x\" }] }"), "\"expect\" is missing", "no expect"),
        (step!("{ pipeline = [{ quit = true, ⟦timeout = \"1s\" }] }"), "next to \"pipeline\"", "one deadline for all"),
        (step!("{ steps = [{ quit = true }], ⟦always = true }"), "no meaning with \"steps\"", "a group"),
        (
            step!("{ proxy = { version = ⟦3, source = \"192.0.2.1:1\", destination = \"192.0.2.1:1\" } }"),
            "1 to 2",
            "v3",
        ),
        (step!("{ proxy = { source = ⟦\"192.0.2.1\", destination = \"192.0.2.1:1\" } }"), "192.0.2.1:4000", "no port"),
        (step!("{ proxy = ⟦{ source = \"192.0.2.1:1\" } }"), "\"destination\" is missing", "half"),
        (
            "step = [{ proxy = ⟦{ source = \"192.0.2.1:1\", destination = \"[::1]:1\" } }, { expect = 220 }]\n",
            "both be",
            "mixed",
        ),
        (step!("⟦{ proxy = { local = true } }"), "comes after the greeting", "not first"),
        (step!("{ xclient = ⟦{} }"), "is empty", "empty"),
        (step!("{ xclient = { ⟦adr = \"x\" } }"), "did you mean \"addr\"?", "mistyped"),
        (step!("{ xclient = { port = ⟦65536 } }"), "65535", "beyond the last port"),
        (step!("{ include = ⟦\"x.toml\" }"), "no such file", "no file"),
        (step!("{ include = ⟦\"{{ x }}.toml\" }"), "cannot be a template", "a template"),
    ]);
}

#[test]
fn modifiers() {
    all(&[
        (
            step!("{ body = 'x', expect = 250, ⟦retry = { times = 1 } }"),
            "no meaning with \"body\"",
            "content is not sent twice",
        ),
        (step!("{ quit = true, assert = ⟦1 }"), "a list", "a number"),
        (step!("{ quit = true, assert = [⟦1] }"), "an expression", "a number in the list"),
        (step!("{ quit = true, assert = [\"⟦rply.code == 221\"] }"), "did you mean \"reply\"?", "mistyped"),
        (step!("{ quit = true, capture = { a = '⟦(' } }"), "not a regular expression", "an open group"),
        (step!("{ quit = true, capture = { a = \"\\\\w⟦(\" } }"), "not a regular expression", "behind an escape"),
        (step!("{ quit = true, capture = { a = ⟦1 } }"), "a regular expression", "a number"),
        (step!("{ quit = true, capture = { ⟦a-b = 'x' } }"), "not a valid name", "a name with a dash"),
        (step!("{ sleep = \"1s\", ⟦capture = { a = 'x' } }"), "no reply of its own", "nothing to look at"),
        (step!("{ quit = true, repeat = ⟦0 }"), "from 1", "never"),
        (step!("{ quit = true, repeat = ⟦-1 }"), "from 1", "less than never"),
        (step!("{ quit = true, retry = ⟦{ wait = \"1s\" } }"), "\"times\" is missing", "without end"),
        (step!("{ quit = true, retry = { times = 3, on = ⟦\"close\" } }"), "names replies", "no reply"),
        (step!("{ quit = true, on_fail = ⟦\"ignore\" }"), "\"stop\", \"continue\" or \"quit\"", "unknown"),
        (step!("{ quit = true, chunk = ⟦{} }"), "\"size\" is missing", "no size"),
        (step!("{ quit = true, chunk = { size = ⟦0 } }"), "from 1", "nothing"),
        (step!("{ expect = 250, ⟦chunk = { size = 1 } }"), "nothing is written", "nothing to cut"),
        (step!("{ sleep = \"1s\", ⟦timeout = \"1s\" }"), "no meaning", "nothing to wait for"),
        (step!("{ quit = true, always = ⟦1 }"), "true or false", "a number"),
        (step!("{ quit = true, on = ⟦\"a b\" }"), "letters, digits", "a space"),
        (step!("{ quit = true, if = \"1 ⟦+\" }"), "unexpected end", "half an expression"),
    ]);
}

#[test]
fn expectations() {
    all(&[
        (step!("{ expect = ⟦1000 }"), "0 to 999", "four digits"),
        (step!("{ expect = ⟦-1 }"), "0 to 999", "negative"),
        (step!("{ expect = ⟦2.5 }"), "a code such as", "a float"),
        (step!("{ expect = ⟦\"25\" }"), "three digits", "two digits"),
        (step!("{ expect = ⟦\"x50\" }"), "three digits", "the class open"),
        (step!("{ expect = ⟦\"clsoe\" }"), "did you mean \"close\"?", "mistyped"),
        (step!("{ expect = ⟦[] }"), "nothing could pass", "an empty list"),
        (step!("{ expect = [250, ⟦[251]] }"), "a code such as", "a list in a list"),
        (step!("{ expect = ⟦{} }"), "is empty", "an empty table"),
        (step!("{ expect = { code = ⟦\"2\" } }"), "three digits", "one digit"),
        (step!("{ expect = { ⟦cod = 250 } }"), "did you mean \"code\"?", "mistyped"),
        (step!("{ expect = { enhanced = ⟦\"3.0.0\" } }"), "an enhanced code", "no such class"),
        (step!("{ expect = { text = '⟦(' } }"), "not a regular expression", "an open group"),
        (step!("{ expect = { lines = ⟦0 } }"), "from 1", "no line at all"),
    ]);
}
