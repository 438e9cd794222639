//! Prints the keys of a step.

use super::values::{Pairs, PairsExt, content, path};
use super::{SessionPrinter, group, is_same_table, toml};
use crate::session::duration::format_duration;
use crate::session::{
    Action, CloseMode, CodePattern, EnhancedPattern, Expectation, FailurePolicy, HelloVerb, ProxySettings, RawBytes,
    ReplyPattern, StarttlsMode, Step,
};
use std::fmt::Write;

impl SessionPrinter<'_> {
    /// `lines`: whether values can span several lines.
    pub(super) fn step(&self, step: &Step, lines: bool) -> Pairs {
        let mut pairs = Pairs::new();
        pairs.template("name", &step.name);
        self.action(&step.action, lines, &mut pairs);
        pairs.add_some("expect", step.expect.as_ref().map(expect));
        let asserts = toml::list(step.asserts.iter().map(|assert| toml::string(&assert.source)));
        pairs.add_unless(step.asserts.is_empty(), "assert", asserts);
        let captures = step.captures.iter();
        let captures: Pairs = captures.map(|one| (one.name.clone(), toml::regex(one.pattern.as_str()))).collect();
        pairs.add_unless(captures.is_empty(), "capture", toml::table(&captures));
        pairs.duration("timeout", step.timeout);
        pairs.duration("delay", step.delay);
        pairs.add_some("if", step.condition.as_ref().map(|condition| toml::string(&condition.source)));
        pairs.add_some("repeat", step.repeat.map(|times| times.to_string()));
        if let Some(retry) = &step.retry {
            let mut table = Pairs::new();
            table.add("times", retry.times.to_string());
            table.add_unless(retry.wait.is_zero(), "wait", toml::string(&format_duration(retry.wait)));
            table.add("on", expect(&retry.on));
            pairs.add("retry", toml::table(&table));
        }
        match step.on_fail {
            FailurePolicy::Stop => {}
            FailurePolicy::Continue => pairs.add("on_fail", "\"continue\"".to_owned()),
            FailurePolicy::Quit => pairs.add("on_fail", "\"quit\"".to_owned()),
        }
        if let Some(chunk) = &step.chunk {
            let mut table = Pairs::new();
            table.add("size", chunk.size.to_string());
            table.add_unless(chunk.every.is_zero(), "every", toml::string(&format_duration(chunk.every)));
            pairs.add("chunk", toml::table(&table));
        }
        pairs.add_unless(!step.always, "always", "true".to_owned());
        let hidden = self.session.secret_names();
        let with: Pairs = step.with.iter().map(|one| (one.name.clone(), self.variable(one, &hidden))).collect();
        pairs.add_unless(with.is_empty(), "with", toml::table(&with));
        pairs.add_some("on", step.on.as_deref().map(toml::string));
        pairs.template("server", &step.server);
        pairs
    }

    fn action(&self, action: &Action, lines: bool, pairs: &mut Pairs) {
        let long = if lines { toml::text } else { toml::string };
        let yes = || "true".to_owned();
        match action {
            Action::Wait => {}
            Action::Send(line) => pairs.add("send", toml::string(&line.source)),
            Action::Raw(bytes) => pairs.add("raw", raw(bytes)),
            Action::Hello { verb, name } => {
                let verb = match verb {
                    HelloVerb::Ehlo => "ehlo",
                    HelloVerb::Helo => "helo",
                    HelloVerb::Lhlo => "lhlo",
                };
                pairs.add(verb, name.as_ref().map_or_else(yes, |name| toml::string(&name.source)));
            }
            Action::Starttls { policy, inject_check } => {
                let policy = match policy {
                    StarttlsMode::Always => "true",
                    StarttlsMode::Required => "\"required\"",
                    StarttlsMode::Opportunistic => "\"opportunistic\"",
                };
                pairs.add("starttls", policy.to_owned());
                pairs.add_unless(*inject_check, "inject_check", "false".to_owned());
            }
            Action::Tls => pairs.add("tls", yes()),
            Action::Auth(auth) if is_same_table(&auth.span, self.session.auth.as_ref().map(|auth| &auth.span)) => {
                pairs.add("auth", yes());
            }
            Action::Auth(auth) => {
                let table = toml::table(&self.auth(auth));
                pairs.add("auth", table);
            }
            Action::Login => pairs.add("login", yes()),
            Action::Message(message) => {
                let own = self.session.message.as_ref().map(|message| &message.span);
                let table = toml::table(&self.message(message, toml::string));
                pairs.add("message", if is_same_table(&message.span, own) { yes() } else { table });
            }
            Action::Body { content: text, dot_stuffing } => {
                pairs.add("body", content(text, long));
                pairs.add_unless(*dot_stuffing, "dot_stuffing", "false".to_owned());
            }
            Action::Pipeline(steps) => pairs.add("pipeline", group(steps, self, lines)),
            Action::Steps(steps) => pairs.add("steps", group(steps, self, lines)),
            Action::Quit => pairs.add("quit", yes()),
            Action::Sleep(duration) => pairs.duration("sleep", Some(*duration)),
            Action::Close(CloseMode::Fin) => pairs.add("close", yes()),
            Action::Close(CloseMode::Reset) => pairs.add("close", "\"reset\"".to_owned()),
            Action::Close(CloseMode::Write) => pairs.add("close", "\"write\"".to_owned()),
            Action::EndTls => pairs.add("close", "\"tls\"".to_owned()),
            Action::Connect => pairs.add("connect", yes()),
            Action::Bdat { octets, last } => {
                pairs.add("bdat", raw(octets));
                pairs.add_unless(!*last, "last", "true".to_owned());
            }
            Action::Proxy(settings) => {
                let mut table = Pairs::new();
                match settings {
                    ProxySettings::Local => table.add("local", yes()),
                    ProxySettings::Unknown => table.add("unknown", yes()),
                    ProxySettings::Addresses { version, source, destination } => {
                        table.add("version", version.to_string());
                        table.add("source", toml::string(&source.to_string()));
                        table.add("destination", toml::string(&destination.to_string()));
                    }
                }
                pairs.add("proxy", toml::table(&table));
            }
            Action::Xclient(attributes) => {
                let attributes = attributes.iter();
                let table: Pairs =
                    attributes.map(|(name, value)| (name.to_lowercase(), toml::string(&value.source))).collect();
                pairs.add("xclient", toml::table(&table));
            }
        }
    }
}

fn raw(bytes: &RawBytes) -> String {
    match bytes {
        RawBytes::Text(text) => toml::string(&text.source),
        RawBytes::Parts(parts) => toml::list(parts.iter().map(raw)),
        RawBytes::File(file) => toml::table(&[("file".to_owned(), path(file))]),
        RawBytes::Bytes(bytes) => {
            let mut hex = String::with_capacity(bytes.len() * 2);
            for byte in bytes {
                let _ = write!(hex, "{byte:02x}");
            }
            toml::table(&[("hex".to_owned(), toml::string(&hex))])
        }
    }
}

fn expect(expect: &Expectation) -> String {
    match &expect.any_of[..] {
        [one] => pattern(one),
        several => toml::list(several.iter().map(pattern)),
    }
}

fn pattern(pattern: &ReplyPattern) -> String {
    match pattern {
        ReplyPattern::Any => "\"any\"".to_owned(),
        ReplyPattern::Close => "\"close\"".to_owned(),
        ReplyPattern::Silence => "\"silence\"".to_owned(),
        ReplyPattern::Malformed => "\"malformed\"".to_owned(),
        ReplyPattern::HandshakeFailure => "\"handshake-failure\"".to_owned(),
        ReplyPattern::Reply { code: codes, enhanced: None, text: None, lines: None } if codes.len() == 1 => {
            codes.iter().map(code).collect()
        }
        ReplyPattern::Reply { code: codes, enhanced, text, lines } => {
            let mut table = Pairs::new();
            match &codes[..] {
                [] => {}
                [one] => table.add("code", code(one)),
                several => table.add("code", toml::list(several.iter().map(code))),
            }
            table.add_some(
                "enhanced",
                enhanced.as_ref().map(EnhancedPattern::to_string).map(|text| toml::string(&text)),
            );
            table.add_some("text", text.as_ref().map(|text| toml::regex(&text.source)));
            table.add_some("lines", lines.map(|lines| lines.to_string()));
            toml::table(&table)
        }
    }
}

/// A number if TOML can write it: without `x` and without a leading zero.
fn code(code: &CodePattern) -> String {
    let text = code.to_string();
    if text.contains('x') || text.starts_with('0') { toml::string(&text) } else { text }
}
