//! Writes the session file of `send`. Its strings are templates, so what would begin an expression is written as one.

use crate::cli::arguments::MessageArguments;
use crate::session::as_template;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The content of the message.
pub struct Content {
    /// The text or HTML, unless it stays in its file.
    pub text: Option<String>,
    /// The file that it is read from.
    pub file: Option<PathBuf>,
    /// The plain text that was made of HTML.
    pub plain: Option<String>,
}

/// Where the password comes from.
#[derive(Clone, Copy)]
pub enum Password<'a> {
    File(&'a Path),
    /// `MAILRUN_PASSWORD`.
    Environment,
    Netrc,
    /// The terminal.
    Prompt,
    /// In a file that is kept: the environment, whatever this run uses.
    Saved,
}

/// The session file. Paths below `folder`, where it will be kept, are relative to it; all others are absolute.
pub fn write(message: &MessageArguments, content: &Content, password: Password<'_>, folder: Option<&Path>) -> String {
    let mut out = String::new();
    // Always, so that errors name the lines of the file that is saved.
    out.push_str("# Written by `mailrun send`.\n");
    let mut line = |key: &str, value: String| {
        let _ = writeln!(out, "{key} = {value}"); // writing to a String cannot fail
    };
    if let Some(server) = &message.server {
        line("server", string(server));
    }
    if let Some(user) = &message.user {
        line("auth", format!("{{ user = {}, password = \"{{{{ password }}}}\" }}", string(user)));
        let source = match password {
            Password::File(path) => format!("{{ file = {} }}", string(&path_text(path, folder))),
            Password::Environment | Password::Saved => "{ env = \"MAILRUN_PASSWORD\" }".to_owned(),
            Password::Netrc => "{ netrc = \"password\" }".to_owned(),
            Password::Prompt => format!("{{ prompt = {} }}", quoted(&format!("password of {user}"))),
        };
        line("secrets", format!("{{ password = {source} }}"));
    }
    out.push_str("\n[message]\n");
    let mut line = |key: &str, value: String| {
        let _ = writeln!(out, "{key} = {value}");
    };
    line("from", string(&message.from));
    line("to", list(message.to.iter().map(|to| string(to))));
    line("subject", string(&message.subject));
    let own = |name: &str| message.header.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    for (name, key) in [("Date", "date"), ("Message-ID", "message_id"), ("Reply-To", "reply_to")] {
        if let Some((_, value)) = own(name) {
            line(key, string(value));
        }
    }
    let others = message
        .header
        .iter()
        .filter(|(name, _)| !["Date", "Message-ID", "Reply-To"].iter().any(|key| key.eq_ignore_ascii_case(name)));
    let others: Vec<_> = others.map(|(name, value)| format!("{} = {}", quoted(name), string(value))).collect();
    if !others.is_empty() {
        line("headers", format!("{{ {} }}", others.join(", ")));
    }
    let body = match (&content.file, &content.text) {
        (Some(path), _) => format!("{{ file = {} }}", quoted(&path_template(path, folder))),
        (None, text) => string(text.as_deref().unwrap_or_default()),
    };
    match &content.plain {
        Some(plain) => {
            line("text", string(plain));
            line("html", body);
        }
        None => line("text", body),
    }
    if !message.attach.is_empty() {
        line("attach", list(message.attach.iter().map(|path| quoted(&path_template(path, folder)))));
    }
    out
}

/// A value as a string of TOML, of which no part is an expression.
fn string(value: &str) -> String {
    quoted(&as_template(value))
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}

/// The path of a file as a template. What an expression brings in is no pattern.
fn path_template(path: &Path, folder: Option<&Path>) -> String {
    let path = path_text(path, folder);
    if path.contains(['*', '?', '[', '{']) {
        format!("{{{{ \"{}\" }}}}", path.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        path
    }
}

fn path_text(path: &Path, folder: Option<&Path>) -> String {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real = || Some((full.parent()?.canonicalize().ok()?).join(full.file_name()?));
    let below = folder.and_then(|folder| real()?.strip_prefix(folder).ok().map(Path::to_owned));
    below.unwrap_or(full).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::load;
    use crate::source::SystemSources;

    fn message() -> MessageArguments {
        MessageArguments {
            server: Some("smtp://127.0.0.1".to_owned()),
            from: "Ops {{ x }} <ops@example.com>".to_owned(),
            to: vec!["b@example.com".to_owned()],
            subject: "{% if \"'{{{#".to_owned(),
            text: None,
            body: None,
            input: None,
            html: false,
            attach: vec![PathBuf::from("/tmp/a*\"\\{{ b }}.pdf")],
            header: vec![("X-{{a}}".to_owned(), "{{ 7 * 7 }}".to_owned())],
            user: Some("ann {{ user }}".to_owned()),
            password_file: None,
            save: None,
        }
    }

    #[test]
    fn no_value_is_an_expression() {
        let content = Content { text: Some("{{ secret }}\n\n{# no #}\n".to_owned()), file: None, plain: None };
        let text = write(&message(), &content, Password::Saved, None);
        let files = SystemSources::new(Path::new("."), &[], false).expect("the folder is there");
        let session =
            load("send", &text, &files, &[]).unwrap_or_else(|wrong| panic!("{}\n{text}", wrong.render(false)));
        let names: Vec<String> = session.templates.all_names().into_iter().collect();
        assert_eq!(names, ["password"], "the only name is that of the secret:\n{text}");
    }

    #[test]
    fn a_literal_renders_to_its_text() {
        let engine = minijinja::Environment::new();
        for text in ["", "{", "{{", "{{{", "{{{{", "a{%b%}c", "{#", "{ {", "}}", "x{", "{{'\"\\"] {
            let rendered = engine.render_str(&as_template(text), ()).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(rendered, text);
        }
        for path in ["/a*b", "/a{{b}}", "/a\"b[1]\\", "/plain"] {
            let template = path_template(Path::new(path), None);
            assert_eq!(engine.render_str(&template, ()).expect("it renders"), path);
        }
    }

    #[test]
    fn paths_below_the_folder_of_the_file_are_relative() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().canonicalize().expect("it is there");
        assert_eq!(path_text(&root.join("a.pdf"), Some(&root)), "a.pdf");
        assert_eq!(path_text(Path::new("/etc/hosts"), Some(&root)), "/etc/hosts");
    }
}
