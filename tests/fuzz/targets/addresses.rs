//! Cells in address templates: whatever they are, the one recipient is that of the column, in every form.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailrun::session::{
    AddressSource, HostEnvironment, Scope, SourceError, SourceFile, Sources, Value, load, mailbox_from_string,
    mailbox_from_table,
};
use std::path::Path;
use std::sync::Arc;

/// Sources without files, environment or commands.
struct Nothing;

impl Sources for Nothing {
    fn open(&self, _: &Path) -> Result<SourceFile, SourceError> {
        Err(SourceError::Refused("there is nothing here".into()))
    }
}

/// Every form with a name and an address.
const SESSION: &str = r#"
[vars]
n = ""
e = ""
[message]
from = "a@example.com"
to = [
    '{{ n }} <{{ e }}>', '"{{ n }}" <{{ e }}>', '<{{ e }}>', 'Team {{ n }} <{{ e }}>', '{{ n }}<{{ e }}>',
    '"{{ n }}, Team" <{{ e }}>', '{% if n %}"{{ n }}" {% endif %}<{{ e }}>', '{{ n ~ "" }} <{{ e | trim }}>',
    { name = "{{ n }}", address = "{{ e }}" }, { address = "{{ e }}" },
]
text = "hi"
"#;

fuzz_target!(|cells: (String, String)| {
    let (name, email) = cells;
    let Ok(session) = load("fuzz.toml", SESSION, &Nothing, &[]) else { panic!("the session is valid") };
    let host = HostEnvironment {
        now: Arc::new(|| jiff::Timestamp::UNIX_EPOCH),
        hostname: String::new(),
        zone: jiff::tz::TimeZone::UTC,
    };
    let mut scope = Scope::new(Some(1), host);
    scope.set("n", Value::Text(name));
    scope.set("e", Value::Text(email.clone()));
    let templates = &session.templates;
    for source in session.message.iter().flat_map(|message| &message.to) {
        let mailbox = match source {
            AddressSource::Mailbox(template) => {
                let Ok(rendered) = templates.render_marked(template, &scope) else { continue };
                mailbox_from_string(&rendered)
            }
            AddressSource::Table { name, address, .. } => {
                let name = name.as_ref().and_then(|name| templates.render(name, &scope).ok());
                let Ok(address) = templates.render(address, &scope) else { continue };
                mailbox_from_table(name.as_deref(), &address)
            }
            AddressSource::Literal { .. } | AddressSource::List(_) => panic!("each has an expression that is one address"),
        };
        if let Ok(Some(found)) = mailbox {
            assert_eq!(found.mailbox.to_string(), email.trim());
        }
    }
});
