//! The marks of each format, by which a line is recognized.

use crate::tools::import::dialogue::is_reply;
use crate::tools::import::log_text::{around, find, trim_start};

/// What a mark says of a line, before it is known which side is the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked<'a> {
    /// A line that the logging program sent.
    Sent(&'a [u8]),
    /// A line that the logging program received.
    Received(&'a [u8]),
    /// A remark of the program, in a notation that is its own.
    Remark(&'a [u8]),
}

/// Recognizes a line by its mark.
pub type LineMark = for<'a> fn(&'a [u8]) -> Option<Marked<'a>>;

/// The marks of all formats that have any.
pub const ALL: [LineMark; 15] = [
    transcript, ruby, swaks, curl, curl_trace, postfix, exim, sendmail, exim_test, php_mailer, nodemailer, smtplib,
    msmtp, mutt, net_smtp,
];

/// Whether a line of a log without marks is one of another log: it has a mark and text.
pub fn is_of_another_log(line: &[u8]) -> bool {
    ALL.iter().any(|mark| match mark(line) {
        Some(Marked::Sent(text) | Marked::Received(text) | Marked::Remark(text)) => !text.trim_ascii().is_empty(),
        None => false,
    })
}

/// The text after a mark: one space belongs to the mark, and may be missing if there is no text.
fn text_after<'a>(line: &'a [u8], mark: &str) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(mark.as_bytes())?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b" ") }
}

/// `C: `, `S: ` and `*: `, with a connection's name, a timestamp or white space in front.
pub fn transcript(line: &[u8]) -> Option<Marked<'_>> {
    let line = without_timestamp(line);
    let (mark, rest) = line.split_first()?;
    let rest = match rest.strip_prefix(b"[") {
        Some(named) => &named[named.iter().position(|byte| *byte == b']')? + 1..],
        None => rest,
    };
    let text = text_after(rest, ":")?;
    match mark {
        b'C' => Some(Marked::Sent(text)),
        b'S' => Some(Marked::Received(text)),
        b'*' => Some(Marked::Remark(text)),
        _ => None,
    }
}

/// Without white space, and without seconds with a fraction, at the beginning of a line.
pub fn without_timestamp(line: &[u8]) -> &[u8] {
    let line = trim_start(line);
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let is_time = line[..digits].contains(&b'.') && line.get(digits) == Some(&b' ');
    if is_time { trim_start(&line[digits..]) } else { line }
}

/// ` -> `, `<-  ` and so on, and `=== ` and `*** `.
pub fn swaks(line: &[u8]) -> Option<Marked<'_>> {
    for mark in [" ->", " ~>", "**>", "*~>"] {
        if let Some(text) = text_after(line, mark) {
            return Some(Marked::Sent(text));
        }
    }
    for mark in ["<-", "<~"] {
        if let Some(rest) = line.strip_prefix(mark.as_bytes()) {
            return match rest {
                [] | [b' '] => Some(Marked::Received(&[])),
                [b' ', b' ', text @ ..] | [b' ', text @ ..] => Some(Marked::Received(text)),
                [b'*'] => Some(Marked::Received(&[])),
                [b'*', b' ', text @ ..] => Some(Marked::Received(text)),
                _ => None,
            };
        }
    }
    if let Some(text) = text_after(line, "<**") {
        return Some(Marked::Received(text));
    }
    text_after(line, "===").or_else(|| text_after(line, "***")).map(Marked::Remark)
}

/// `<   0016: 50 20 72 …` and `  > 0016: …` of swaks (`--show-raw-text`), or without a mark (`--no-send-hints`).
pub fn is_swaks_dump(line: &[u8]) -> bool {
    let line = trim_start(line.strip_prefix(b"<").unwrap_or(line));
    let line = trim_start(line.strip_prefix(b">").unwrap_or(line));
    let shape = b"0000: FF FF";
    // The last line may have one byte.
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte) || *byte == b' ';
    line.len() > shape.len()
        && line.iter().zip(shape).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            b'F' => is_hex(byte),
            wanted => byte == wanted,
        })
}

/// `> `, `< `, and `* `.
pub fn curl(line: &[u8]) -> Option<Marked<'_>> {
    if is_swaks_dump(line) {
        return None;
    }
    // A progress meter that had no line end stands before the mark.
    let line = without_meter(line.rsplit(|byte| *byte == b'\r').next().unwrap_or(line));
    let line = without_trace(line);
    if let Some(text) = text_after(line, ">") {
        return Some(Marked::Sent(text));
    }
    if let Some(text) = text_after(line, "<") {
        return Some(Marked::Received(text));
    }
    text_after(line, "*").map(Marked::Remark)
}

/// `  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0` in front of a mark.
fn without_meter(line: &[u8]) -> &[u8] {
    /// Shorter than any meter, longer than any text of these characters that a log has elsewhere.
    const METER: usize = 60;
    let meter = line.iter().take_while(|byte| byte.is_ascii_digit() || b" :.-kMGTP".contains(byte)).count();
    if meter >= METER { &line[meter..] } else { line }
}

/// `14:00:38.123456 ` and `[0-0] ` before a mark: `--trace-time` and `--trace-ids`.
fn without_trace(line: &[u8]) -> &[u8] {
    let line = without_python_time(line);
    let Some((ids, rest)) = line.strip_prefix(b"[").and_then(|rest| Some(rest.split_at(find(rest, "] ")?))) else {
        return line;
    };
    if ids.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'x')) { &rest[2..] } else { line }
}

/// `== Info: `, `=> Send header, 18 bytes (0x12)` and `<= Recv header, …`: what `--trace` and `--trace-ascii` show. Their bytes
/// are in the lines after it.
pub fn curl_trace(line: &[u8]) -> Option<Marked<'_>> {
    let line = without_trace(without_meter(line.rsplit(|byte| *byte == b'\r').next().unwrap_or(line)));
    if let Some(text) = line.strip_prefix(b"== Info: ") {
        return Some(Marked::Remark(text));
    }
    let is_block = |text: &&[u8]| find(text, " bytes (0x").is_some();
    if let Some(text) = line.strip_prefix(b"=> Send ").filter(is_block) {
        return Some(Marked::Sent(text));
    }
    line.strip_prefix(b"<= Recv ").filter(is_block).map(Marked::Received)
}

/// Without `14:00:38.123456 ` at the beginning.
pub fn without_python_time(line: &[u8]) -> &[u8] {
    let shape = b"00:00:00.000000 ";
    let fits = line.len() >= shape.len()
        && line.iter().zip(shape).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            wanted => byte == wanted,
        });
    if fits { &line[shape.len()..] } else { line }
}

/// `send: '…'` and `reply: b'…'`: what stands between the quotes, with its escapes.
pub fn smtplib(line: &[u8]) -> Option<Marked<'_>> {
    let line = without_python_time(line).trim_ascii_end();
    if let Some(text) = line.strip_prefix(b"send: ") {
        return python_literal(text).map(Marked::Sent);
    }
    if let Some(text) = line.strip_prefix(b"reply: ") {
        return python_literal(text)
            .map(Marked::Received)
            .or_else(|| text.starts_with(b"retcode (").then_some(Marked::Remark(text)));
    }
    let remark = [b"data: (".as_slice(), b"connect: to (", b"connect: (", b"connect: b'"];
    remark.iter().any(|mark| line.starts_with(mark)).then_some(Marked::Remark(line))
}

/// What stands between the quotes of `'…'`, `"…"`, `b'…'` or `b"…"`.
fn python_literal(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"b").unwrap_or(text);
    [b"'", b"\""].iter().find_map(|quote| text.strip_prefix(quote.as_slice())?.strip_suffix(quote.as_slice()))
}

/// `-> "220 mx\r\n"` and `<- "QUIT\r\n"` of Ruby's Net::SMTP, where the arrow points at the program: what stands between the
/// quotes, with its escapes.
pub fn ruby(line: &[u8]) -> Option<Marked<'_>> {
    let literal = |mark: &[u8]| line.strip_prefix(mark)?.strip_suffix(b"\"");
    literal(b"<- \"").map(Marked::Sent).or_else(|| literal(b"-> \"").map(Marked::Received))
}

/// `--> ` and `<-- ` of `msmtp --debug`.
pub fn msmtp(line: &[u8]) -> Option<Marked<'_>> {
    text_after(line, "-->").map(Marked::Sent).or_else(|| text_after(line, "<--").map(Marked::Received))
}

/// `[2026-11-30 16:06:45] 4> ` and `4< ` of mutt, where 4 is a file descriptor, and of NeoMutt with a level and a function in between.
pub fn mutt(line: &[u8]) -> Option<Marked<'_>> {
    /// Longer than any time, in bytes.
    const LONGEST_TIME: usize = 32;
    let line = line.strip_prefix(b"[")?;
    let (time, rest) = line.split_at(line.iter().take(LONGEST_TIME).position(|byte| *byte == b']')?);
    let rest = &rest[1..];
    if time.len() < 8 || !time.iter().all(|byte| byte.is_ascii_digit() || b"-: ".contains(byte)) {
        return None;
    }
    let level = rest.strip_prefix(b"<").and_then(|rest| around(rest, ">"));
    let rest = trim_start(level.map_or(rest, |(_, rest)| rest));
    let word = &rest[..rest.iter().position(|byte| *byte == b' ')?];
    let rest = if word.ends_with(b"()") { &rest[word.len() + 1..] } else { rest };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match rest.split_at(digits) {
        ([], _) => None,
        (_, [b'>', b' ', text @ ..]) => Some(Marked::Sent(text)),
        (_, [b'<', b' ', text @ ..]) => Some(Marked::Received(text)),
        _ => None,
    }
}

/// `Net::SMTP=GLOB(0x55e037248d38)>>> ` and `<<< ` of Perl's Net::SMTP. What it decoded, and its classes, are remarks.
pub fn net_smtp(line: &[u8]) -> Option<Marked<'_>> {
    let object = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b":_=()".contains(byte)).count();
    let (object, rest) = line.split_at(object);
    find(object, "::")?;
    let marked = text_after(rest, ">>>").map(Marked::Sent).or_else(|| text_after(rest, "<<<").map(Marked::Received))?;
    match marked {
        Marked::Sent(text) | Marked::Received(text) if text.starts_with(b"(decoded) ") => Some(Marked::Remark(text)),
        marked if find(object, "=GLOB(").is_some() => Some(marked),
        _ => Some(Marked::Remark(rest)),
    }
}

/// `>>> ` of `sendmail -v` and mailx, whose replies have no mark; s-nail puts its name before it, and marks the server.
pub fn sendmail(line: &[u8]) -> Option<Marked<'_>> {
    if is_record(line) {
        return None;
    }
    let line = [b"s-nail: ".as_slice(), b"mailx: ", b"mail: "]
        .iter()
        .find_map(|name| line.strip_prefix(*name))
        .unwrap_or(line);
    let text = text_after(line, ">>>")?;
    Some(text.strip_prefix(b"SERVER: ").map_or(Marked::Sent(text), Marked::Received))
}

/// `smtpd[PID]: > host[addr]: `: what Postfix sent. Remarks are the other lines of that process.
pub fn postfix(line: &[u8]) -> Option<Marked<'_>> {
    let (_, rest) = postfix_process(line)?;
    let (sent, rest) = match rest {
        [b'>', b' ', rest @ ..] => (true, rest),
        [b'<', b' ', rest @ ..] => (false, rest),
        _ => return None,
    };
    // A host's name has no space, an address no bracket.
    let end = find(rest, "]")?;
    if rest[..end].contains(&b' ') {
        return None;
    }
    let rest = &rest[end + 1..];
    let text = &rest[rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len())..];
    if !rest.starts_with(b":") {
        return None;
    }
    let text = text.strip_prefix(b" ").unwrap_or(text);
    Some(if sent { Marked::Sent(text) } else { Marked::Received(text) })
}

/// The process ID of a line of syslog of Postfix's smtpd, smtp or lmtp, and the text after it.
pub fn postfix_process(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = ["smtpd[", "smtp[", "lmtp["].iter().filter_map(|name| Some(find(line, name)? + name.len())).min()?;
    let rest = &line[at..];
    let end = find(rest, "]: ")?;
    let pid = &rest[..end];
    (!pid.is_empty() && pid.iter().all(u8::is_ascii_digit)).then_some((pid, &rest[end + 3..]))
}

/// `SMTP>> `, `SMTP|> `, `SMTP+> ` and `SMTP<< `.
pub fn exim(line: &[u8]) -> Option<Marked<'_>> {
    for mark in ["SMTP>>", "SMTP|>", "SMTP+>", "SMTP~>"] {
        if let Some((_, text)) = around(line, mark) {
            // `SMTP>>(close on process exit)`
            if text.starts_with(b"(close") {
                return Some(Marked::Remark(text));
            }
            return Some(Marked::Sent(text.strip_prefix(b" ").unwrap_or(text)));
        }
    }
    if let Some((_, text)) = around(line, "SMTP<<") {
        return Some(Marked::Received(text.strip_prefix(b" ").unwrap_or(text)));
    }
    let at = find(line, "SMTP(")?;
    let ends = [")>>", ")<<"].iter().any(|end| find(&line[at..], end).is_some());
    ends.then_some(Marked::Remark(&line[at..]))
}

/// `>>> TLS 1.3, Handshake [length 007a], Certificate`: what `openssl s_client -msg` shows.
pub fn is_record(line: &[u8]) -> bool {
    let message = line.strip_prefix(b">>> ").or_else(|| line.strip_prefix(b"<<< "));
    message.is_some_and(|message| {
        let begins = [b"TLS ".as_slice(), b"SSL ", b"??? "].iter().any(|begin| message.starts_with(begin));
        begins && find(message, " [length ").is_some()
    })
}

/// `>>> `, `<<< `, `??? ` and `+++ `.
pub fn exim_test(line: &[u8]) -> Option<Marked<'_>> {
    if is_record(line) {
        return None;
    }
    if let Some(text) = text_after(line, ">>>") {
        return Some(Marked::Sent(text));
    }
    if let Some(text) = text_after(line, "<<<") {
        return Some(Marked::Received(text));
    }
    let remark = ["???", "+++"].iter().any(|mark| line.starts_with(mark.as_bytes()));
    remark.then_some(Marked::Remark(line))
}

/// `CLIENT -> SERVER: ` and `SERVER -> CLIENT: `, also in HTML.
pub fn php_mailer(line: &[u8]) -> Option<Marked<'_>> {
    let text = |text| trim_one_space(text);
    let client = around(line, "CLIENT -> SERVER:").or_else(|| around(line, "CLIENT -&gt; SERVER:"));
    let server = around(line, "SERVER -> CLIENT:").or_else(|| around(line, "SERVER -&gt; CLIENT:"));
    match (client, server) {
        (Some((before, client)), Some((other, _))) if before.len() < other.len() => Some(Marked::Sent(text(client))),
        (_, Some((_, server))) => Some(Marked::Received(text(server))),
        (Some((_, client)), None) => Some(Marked::Sent(text(client))),
        (None, None) => None,
    }
}

fn trim_one_space(text: &[u8]) -> &[u8] {
    text.strip_prefix(b" ").unwrap_or(text)
}

/// `[time] DEBUG [id] C: ` and `S: `. Lines without a side are remarks.
pub fn nodemailer(line: &[u8]) -> Option<Marked<'_>> {
    let rest = trim_start(line).strip_prefix(b"[")?;
    let rest = &rest[find(rest, "] ")? + 2..];
    let level = rest.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let levels: [&[u8]; 6] = [b"TRACE", b"DEBUG", b"INFO", b"WARN", b"ERROR", b"FATAL"];
    if !levels.contains(&&rest[..level]) {
        return None;
    }
    let mut rest = trim_start(&rest[level..]);
    while let Some(bracketed) = rest.strip_prefix(b"[") {
        rest = trim_start(&bracketed[find(bracketed, "]")? + 1..]);
    }
    Some(match (text_after(rest, "C:"), text_after(rest, "S:")) {
        (Some(text), _) => Marked::Sent(text),
        (_, Some(text)) => Marked::Received(text),
        _ => Marked::Remark(rest),
    })
}

/// Whether what the program sent are replies, so that the program is the server.
pub fn sends_replies<'a>(marked: impl Iterator<Item = Marked<'a>>) -> bool {
    for line in marked {
        match line {
            Marked::Sent(text) if is_reply(text) => return true,
            Marked::Received(text) if is_reply(text) => return false,
            _ => {}
        }
    }
    false
}
