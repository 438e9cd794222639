//! Cells in paths: whatever they are, only files below the literal folder are opened, and never one of a secret.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailrun::session::{
    AttachedFile, ContentPath, FilePattern, HostEnvironment, Scope, Session, SourceError, SourceFile, Sources, Value,
    load,
};
use mailrun::source::SystemSources;
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// What every file below `pdf` holds that may be sent. All others hold something else.
const INSIDE: &str = "inside";

/// Parts of paths that lead somewhere: into the folder, out of it, over links, to secrets.
const PARTS: [&str; 24] = [
    "a.pdf",
    "sub",
    "b.pdf",
    "..",
    ".",
    "/",
    "//",
    "../",
    "up",
    "out",
    "abs",
    "self",
    "loop",
    "secret",
    "hard",
    "to-secret",
    "to-hard",
    "outside",
    "x",
    "*",
    "**",
    "[ab]*",
    "?",
    "\0",
];

const SESSION: &str = r#"
[vars]
other = "sub"
[message]
from = "a@example.com"
to = "b@example.com"
text = "hi"
attach = [
    "pdf/{{ row.f }}", "pdf/a{{ row.f }}", "pdf/{{ row.f }}.pdf", "pdf/{% if row.f %}{{ row.f }}{% endif %}", "pdf/{{ row.f }}/*",
    "pdf/{{ row.f }}/**", "pdf/**/{{ row.f }}", "pdf/{{ other }}/../{{ row.f }}", { file = "pdf/{{ row.f }}" },
    "pdf/{# note #}{{ row.f }}", "pdf/{{ row.f ~ '' }}", "pdf/{{ row.f | trim }}",
]
[rows]
file = "p.csv"
"#;

/// Sources without files: the session itself reads none.
struct Nothing;

impl Sources for Nothing {
    fn open(&self, _: &Path) -> Result<SourceFile, SourceError> {
        Err(SourceError::Refused("there is nothing here".into()))
    }
}

/// A folder with links in it, made once.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let whole = std::env::temp_dir().join(format!("mailrun-fuzz-{}", std::process::id()));
    let root = whole.join("root");
    fs::create_dir_all(root.join("pdf/sub")).expect("a folder can be made");
    fs::create_dir_all(whole.join("outside")).expect("a folder can be made");
    for name in ["pdf/a.pdf", "pdf/b.pdf", "pdf/x", "pdf/sub/a.pdf", "pdf/sub/b.pdf", "pdf/sub/x"] {
        fs::write(root.join(name), INSIDE).expect("a file can be written");
    }
    for name in ["root/a.pdf", "root/x", "root/b.pdf", "outside/x", "outside/a.pdf"] {
        fs::write(whole.join(name), "beside the folder").expect("a file can be written");
    }
    fs::write(root.join("secret"), "a password").expect("a file can be written");
    fs::hard_link(root.join("secret"), root.join("pdf/hard")).expect("a link can be made");
    for (target, name) in [
        ("..", "pdf/up"),
        ("../../outside", "pdf/out"),
        (".", "pdf/self"),
        ("loop", "pdf/loop"),
        ("../secret", "pdf/to-secret"),
        ("hard", "pdf/to-hard"),
        ("../../outside/x", "pdf/sub/out"),
        ("../hard", "pdf/sub/secret"),
    ] {
        symlink(target, root.join(name)).expect("a link can be made");
    }
    symlink(whole.join("outside"), root.join("pdf/abs")).expect("a link can be made");
    root
});

static SETTING: LazyLock<(Session, SystemSources)> = LazyLock::new(|| {
    let Ok(session) = load("fuzz.toml", SESSION, &Nothing, &[]) else { panic!("the session is valid") };
    let Ok(files) = SystemSources::new(&FOLDER, &[], false) else { panic!("the folder is there") };
    assert!(files.open_secret(&ContentPath::literal("secret")).is_ok());
    (session, files)
});

/// The text of an entry of `attach` as a run renders it, and what must stay below the literal folder.
fn opened(attached: &AttachedFile, scope: &Scope) -> Vec<SourceFile> {
    let (session, files) = &*SETTING;
    let template = &attached.path.template;
    let (rendered, pattern) = if attached.can_be_pattern {
        let Ok(marked) = session.templates.render_marked(template, scope) else { return Vec::new() };
        let pattern = FilePattern::parse(&marked).ok().flatten();
        (marked.into_text(), pattern)
    } else {
        let Ok(text) = session.templates.render(template, scope) else { return Vec::new() };
        (text, None)
    };
    assert!(session.templates.uses_data(template));
    let Ok(path) = ContentPath::confined(&attached.path.base, &template.source, &rendered) else { return Vec::new() };
    let paths = match pattern {
        Some(pattern) => pattern.matching_files(&path, files).unwrap_or_default(),
        None => vec![path],
    };
    paths.iter().filter_map(|path| files.open_content(path).ok()).collect()
}

fuzz_target!(|cell: (Vec<u8>, String)| {
    let (parts, text) = cell;
    let mut value: String = parts.iter().map(|part| PARTS[usize::from(*part) % PARTS.len()]).collect();
    value.push_str(&text);
    let host = HostEnvironment {
        now: Arc::new(|| jiff::Timestamp::UNIX_EPOCH),
        hostname: String::new(),
        zone: jiff::tz::TimeZone::UTC,
    };
    let mut scope = Scope::new(Some(1), host);
    scope.set("other", Value::Text("sub".to_owned()));
    scope.set("row", Value::Table([(Arc::from("f"), Value::Text(value.clone()))].into_iter().collect()));
    for attached in SETTING.0.message.iter().flat_map(|message| &message.attachments) {
        for file in opened(attached, &scope) {
            let mut content = String::new();
            file.reader.take(64).read_to_string(&mut content).expect("the files are short texts");
            assert_eq!(content, INSIDE, "{} with {value:?}", attached.path.template.source);
        }
    }
});
