//! Finds the session files that the command line names, and reads them.

use super::error_text::{quoted_path, read_error};
use super::glob;
use super::limited::read_limited;
use crate::session::{DecodeError, SourceError, TextDecoding, decode_text, utf16_suggestion};
use crate::transcript::SafeText;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The largest session file in bytes.
pub const MAX_SESSION_BYTES: u64 = 16 << 20;

/// How deep folders are searched.
const MAX_FOLDER_DEPTH: usize = 64;

/// Where a session is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionPath {
    File(PathBuf),
    /// `-`.
    StandardInput,
}

impl SessionPath {
    /// The name for messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.to_string_lossy().into_owned(),
            Self::StandardInput => "-".to_owned(),
        }
    }

    /// The folder that its paths are relative to, with links resolved; the current folder for standard input and
    /// pipes.
    pub fn folder(&self) -> PathBuf {
        let resolved = match self {
            Self::File(path) if path.is_file() => path.canonicalize().ok(),
            _ => None,
        };
        let parent = resolved.as_deref().and_then(Path::parent);
        parent.map_or_else(|| PathBuf::from("."), Path::to_owned)
    }
}

/// The sessions that the arguments name, in their order: files, folders, patterns, `-`. An argument that names none
/// is an error and does not hide the others.
pub fn find_sessions(arguments: &[String]) -> Vec<Result<SessionPath, SourceError>> {
    arguments.iter().flat_map(|argument| find_argument(argument)).collect()
}

fn find_argument(argument: &str) -> Vec<Result<SessionPath, SourceError>> {
    if argument == "-" {
        return vec![Ok(SessionPath::StandardInput)];
    }
    let path = Path::new(argument);
    let mut found = FoundPaths::default();
    if path.is_dir() {
        search_folder(path, &mut found, 0);
    } else if glob::is_glob(argument) && !path.exists() {
        expand_glob(path, &mut found);
    } else {
        // Whether it can be read shows later.
        found.push(Ok(path.to_owned()));
    }
    if found.is_empty() {
        let what = if path.is_dir() { "no session file (*.toml) in" } else { "no file matches" };
        return vec![Err(SourceError::Unreadable(format!("{what} {}", quoted_path(path))))];
    }
    found.into_iter().map(|path| path.map(SessionPath::File)).collect()
}

/// The files that were found. A folder that cannot be searched is an error among them.
type FoundPaths = Vec<Result<PathBuf, SourceError>>;

/// Adds every `*.toml` below a folder, sorted by path, except names and folders that begin with `_`.
fn search_folder(folder: &Path, found: &mut FoundPaths, depth: usize) {
    if depth > MAX_FOLDER_DEPTH {
        let what = format!("cannot search {}: folders nest deeper than {MAX_FOLDER_DEPTH}", quoted_path(folder));
        found.push(Err(SourceError::Unreadable(what)));
        return;
    }
    let entries = match entries(folder) {
        Ok(entries) => entries,
        Err(error) => return found.push(Err(error)),
    };
    for (path, name) in entries {
        if name.starts_with('_') {
            continue;
        }
        // Links to folders are not followed: they may form a cycle.
        if path.is_dir() {
            if !path.is_symlink() {
                search_folder(&path, found, depth + 1);
            }
        } else if name.ends_with(".toml") {
            found.push(Ok(path));
        }
    }
}

/// The entries of a folder with their names, sorted.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, String)>, SourceError> {
    let list = || fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>();
    let list = list().map_err(|error| read_error(folder, &error))?;
    let mut entries: Vec<_> =
        list.into_iter().map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned())).collect();
    entries.sort();
    Ok(entries)
}

/// Adds the files that match a pattern, and the sessions in folders that match it.
fn expand_glob(pattern: &Path, found: &mut FoundPaths) {
    let mut places = vec![PathBuf::new()];
    for component in pattern.components() {
        let mut next = Vec::new();
        let name = component.as_os_str().to_string_lossy();
        for place in places {
            match component {
                Component::Normal(_) if name == "**" => list_subfolders(&place, &mut next, 0),
                Component::Normal(_) if glob::is_glob(&name) => {
                    let folder = if place.as_os_str().is_empty() { Path::new(".") } else { &place };
                    // A folder that cannot be listed has no matches.
                    for (_, entry) in entries(folder).unwrap_or_default() {
                        if glob::glob_matches(&name, &entry) {
                            next.push(place.join(entry));
                        }
                    }
                }
                other => next.push(place.join(other)),
            }
        }
        places = next;
    }
    places.retain(|place| place.exists());
    places.sort();
    places.dedup();
    for place in places {
        if place.is_dir() {
            search_folder(&place, found, 0);
        } else {
            found.push(Ok(place));
        }
    }
}

/// Adds a folder and all folders below it, except hidden ones, links and those that begin with `_`.
fn list_subfolders(folder: &Path, places: &mut Vec<PathBuf>, depth: usize) {
    places.push(folder.to_owned());
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    for (_, name) in entries(listed).unwrap_or_default() {
        let inner = folder.join(&name);
        if depth < MAX_FOLDER_DEPTH && !name.starts_with(['.', '_']) && inner.is_dir() && !inner.is_symlink() {
            list_subfolders(&inner, places, depth + 1);
        }
    }
}

/// The text of a session file, which may be a pipe.
pub fn read_session_text(path: &SessionPath) -> Result<String, SourceError> {
    let bytes = match path {
        SessionPath::StandardInput => {
            claim_stdin()?;
            read_limited(io::stdin().lock(), MAX_SESSION_BYTES, "standard input")?
        }
        SessionPath::File(file) => {
            let opened = File::open(file).map_err(|error| read_error(file, &error))?;
            if opened.metadata().is_ok_and(|about| about.is_dir()) {
                return Err(SourceError::Unreadable(format!("cannot read {}: it is a folder", quoted_path(file))));
            }
            read_limited(opened, MAX_SESSION_BYTES, &quoted_path(file))?
        }
    };
    decode_session(&bytes, &path.name())
}

/// The text in UTF-8, or in UTF-16 with a byte order mark, which is removed.
fn decode_session(bytes: &[u8], name: &str) -> Result<String, SourceError> {
    let name = SafeText::new(name);
    let has_mark = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    let error = match decode_text(bytes, TextDecoding::strict(None)) {
        // A NUL beside each letter.
        Ok(_) if !has_mark && utf16_suggestion(bytes).is_some() => {
            let what = "it looks like UTF-16 without a byte order mark; a session file must be UTF-8";
            return Err(SourceError::Refused(format!("{name}: {what}")));
        }
        Ok((text, _)) => return Ok(text),
        Err(error) => error,
    };
    let DecodeError::Invalid(invalid) = &error else { return Err(SourceError::Refused(error.in_file(name.as_str()))) };
    if has_mark {
        return Err(SourceError::Refused(invalid.in_file(name.as_str())));
    }
    let before = usize::try_from(invalid.offset).ok().and_then(|offset| bytes.get(..offset)).unwrap_or_default();
    let last_line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let last_line = last_line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(last_line);
    let column = String::from_utf8_lossy(last_line).chars().count() + 1;
    let (line, byte) = (invalid.line, invalid.byte);
    let what =
        format!("{name}:{line}:{column}: the byte 0x{byte:02x} is not valid UTF-8; a session file must be UTF-8");
    Err(SourceError::Refused(what))
}

/// Whether standard input was read already. It can be read only once.
static STANDARD_INPUT_TAKEN: AtomicBool = AtomicBool::new(false);

/// The error of a second reader of standard input.
pub const STDIN_READ_TWICE: &str = "standard input (-) was read already; it can be read only once";

/// Reserves standard input for one reader.
pub(super) fn claim_stdin() -> Result<(), SourceError> {
    if STANDARD_INPUT_TAKEN.swap(true, Ordering::Relaxed) {
        return Err(SourceError::Refused(STDIN_READ_TWICE.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{decode_session, find_sessions};
    use crate::session::SourceError;
    use std::fs;

    #[test]
    fn arguments_mean_sessions() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("{}/{name}", folder.path().display());
        fs::create_dir_all(at("sub/_inc")).unwrap();
        fs::create_dir_all(at("_common")).unwrap();
        fs::create_dir_all(at("empty")).unwrap();
        for name in ["b.toml", "a.toml", "_x.toml", "n.txt", "sub/c.toml", "sub/_inc/d.toml", "_common/e.toml"] {
            fs::write(at(name), "").unwrap();
        }
        let table: [(&str, &[&str], &str); 8] = [
            ("b.toml", &["b.toml"], "a file"),
            ("", &["a.toml", "b.toml", "sub/c.toml"], "a folder, sorted, without includes"),
            ("*.toml", &["a.toml", "b.toml"], "a pattern"),
            ("**/*.toml", &["a.toml", "b.toml", "sub/c.toml"], "a pattern over folders"),
            ("s?b", &["sub/c.toml"], "a pattern that matches a folder"),
            ("_x.toml", &["_x.toml"], "an include, when asked for by name"),
            ("missing.toml", &["missing.toml"], "a missing file is found missing when it is read"),
            ("n.txt", &["n.txt"], "a name that has another end"),
        ];
        for (argument, expected, why) in table {
            let found: Vec<_> = find_sessions(&[at(argument)]).into_iter().map(|path| path.unwrap().name()).collect();
            let expected: Vec<_> = expected.iter().map(|name| at(name)).collect();
            assert_eq!(found, expected, "{why}");
        }
        for argument in ["empty", "*.none"] {
            let found = find_sessions(&[at(argument), at("a.toml")]);
            assert!(matches!(&found[..], [Err(SourceError::Unreadable(_)), Ok(_)]), "{argument}: {found:?}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_searched_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join(vec!["d"; super::MAX_FOLDER_DEPTH + 1].join("/"));
        fs::create_dir_all(&deep).unwrap();
        for name in ["a.toml", "z.toml"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = find_sessions(&[folder.path().display().to_string()]);
        assert!(matches!(&found[..], [Ok(_), Err(SourceError::Unreadable(_)), Ok(_)]), "{found:?}");
    }

    #[test]
    fn text_is_utf8_or_utf16_with_its_mark() {
        let le = "\u{feff}a = \"ü\"".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let be = "\u{feff}a = \"ü\"".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        for (bytes, expected, why) in [
            (&b"\xef\xbb\xbfa = 1"[..], "a = 1", "UTF-8 with a mark"),
            (&le, "a = \"ü\"", "UTF-16LE"),
            (&be, "a = \"ü\"", "UTF-16BE"),
        ] {
            assert_eq!(decode_session(bytes, "x"), Ok(expected.to_owned()), "{why}");
        }
        let wrong = decode_session(b"a = 1\nb = \"\xc3\xa4\xff\"", "x.toml");
        let expected = "x.toml:2:7: the byte 0xff is not valid UTF-8; a session file must be UTF-8";
        assert_eq!(wrong, Err(SourceError::Refused(expected.to_owned())));
        for (bytes, why) in [(&b"s\0t\0e\0p\0"[..], "little-endian"), (b"\0s\0t\0e\0p", "big-endian")] {
            let wrong = decode_session(bytes, "x.toml");
            let expected = "x.toml: it looks like UTF-16 without a byte order mark; a session file must be UTF-8";
            assert_eq!(wrong, Err(SourceError::Refused(expected.to_owned())), "{why}");
        }
    }
}
