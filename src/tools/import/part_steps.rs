//! Writes a part of the client's turn as a step.

use super::client_turn::{ClientPart, PartKind, bdat_octets};
use super::log_text::{is_command, verb};
use super::replies::LoggedReply;
use super::script_text::LONGEST_CHUNK;
use super::secrets::{ImportedSecrets, push_expression, secret_name};
use super::steps::{WrittenStep, hexadecimal, quoted, quoted_lines, template_literal};
use crate::smtp::lines::LineEnd;
use crate::transcript::LineBody;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Content in place of content that a log does not have.
const PLACEHOLDER: &str = "Subject: placeholder\n\nThe log does not have the content.\n";

/// How much of a reply's text stands in a comment, in characters.
const SHOWN: usize = 70;

/// Writes parts as steps, and collects their secrets.
#[derive(Debug, Default)]
pub struct PartWriter {
    pub secrets: ImportedSecrets,
    /// The mechanism of the SASL exchange, and how many of its lines were written.
    mechanism: String,
    answers: usize,
}

impl PartWriter {
    /// The step for a part. Without a reply it expects none: then it is `raw`.
    pub fn step(&mut self, part: &ClientPart, reply: Option<&LoggedReply>) -> WrittenStep {
        let mut step = match (part.kind, reply) {
            (PartKind::MissingContent, _) => {
                let mut step = WrittenStep::new("body", quoted_lines(PLACEHOLDER));
                step.comments.push("a guess: the log does not have the content".to_owned());
                step
            }
            (PartKind::Content, Some(_)) => self.content(part),
            (PartKind::EmptyChunk, _) => empty_chunk(part),
            (PartKind::Chunk, Some(_)) => match chunk(part, &self.secrets) {
                Some(step) => step,
                None => self.raw(part),
            },
            (PartKind::Command | PartKind::SaslAnswer, Some(_)) => self.command(part),
            _ => self.raw(part),
        };
        match reply {
            Some(reply) => {
                step.keys.push(("expect", expectation(reply)));
                step.remark = remark(reply);
                step.comments.extend(cut_comment(reply));
            }
            None if step.value("raw").is_none() => {
                step.keys.push(("expect", quoted("any")));
                step.remark = Some("a guess: the log has no reply".to_owned());
            }
            None if part.kind != PartKind::Bytes => step.remark = Some("the log has no reply".to_owned()),
            None => {}
        }
        step
    }

    /// The step for a command after which the connection ended without a reply. The log may lack the reply to QUIT: s_client ends
    /// at a line that begins with Q.
    pub fn closing(&mut self, part: &ClientPart) -> WrittenStep {
        let quits = part.first().is_some_and(|line| verb(line.trim_ascii()) == "QUIT");
        let expect = if quits { "[221, \"close\"]".to_owned() } else { quoted("close") };
        self.command(part).with("expect", expect)
    }

    /// The step that waits for a reply.
    pub fn wait(reply: &LoggedReply) -> WrittenStep {
        let mut step = WrittenStep::new("expect", expectation(reply));
        step.remark = remark(reply);
        step.comments.extend(cut_comment(reply));
        step
    }

    fn command(&mut self, part: &ClientPart) -> WrittenStep {
        let body = match part.items.as_slice() {
            [item] => item.body.as_ref(),
            _ => None,
        };
        let line = body.filter(|body| body.end == LineEnd::CrLf).and_then(|body| self.line(part, body));
        match line {
            // `send` takes no CR and no NUL.
            Some(line) if !line.contains(['\r', '\0', '\n']) => WrittenStep::new("send", quoted(&line)),
            _ => self.raw(part),
        }
    }

    /// A line as a template, with its secrets as names; `None` if it is not UTF-8.
    fn line(&mut self, part: &ClientPart, body: &LineBody) -> Option<String> {
        let number = part.items.first().map_or(0, |item| item.line);
        let Some(bytes) = body.bytes() else {
            let hint = if part.kind == PartKind::SaslAnswer { self.next_answer() } else { self.hint(body) };
            return self.pieces(body, &hint, number);
        };
        let line_of_commands = matches!(part.kind, PartKind::Command | PartKind::Bytes);
        let is_auth = line_of_commands && verb(bytes.trim_ascii_start()) == "AUTH";
        let Ok(text) = str::from_utf8(bytes) else {
            if part.kind != PartKind::SaslAnswer && !is_auth {
                return None;
            }
            // No variable has a value that is not UTF-8.
            let shown = String::from_utf8_lossy(bytes);
            let before = if is_auth { self.begin_sasl(&shown) } else { "" };
            let hint = self.next_answer();
            return Some(template_literal(before) + &self.secrets.hidden(&hint, number));
        };
        if part.kind == PartKind::SaslAnswer {
            let hint = self.next_answer();
            return Some(self.answer(&hint, text, number));
        }
        if is_auth {
            let before = self.begin_sasl(text);
            let initial = &text[before.len()..];
            if initial.is_empty() {
                return Some(template_literal(text));
            }
            let hint = self.next_answer();
            return Some(template_literal(before) + &self.answer(&hint, initial, number));
        }
        if line_of_commands && !self.mechanism.is_empty() {
            if is_command(bytes.trim_ascii_start()) {
                self.mechanism.clear();
            } else if !text.is_empty() && BASE64_STANDARD.decode(text.trim()).is_ok() {
                // An answer to a refused AUTH, or one whose 334 the log does not have.
                let hint = self.next_answer();
                return Some(self.answer(&hint, text, number));
            }
        }
        Some(match line_of_commands && is_command(bytes.trim_ascii_start()) {
            true => self.secrets.command(text, number),
            false => self.secrets.template(text),
        })
    }

    /// A line of a SASL exchange as a template: the value is a name, what surrounds it is not.
    fn answer(&mut self, hint: &str, text: &str, number: usize) -> String {
        let value = text.trim();
        if ["", "*", "="].contains(&value) {
            return text.to_owned();
        }
        let (before, after) = text.split_once(value).unwrap_or_default();
        format!("{before}{}{after}", self.secrets.shown(hint, value, number))
    }

    fn pieces(&mut self, body: &LineBody, hint: &str, number: usize) -> Option<String> {
        let mut out = String::new();
        for (at, piece) in body.pieces.iter().enumerate() {
            if at > 0 {
                push_expression(&mut out, &self.secrets.hidden(hint, number));
            }
            out.push_str(&self.secrets.template(str::from_utf8(piece).ok()?));
        }
        Some(out)
    }

    /// The name for the secret of a line with `[secret]`.
    fn hint(&mut self, body: &LineBody) -> String {
        let first = body.pieces.first().map(|piece| String::from_utf8_lossy(piece).into_owned()).unwrap_or_default();
        if verb(first.trim_ascii_start().as_bytes()) != "AUTH" {
            return "secret".to_owned();
        }
        let _ = self.begin_sasl(&first);
        self.next_answer()
    }

    /// Takes the mechanism of an AUTH line. Returns the line up to its initial response, or all of it.
    fn begin_sasl<'l>(&mut self, line: &'l str) -> &'l str {
        let blank = |c: char| c == ' ' || c == '\t';
        let after_verb = line.trim_start().trim_start_matches(|c| !blank(c) && c != ':');
        let words = after_verb.trim_start_matches(|c| blank(c) || c == ':');
        let mechanism = words.split(blank).next().unwrap_or_default();
        let initial = words[mechanism.len()..].trim_start_matches(blank);
        self.mechanism = mechanism.to_owned();
        self.answers = 0;
        &line[..line.len() - initial.len()]
    }

    fn next_answer(&mut self) -> String {
        let name = secret_name(&self.mechanism, self.answers);
        self.answers += 1;
        name
    }

    fn content(&mut self, part: &ClientPart) -> WrittenStep {
        let lines = part.items.get(..part.items.len().saturating_sub(1)).unwrap_or_default();
        let dots = |stuffed: bool| {
            lines.iter().any(|item| {
                let first = item.body.as_ref().and_then(|body| body.pieces.first());
                first.is_some_and(|line| line.starts_with(b".") && line.starts_with(b"..") == stuffed)
            })
        };
        let stuffing = !dots(false);
        let mut text = String::new();
        for item in lines {
            let line = item.body.as_ref().filter(|body| {
                body.end == LineEnd::CrLf
                    && !body.pieces.iter().any(|piece| piece.contains(&b'\r') || piece.contains(&0))
            });
            let Some(line) = line.and_then(|body| self.pieces(body, "secret", item.line)) else {
                return self.raw(part);
            };
            text.push_str(if stuffing && line.starts_with("..") { &line[1..] } else { &line });
            text.push('\n');
        }
        let step = WrittenStep::new("body", quoted_lines(&text));
        if stuffing { step } else { step.with("dot_stuffing", "false") }
    }

    /// The bytes of a part as they are.
    fn raw(&mut self, part: &ClientPart) -> WrittenStep {
        let mut forms = Vec::new();
        let mut texts = Vec::new();
        let mut bytes = Vec::new();
        for item in &part.items {
            let Some(body) = &item.body else { continue };
            let alone = ClientPart { kind: part.kind, items: vec![item.clone()] };
            let end = line_end(body.end);
            let line = self.line(&alone, body).map(|line| line + str::from_utf8(end).unwrap_or_default());
            let octets = [body.pieces.concat().as_slice(), end].concat();
            let literal = str::from_utf8(&octets).ok().map(template_literal);
            let has_secret = line.is_some() && line != literal;
            forms.push((
                has_secret,
                line.as_deref().filter(|_| has_secret).map_or_else(|| hexadecimal(&octets), quoted),
            ));
            texts.push(line);
            bytes.extend(octets);
        }
        let text: Option<String> = texts.into_iter().collect();
        let has_secret = forms.iter().any(|(has_secret, _)| *has_secret);
        match text.filter(|text| has_secret || text.is_ascii()) {
            Some(text) => WrittenStep::new("raw", quoted(&text)),
            None if has_secret => {
                let forms: Vec<String> = forms.into_iter().map(|(_, form)| form).collect();
                WrittenStep::new("raw", format!("[{}]", forms.join(", ")))
            }
            None => {
                let mut step = WrittenStep::new("raw", hexadecimal(&bytes));
                step.comments.push(String::from_utf8_lossy(&bytes).chars().take(SHOWN).collect());
                step
            }
        }
    }
}

/// BDAT with its octets; `None` if `bdat` would not write the same bytes, or if a secret is among them.
fn chunk(part: &ClientPart, secrets: &ImportedSecrets) -> Option<WrittenStep> {
    let (first, lines) = part.items.split_first()?;
    let mut octets = Vec::new();
    for item in lines {
        let body = item.body.as_ref()?;
        octets.extend_from_slice(body.bytes()?);
        octets.extend_from_slice(line_end(body.end));
    }
    let last = is_last(first.plain()?, octets.len())?;
    let step = match str::from_utf8(&octets) {
        Ok(text) => WrittenStep::new("bdat", quoted(&secrets.template(text))),
        Err(_) => WrittenStep::new("bdat", hexadecimal(&octets)),
    };
    Some(if last { step.with("last", "true") } else { step })
}

/// Whether BDAT is the last one; `None` if the line is not as mailrun writes it for this number of octets.
fn is_last(line: &[u8], octets: usize) -> Option<bool> {
    let rest = line.strip_prefix(format!("BDAT {octets}").as_bytes())?;
    match rest {
        b"" => Some(false),
        b" LAST" => Some(true),
        _ => None,
    }
}

/// BDAT with as many octets as it announces, in place of those that the log does not have.
fn empty_chunk(part: &ClientPart) -> WrittenStep {
    let announced = part.items.first().and_then(bdat_octets).unwrap_or(0);
    let octets = announced.min(LONGEST_CHUNK);
    let line = part.first().map(|line| String::from_utf8_lossy(line).into_owned()).unwrap_or_default();
    let filler = "Subject: placeholder\r\n\r\n".chars().chain(std::iter::repeat('x'));
    let mut text: String = filler.take(octets.saturating_sub(2)).collect();
    text.push_str(&"\r\n"[..octets.min(2)]);
    let mut step = match is_last(line.as_bytes(), octets) {
        Some(true) => WrittenStep::new("bdat", quoted(&text)).with("last", "true"),
        Some(false) => WrittenStep::new("bdat", quoted(&text)),
        None => WrittenStep::new("raw", quoted(&format!("{}\r\n{text}", template_literal(&line)))),
    };
    step.comments.push(format!("a guess: the log does not have the {announced} octets"));
    step
}

fn line_end(end: LineEnd) -> &'static [u8] {
    match end {
        LineEnd::CrLf => b"\r\n",
        LineEnd::Lf => b"\n",
        LineEnd::Missing => b"",
    }
}

fn expectation(reply: &LoggedReply) -> String {
    match reply.code {
        _ if reply.closed => quoted("close"),
        Some(code) => code.to_string(),
        None => quoted("malformed"),
    }
}

fn cut_comment(reply: &LoggedReply) -> Option<String> {
    if reply.closed {
        return Some("the server closed the connection inside this reply".to_owned());
    }
    reply.cut.then(|| "a guess: the log ends inside this reply".to_owned())
}

/// What stands after `expect`: the beginning of the reply's text.
fn remark(reply: &LoggedReply) -> Option<String> {
    let mut text: String = reply.text.chars().take(SHOWN).collect();
    if text.len() < reply.text.len() {
        text.push('…');
    }
    if reply.more > 0 {
        text.push_str(&format!(" (and {} more {})", reply.more, if reply.more == 1 { "line" } else { "lines" }));
    }
    let text = text.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
