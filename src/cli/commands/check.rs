//! `mailrun check`: validates sessions without connecting, and lists what they reach.

mod rows;

use crate::cli::arguments::CheckArguments;
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::sessions::columns::{missing_row_columns, missing_table_columns};
use crate::cli::sessions::diagnostics::print_diagnostics;
use crate::cli::sessions::dkim_key::dkim_findings;
use crate::cli::sessions::load::{LoadedSession, SessionInputs};
use crate::cli::sessions::reach::{NamedFile, reach};
use crate::cli::sessions::template_files::template_file_errors;
use crate::event::{Status, StepError};
use crate::exec::{FileFindings, TlsInput};
use crate::net::{SystemClock, check_tls_input};
use crate::report::diagnosis::escape_workflow_commands;
use crate::session::{
    ContentPath, Diagnostic, Diagnostics, Exclusion, ExclusionList, FilePattern, FilePurpose, RenderedText,
    RowsSettings, Severity, SourceError, SourcePath, Sources, Span, TextDecoder, TextDecoding,
};
use crate::source::{PLAIN_ADDRESS_HELP, RowReader, STDIN_READ_TWICE, SessionPath, read_exclusions};
use crate::transcript::escape_unprintable;
use std::collections::{BTreeSet, HashSet};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How many bytes of a text file are checked: the limit for a file that a template reads.
const CHECKED_BYTES: u64 = 16 << 20;

/// Validates sessions, and prints what each reaches.
pub fn main(arguments: &CheckArguments, origin: &dyn Fn(&str) -> String) -> Result<Status, CommandError> {
    let inputs = SessionInputs::new(&arguments.inputs, origin)?;
    let (sessions, mut statuses) = inputs.read(&arguments.sessions)?;
    for loaded in &sessions {
        let (mut status, mut text) = examine(loaded, &inputs);
        if let Some(settings) = loaded.session.rows.as_ref().filter(|_| arguments.rows && !text.is_empty()) {
            let (found, lines) = rows::check(loaded, settings, &inputs);
            status = Status::worst([status, found]);
            text = if found == Status::Passed { text + &lines } else { String::new() };
        }
        statuses.push(status);
        statuses.push(console::print(&text));
    }
    Ok(Status::worst(statuses))
}

/// Prints the errors of a session that was read. Returns its status, and what it reaches as text.
fn examine(loaded: &LoadedSession, inputs: &SessionInputs<'_>) -> (Status, String) {
    let (reach, named) = reach(&loaded.session, inputs.arguments.server.as_deref());
    let mut list = loaded.session.warnings.clone();
    let readable_by_others = match &loaded.path {
        SessionPath::File(path) => path.metadata().is_ok_and(|about| about.permissions().mode() & 0o044 != 0),
        SessionPath::StandardInput => false,
    };
    if reach.literal_secrets && readable_by_others {
        let what = "the file contains a secret, and other users can read it";
        let warning = Diagnostic::warning(Span { file: 0, bytes: 0..0 }, what);
        list.push(warning.with_help("use chmod 600, or { env = \"NAME\" } to keep the secret out of the file"));
    }
    let named_paths: Vec<&SourcePath> = named.iter().map(|file| file.path).collect();
    let options = rows::options(inputs);
    let FileFindings { errors, paths, secrets } =
        FileFindings::new(&loaded.session, &options, &loaded.files, &SystemClock::new(), &named_paths);
    // `[message]` occurs twice: in its own section, and in the steps that it implies.
    let mut reported = HashSet::new();
    let known_files = || named.iter().zip(&paths).filter_map(|(file, path)| Some((file, path.as_deref()?)));
    let path_of =
        |wanted: &SourcePath| known_files().find(|(file, _)| file.path.span == wanted.span).map(|(_, path)| path);
    // The preflight opens what a step's content is made of, if the step runs, with the values that the step has.
    let is_certain = |file: &NamedFile<'_>| {
        file.path.template.is_literal() || matches!(file.purpose, FilePurpose::Tls | FilePurpose::Rows)
    };
    let certain = known_files().filter(|(file, _)| is_certain(file));
    let unreadable = certain.filter_map(|(file, path)| unreadable_file(file, path, loaded));
    list.extend(unreadable.filter(|file| reported.insert((file.span.clone(), file.message.clone()))));
    list.extend(certificate_errors(loaded, &path_of));
    list.extend(repeated_input(loaded, &named));
    if let Some(rows) = &loaded.session.rows {
        list.extend(path_of(&rows.file).into_iter().flat_map(|path| row_errors(loaded, rows, path)));
        list.extend(ledger_error(loaded, rows));
        let exclusions = rows.exclude.iter().filter_map(|exclusion| Some((exclusion, path_of(&exclusion.file)?)));
        list.extend(exclusions.filter_map(|(exclusion, path)| exclusion_finding(loaded, exclusion, path)));
    }
    list.extend(missing_table_columns(loaded, &inputs.variables));
    list.extend(template_file_errors(loaded, &inputs.variables));
    list.extend(dkim_findings(loaded));
    add_errors(&mut list, errors);
    list.iter_mut().for_each(|one| one.message = secrets.shown(&one.message).to_string());
    let found = Diagnostics { list, sources: loaded.session.source_map.clone() };
    let status = if found.list.is_empty() { Status::Passed } else { print_diagnostics(&found) };
    if status != Status::Passed {
        return (status, String::new());
    }
    let mut text = escape_workflow_commands(&format!("{}: OK\n", escape_unprintable(loaded.path.name().as_bytes())));
    for (title, names) in [
        ("servers", &reach.servers),
        ("files", &files(loaded, &reach.files)),
        ("environment", &reach.environment),
        ("commands", &reach.commands),
    ] {
        for (index, name) in names.iter().enumerate() {
            text.push_str(&format!("  {:<13}{name}\n", if index == 0 { title } else { "" }));
        }
    }
    (status, text)
}

/// The files that a session names, and its includes.
fn files(loaded: &LoadedSession, named: &BTreeSet<String>) -> BTreeSet<String> {
    let includes = loaded.session.source_map.names().skip(1).map(|name| escape_unprintable(name.as_bytes()));
    named.iter().cloned().chain(includes).collect()
}

/// Adds what a run would find before it connects, except where an error is known already.
fn add_errors(list: &mut Vec<Diagnostic>, errors: Vec<StepError>) {
    let known: Vec<Span> =
        list.iter().filter(|one| one.severity == Severity::Error).map(|one| one.span.clone()).collect();
    let overlaps = |span: &Span| {
        let touches = |other: &Span| span.bytes.start <= other.bytes.end && other.bytes.start <= span.bytes.end;
        known.iter().any(|other| other.file == span.file && touches(other))
    };
    for error in errors {
        let span = error.span.unwrap_or_default();
        if !overlaps(&span) {
            let no_input = error.status == Status::NoInput;
            list.push(Diagnostic { no_input, ..Diagnostic::error(span, error.cause.to_string()) });
        }
    }
}

/// What is wrong with a file that cannot be read, or not as text. Its path is known.
fn unreadable_file(file: &NamedFile<'_>, path: &Path, loaded: &LoadedSession) -> Option<Diagnostic> {
    let opened = match file.purpose {
        FilePurpose::Tls => loaded.files.read_tls(path).map(|_| None),
        FilePurpose::Text(decoding) => check_text(loaded, path, decoding),
        FilePurpose::Pattern => find_attached(loaded, file.path).map(|()| None),
        FilePurpose::Bytes | FilePurpose::Rows => loaded.files.open(path).map(|_| None),
    };
    let error = match opened {
        Ok(invalid) => {
            let what = format!("not UTF-8: {}; these bytes are sent as U+FFFD", invalid?);
            let warning = Diagnostic::warning(file.path.span.clone(), what);
            return Some(warning.with_help("charset = \"windows-1252\", for example, names another encoding"));
        }
        Err(error) => error,
    };
    Some(source_diagnostic(error, file.path.span.clone()))
}

/// Checks that an entry of `attach` names a file, or a pattern that matches files that can be read.
fn find_attached(loaded: &LoadedSession, path: &SourcePath) -> Result<(), SourceError> {
    let (files, exact) = (&loaded.files, ContentPath::literal_in(&path.base, &path.template.source));
    let Err(error) = files.open_content(&exact) else { return Ok(()) };
    let rendered = RenderedText::from_marked(&path.template.source).unwrap_or_default();
    match (FilePattern::parse(&rendered), error) {
        (Ok(Some(pattern)), SourceError::Unreadable(_)) => {
            pattern.matching_files(&exact, files)?.iter().try_for_each(|path| files.open_content(path).map(drop))
        }
        (Ok(_), error) => Err(error),
        (Err(why), _) => Err(SourceError::Refused(why)),
    }
}

/// Checks that a text file can be read and that its beginning can be decoded. Returns what is replaced in it by U+FFFD.
fn check_text(loaded: &LoadedSession, path: &Path, decoding: TextDecoding) -> Result<Option<String>, SourceError> {
    let file = loaded.files.open(path)?;
    let name = escape_unprintable(path.as_os_str().as_encoded_bytes());
    let mut bytes = Vec::new();
    let read = file.reader.take(CHECKED_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| SourceError::Unreadable(format!("{name}: {error}")))?;
    let (mut decoder, mut text) = (TextDecoder::new(decoding), String::new());
    let is_whole = (bytes.len() as u64) < CHECKED_BYTES;
    let decoded = decoder.push(&bytes, &mut text).and_then(|()| {
        // A character may be cut at the end of what is checked.
        if is_whole { decoder.finish(&mut text) } else { Ok(decoder.invalid_bytes().clone()) }
    });
    let invalid = decoded.map_err(|why| SourceError::Refused(why.in_file(&name)))?;
    Ok(invalid.in_file(&name))
}

/// The errors of the header of the rows, if they can be opened.
fn row_errors(loaded: &LoadedSession, rows: &RowsSettings, path: &Path) -> Vec<Diagnostic> {
    // A missing file is reported by `unreadable_file`.
    if loaded.files.open(path).is_err() {
        return Vec::new();
    }
    match RowReader::open(&loaded.files, path, &rows.format) {
        Ok(reader) => missing_row_columns(loaded, rows, &reader),
        Err(error) => vec![source_diagnostic(error, rows.file.span.clone())],
    }
}

/// Why the ledger cannot be where the file says.
fn ledger_error(loaded: &LoadedSession, rows: &RowsSettings) -> Option<Diagnostic> {
    let (path, span) = rows.ledger.as_ref()?;
    loaded.files.ledger_path(Path::new(path)).err().map(|error| source_diagnostic(error, span.clone()))
}

/// The error of a list of `exclude`, if it can be opened, or a warning about cells that exclude nobody.
fn exclusion_finding(loaded: &LoadedSession, exclusion: &Exclusion, path: &Path) -> Option<Diagnostic> {
    if loaded.files.open(path).is_err() {
        return None;
    }
    match read_exclusions(&loaded.files, path, exclusion, &mut ExclusionList::default()) {
        Err((error, span)) => Some(source_diagnostic(error, span)),
        Ok(warning) => {
            warning.map(|what| Diagnostic::warning(exclusion.key.1.clone(), what).with_help(PLAIN_ADDRESS_HELP))
        }
    }
}

fn source_diagnostic(error: SourceError, span: Span) -> Diagnostic {
    match error {
        SourceError::Unreadable(what) => Diagnostic { no_input: true, ..Diagnostic::error(span, what) },
        SourceError::Refused(what) => Diagnostic::error(span, what),
    }
}

/// The error of a session that reads standard input twice.
fn repeated_input(loaded: &LoadedSession, named: &[NamedFile<'_>]) -> Option<Diagnostic> {
    let is_input = |path: &&SourcePath| path.template.source == "-";
    let content = named.iter().map(|file| file.path).find(is_input);
    let rows = loaded.session.rows.as_ref().map(|rows| &rows.file).filter(is_input);
    let of_session = matches!(loaded.path, SessionPath::StandardInput);
    let again = if of_session { content.or(rows) } else { rows.filter(|_| content.is_some()) };
    again.map(|path| Diagnostic::error(path.span.clone(), STDIN_READ_TWICE))
}

/// The errors of the files of `[tls]` that can be read, and of its cipher list.
fn certificate_errors<'p>(
    loaded: &LoadedSession,
    path_of: &dyn Fn(&SourcePath) -> Option<&'p Path>,
) -> Vec<Diagnostic> {
    let tls = &loaded.session.tls;
    let read = |path: &Option<SourcePath>| {
        let path = path.as_ref()?;
        let bytes = loaded.files.read_tls(path_of(path)?).ok()?;
        Some((path.clone(), bytes))
    };
    let mut list = Vec::new();
    if let Some((ciphers, span)) = &tls.ciphers
        && let Err(why) = check_tls_input(TlsInput::Ciphers(ciphers))
    {
        list.push(Diagnostic::error(span.clone(), format!("ciphers = {ciphers:?}: {why}")));
    }
    let mut look = |path: &SourcePath, file: TlsInput<'_>| {
        if let Err(why) = check_tls_input(file) {
            list.push(Diagnostic::error(path.span.clone(), format!("{}: {why}", path.template.source)));
        }
    };
    if let Some((path, pem)) = read(&tls.ca) {
        look(&path, TlsInput::Trusted(&pem));
    }
    match (read(&tls.client_cert), &tls.client_key, read(&tls.client_key)) {
        (Some((_, certificate)), _, Some((path, key))) => {
            look(&path, TlsInput::Client { certificate: &certificate, key: &key });
        }
        // One file may have both.
        (Some((path, both)), None, _) => look(&path, TlsInput::Client { certificate: &both, key: &both }),
        _ => {}
    }
    list
}
