//! Reads a step: its action and its modifiers.

use super::expect::expect_codes;
use super::reader::SessionReader;
use super::table_fields::{Field, TableFields, in_order};
use super::tables::{self, ACTIONS};
use super::values::VariableTable;
use crate::session::{Action, Capture, Chunk, Diagnostic, Expectation, FailurePolicy, ReplyPattern, Step, StepRetry};
use std::ops::Range;
use std::time::Duration;
use toml::de::DeTable;

/// The most steps of a session, with those of its includes.
const MAX_STEPS: usize = 100_000;

/// What contains a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StepParent {
    /// A section such as `[[step]]`, an include, or `steps`.
    Session,
    /// `pipeline`.
    Pipeline,
}

/// Whether an action takes `expect`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ExpectRule {
    Required,
    /// These codes are the default.
    Default(&'static [&'static str]),
    Optional,
    /// Only `"handshake-failure"`: there is no reply.
    Handshake,
    Forbidden,
}

/// The modifiers that an action takes.
pub(super) struct ActionRules {
    pub expects: ExpectRule,
    /// Whether it writes bytes, so that `chunk` applies.
    writes: bool,
    /// Whether it is a group, which takes few modifiers.
    group: bool,
    timeout: bool,
}

/// The rules of each action. `""` is a step without an action.
fn rules(action: &str) -> ActionRules {
    let rules = |expects, writes| ActionRules { expects, writes, group: false, timeout: true };
    match action {
        "" => rules(ExpectRule::Required, false),
        "send" | "body" => rules(ExpectRule::Required, true),
        "raw" => rules(ExpectRule::Optional, true),
        "ehlo" | "helo" | "lhlo" | "message" | "bdat" => rules(ExpectRule::Default(&["250"]), true),
        "starttls" | "xclient" => rules(ExpectRule::Default(&["220"]), true),
        "auth" => rules(ExpectRule::Default(&["235"]), true),
        "quit" => rules(ExpectRule::Default(&["221"]), true),
        "pipeline" | "proxy" => rules(ExpectRule::Forbidden, true),
        "tls" => rules(ExpectRule::Handshake, false),
        "sleep" | "close" => ActionRules { timeout: false, ..rules(ExpectRule::Forbidden, false) },
        "steps" | "include" => ActionRules { timeout: false, group: true, ..rules(ExpectRule::Forbidden, false) },
        _ => rules(ExpectRule::Forbidden, false),
    }
}

/// The modifiers of a group, and those of a member of a pipeline.
const FOR_GROUPS: [&str; 7] = ["name", "if", "repeat", "with", "on_fail", "on", "server"];
const IN_PIPELINES: [&str; 6] = ["name", "expect", "assert", "capture", "if", "with"];
const PIPELINED: [&str; 8] = ["send", "raw", "ehlo", "helo", "lhlo", "body", "bdat", "quit"];
const MODIFIERS: [&str; 15] = [
    "name", "expect", "assert", "capture", "timeout", "delay", "if", "repeat", "retry", "on_fail", "chunk", "always",
    "with", "on", "server",
];

impl SessionReader<'_> {
    /// Reads a list of steps.
    pub(super) fn steps(&mut self, field: Field<'_>, within: StepParent) -> Vec<Step> {
        let tables = self.step_tables(field);
        let mut steps = Vec::with_capacity(tables.len().min(MAX_STEPS));
        for (table, value) in tables {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                self.error(value.span(), format!("more than {MAX_STEPS} steps"));
                break;
            }
            steps.extend(self.step(table, value.span(), within));
        }
        steps
    }

    fn step(&mut self, table: &DeTable<'_>, at: Range<usize>, within: StepParent) -> Option<Step> {
        let fields = self.fields(table, at, &tables::STEP);
        let actions = fields.present(&ACTIONS);
        if let [first, second, ..] = actions[..] {
            let text = format!("a step has one action, not both \"{}\" and \"{}\"", first.name, second.name);
            self.error(second.key_bytes(), text);
        }
        let chosen = actions.first().copied();
        let title = chosen.map_or("", |field| field.name);
        let rules = rules(title);
        self.check_misplaced_keys(&fields, title, &rules, within);

        let with = self.variables(fields.get("with"), VariableTable::With);
        let mut step = Step {
            span: fields.span.clone(),
            implied: false,
            deselected: false,
            action: Action::Wait,
            expect: None,
            name: self.optional_template(&fields, "name"),
            asserts: fields.get("assert").map(|field| self.asserts(field)).unwrap_or_default(),
            captures: fields.get("capture").map(|field| self.captures(field)).unwrap_or_default(),
            timeout: fields.get("timeout").and_then(|field| self.deadline(field)),
            delay: fields.get("delay").and_then(|field| self.duration(field)),
            condition: fields.get("if").and_then(|field| self.expression(field)),
            repeat: fields.get("repeat").and_then(|field| self.count(field)),
            retry: fields.get("retry").and_then(|field| self.step_retry(field)),
            on_fail: match fields.get("on_fail").and_then(|f| self.one_of(f, &["stop", "continue", "quit"])) {
                Some(1) => FailurePolicy::Continue,
                Some(2) => FailurePolicy::Quit,
                _ => FailurePolicy::Stop,
            },
            chunk: fields.get("chunk").and_then(|field| self.chunk(field)),
            always: self.flag(&fields, "always", false),
            with,
            on: fields.get("on").and_then(|field| self.connection(field)),
            server: fields.get("server").and_then(|field| self.server(field)),
        };
        self.check_server(&fields, &step);
        step.expect = self.expectation(&fields, title, &rules, within);
        if title == "include" {
            let (steps, variables) = self.include(chosen?, &step.with)?;
            step.with.extend(variables);
            step.action = Action::Steps(steps);
        } else if let Some(chosen) = chosen {
            step.action = self.action(chosen, &fields)?;
        }
        if let (Action::Raw(_), None) = (&step.action, &step.expect)
            && !fields.has("expect")
        {
            self.check_raw_without_expect(&fields);
        }
        Some(step)
    }

    /// Reports keys that have no meaning for the action.
    fn check_misplaced_keys(&mut self, fields: &TableFields<'_>, title: &str, rules: &ActionRules, within: StepParent) {
        if within == StepParent::Pipeline {
            let at = fields.present(&ACTIONS).first().map_or(fields.span.bytes.clone(), Field::key_bytes);
            if !PIPELINED.contains(&title) && (!title.is_empty() || !PIPELINED.iter().any(|name| fields.has(name))) {
                let what =
                    if title.is_empty() { "a step without an action".to_owned() } else { format!("\"{title}\"") };
                let text = format!("{what} is not allowed in a pipeline, which takes {}", PIPELINED.join(", "));
                self.error(at, text);
            }
        }
        for field in fields.present(&MODIFIERS) {
            let replies = !matches!(rules.expects, ExpectRule::Forbidden | ExpectRule::Handshake);
            let why = match field.name {
                // `expectation` reports it.
                "expect" => continue,
                name if within == StepParent::Pipeline && !IN_PIPELINES.contains(&name) => {
                    format!("\"{name}\" is not allowed in a pipeline: write it next to \"pipeline\"")
                }
                name if rules.group && !FOR_GROUPS.contains(&name) => {
                    format!("\"{name}\" has no meaning with \"{title}\": write it in its steps")
                }
                name @ ("capture" | "retry") if !replies => {
                    format!("\"{name}\" has no meaning with \"{title}\": it has no reply of its own")
                }
                "retry" if title == "body" => {
                    "\"retry\" has no meaning with \"body\": DATA would have to be sent again first".to_owned()
                }
                "chunk" if !rules.writes => match title {
                    "" => "\"chunk\" has no meaning if nothing is written".to_owned(),
                    _ => format!("\"chunk\" has no meaning with \"{title}\""),
                },
                "timeout" if !rules.timeout => format!("\"timeout\" has no meaning with \"{title}\""),
                _ => continue,
            };
            self.error(field.key_bytes(), why);
        }
        for (name, action) in [("inject_check", "starttls"), ("dot_stuffing", "body"), ("last", "bdat")] {
            if let Some(field) = fields.get(name).filter(|_| title != action) {
                self.error(field.key_bytes(), format!("\"{name}\" is allowed only with \"{action}\""));
            }
        }
    }

    fn expectation(
        &mut self,
        fields: &TableFields<'_>,
        title: &str,
        rules: &ActionRules,
        within: StepParent,
    ) -> Option<Expectation> {
        let written = fields.get("expect");
        match (rules.expects, written) {
            (ExpectRule::Forbidden, Some(field)) => {
                let wrong = Diagnostic::error(self.span(field.key_bytes()), format!("\"{title}\" takes no \"expect\""));
                let help = match title {
                    "pipeline" | "steps" | "include" => "each of its steps has its own",
                    "login" | "connect" => "it succeeds or it fails",
                    _ => "the server has nothing to answer",
                };
                self.report(wrong.with_help(help));
                None
            }
            (_, Some(field)) => {
                let expect = self.expect(field)?;
                let mute = |p: &ReplyPattern| matches!(p, ReplyPattern::Silence);
                if within == StepParent::Pipeline && expect.any_of.iter().any(mute) {
                    self.error(field.value.span(), "\"silence\" cannot be expected in a pipeline");
                }
                self.check_handshake_failure(field, title, rules, &expect);
                Some(expect)
            }
            (ExpectRule::Default(codes), None) => Some(expect_codes(fields.span.clone(), codes)),
            (ExpectRule::Required, None) if !fields.has("expect") && fields.present(&ACTIONS).len() < 2 => {
                let what = match title {
                    "" => "\"expect\" is missing: a step without an action waits for a reply".to_owned(),
                    title => format!("\"expect\" is missing: \"{title}\" must say which reply it awaits"),
                };
                let wrong = Diagnostic::error(fields.span.clone(), what);
                self.report_missing(wrong.with_help("for example: expect = 250, expect = \"2xx\", expect = \"any\""));
                None
            }
            _ => None,
        }
    }

    /// Reports `"handshake-failure"` next to another action or another expectation, and any other with `tls`.
    fn check_handshake_failure(&mut self, field: Field<'_>, title: &str, rules: &ActionRules, expect: &Expectation) {
        let wrong = match (expect.wants_handshake_failure(), rules.expects) {
            (false, ExpectRule::Handshake) => {
                Diagnostic::error(self.value_span(field.value), format!("\"{title}\" has no reply"))
                    .with_help("without \"expect\" the handshake must succeed; expect = \"handshake-failure\" passes if the server refuses it")
            }
            (true, _) if title != "starttls" && title != "tls" => {
                let text = "\"handshake-failure\" is allowed only with \"starttls\" and \"tls\"";
                Diagnostic::error(self.value_span(field.value), text)
            }
            (true, _) if expect.any_of.len() > 1 => {
                let text = "\"handshake-failure\" cannot be one of several";
                Diagnostic::error(self.value_span(field.value), text)
            }
            _ => return,
        };
        self.report(wrong);
    }

    /// Reports keys that need a reply: `raw` without `expect` reads none.
    fn check_raw_without_expect(&mut self, fields: &TableFields<'_>) {
        for field in fields.present(&["capture", "retry"]) {
            let text = format!("\"{}\" needs \"expect\": without it nothing is read", field.name);
            self.error(field.key_bytes(), text);
        }
    }

    fn asserts(&mut self, field: Field<'_>) -> Vec<crate::session::Expression> {
        if field.value.get_ref().is_str() {
            return self.expression(field).into_iter().collect();
        }
        self.list(field, Self::expression).unwrap_or_default()
    }

    fn captures(&mut self, field: Field<'_>) -> Vec<Capture> {
        let Some(table) = self.table(field) else { return Vec::new() };
        let mut captures = Vec::with_capacity(table.len());
        for (name, value) in in_order(table) {
            self.check_name(name.get_ref(), self.span(name.span()));
            let field = field.entry(name.get_ref(), value);
            let span = self.value_span(value);
            captures.extend(self.regex(field).map(|pattern| Capture {
                name: name.get_ref().to_string(),
                pattern,
                span,
            }));
        }
        captures
    }

    fn step_retry(&mut self, field: Field<'_>) -> Option<StepRetry> {
        let table = self.table(field)?;
        let fields = self.fields(table, field.value.span(), &tables::STEP_RETRY);
        let times = self.required(&fields, "times", |reader, field| reader.count(field));
        let wait = fields.get("wait").map_or(Some(Duration::ZERO), |field| self.duration(field));
        let on = match fields.get("on") {
            None => Some(expect_codes(fields.span.clone(), &["4xx"])),
            Some(field) => {
                let on = self.expect(field)?;
                if on.accepts_close() || on.accepts_silence() || on.accepts_malformed() || on.wants_handshake_failure()
                {
                    self.error(field.value.span(), "\"on\" names replies: it is not sent again without one");
                }
                Some(on)
            }
        };
        Some(StepRetry { times: times?, wait: wait?, on: on? })
    }

    fn chunk(&mut self, field: Field<'_>) -> Option<Chunk> {
        let table = self.table(field)?;
        let fields = self.fields(table, field.value.span(), &tables::CHUNK);
        let size = self.required(&fields, "size", |reader, field| reader.count(field));
        let every = fields.get("every").map_or(Some(Duration::ZERO), |field| self.duration(field));
        Some(Chunk { size: size? as usize, every: every? })
    }

    /// Reads a required key.
    pub(super) fn required<T>(
        &mut self,
        fields: &TableFields<'_>,
        name: &'static str,
        read: impl FnOnce(&mut Self, Field<'_>) -> Option<T>,
    ) -> Option<T> {
        match fields.get(name) {
            Some(field) => read(self, field),
            None => {
                if !fields.has(name) {
                    let text = format!("\"{name}\" is missing");
                    self.report_missing(Diagnostic::error(fields.span.clone(), text));
                }
                None
            }
        }
    }

    /// `server` belongs to a named connection, which has one server.
    fn check_server(&mut self, fields: &TableFields<'_>, step: &Step) {
        let (Some(field), Some(server)) = (fields.get("server"), &step.server) else { return };
        match step.on.as_deref() {
            None if fields.has("on") => {}
            None => {
                let wrong = Diagnostic::error(self.span(field.key_bytes()), "\"server\" is allowed only with \"on\"");
                self.report(wrong.with_help("`on = \"second\"` names the connection that goes to this server"));
            }
            Some("main") => {
                let wrong =
                    Diagnostic::error(self.span(field.key_bytes()), "\"main\" goes to the session's own server");
                self.report(wrong.with_help("give the other connection a name of its own"));
            }
            Some(name) => match self.named_servers.iter().find(|(known, _, _)| known == name) {
                None => self.named_servers.push((name.to_owned(), server.clone(), self.span(field.value.span()))),
                Some((_, known, _)) if known.source == server.source => {}
                Some((_, known, first)) => {
                    let place = self.map.place(first);
                    let text = format!("two servers for the connection \"{name}\"");
                    let help = format!("{}:{} has \"{}\"", place.file, place.line, known.source);
                    self.report(Diagnostic::error(self.value_span(field.value), text).with_help(help));
                }
            },
        }
    }

    /// Reads a connection's name, which the transcript shows in the mark of each line.
    fn connection(&mut self, field: Field<'_>) -> Option<String> {
        let name = self.plain(field)?;
        let good = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
            return self.must_be(field, "a name of letters, digits, - and _");
        }
        Some(name)
    }
}
