//! The path of a file that is sent, and the folder that it must stay below if it is made of data.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

/// A rendered path, relative to the session file's folder or absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentPath {
    path: PathBuf,
    /// What the path of the session file is relative to.
    base: PathBuf,
    /// The folder that it must stay below, and the rest of the path.
    confined: Option<(PathBuf, PathBuf)>,
}

impl ContentPath {
    /// A path that the session file or the command line chose.
    pub fn literal(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), base: PathBuf::new(), confined: None }
    }

    /// As [`ContentPath::literal`], relative to `base`.
    pub fn literal_in(base: &Path, path: &str) -> Self {
        Self { path: base.join(path), base: base.to_owned(), confined: None }
    }

    /// A path with data in it: `template` rendered to `rendered`. It must stay below the folder that the literal text
    /// before the first expression names. `base` is the folder that the path is relative to.
    ///
    /// This decides only what the folder is, and refuses what visibly leads out of it. Links are checked when the file
    /// is opened.
    ///
    /// # Errors
    /// A sentence, if the path is absolute or has too many `..`.
    pub fn confined(base: &Path, template: &str, rendered: &str) -> Result<Self, String> {
        let prefix = literal_prefix(template);
        let folder = prefix.get(..prefix.rfind('/').map_or(0, |slash| slash + 1)).unwrap_or_default();
        let path = base.join(rendered);
        let refused = |what: &str| Err(confinement_error(what, rendered, Path::new(folder)));
        // White space control can cut the literal text.
        let Some(rest) = rendered.strip_prefix(folder) else { return refused("does not begin with its folder") };
        if rest.starts_with('/') {
            return refused("has an absolute part");
        }
        let mut depth = 0_usize;
        for name in rest.split('/') {
            depth = match name {
                "" | "." => depth,
                ".." => match depth.checked_sub(1) {
                    Some(depth) => depth,
                    None => return refused("leads out of its folder"),
                },
                _ => depth + 1,
            };
        }
        Ok(Self { path, base: base.to_owned(), confined: Some((base.join(folder), rest.into())) })
    }

    /// The whole path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that it must stay below and the rest of the path, if it is made of data.
    pub fn confinement(&self) -> Option<(&Path, &Path)> {
        self.confined.as_ref().map(|(folder, rest)| (folder.as_path(), rest.as_path()))
    }

    /// The folder that a search for this path begins in: nothing of it, or `/`.
    pub fn beginning(&self, is_absolute: bool) -> Self {
        let start = match (is_absolute, &self.base) {
            (true, _) => PathBuf::from("/"),
            (false, base) => base.clone(),
        };
        Self {
            path: start.clone(),
            base: self.base.clone(),
            confined: self.confined.as_ref().map(|_| (start, PathBuf::new())),
        }
    }

    /// A name in this folder. `is_free`: it is a part of the folder that a path with data must stay below.
    pub fn join(&self, name: &OsStr, is_free: bool) -> Self {
        let confined = self.confined.as_ref().map(|(folder, rest)| match is_free {
            true => (folder.join(name), rest.clone()),
            false => (folder.clone(), rest.join(name)),
        });
        Self { path: self.path.join(name), base: self.base.clone(), confined }
    }

    /// Whether it is `-`, standard input. Data cannot name it.
    pub fn is_standard_input(&self) -> bool {
        self.confined.is_none() && self.path == Path::new("-")
    }
}

impl fmt::Display for ContentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// The literal text before the first expression or statement, without comments.
fn literal_prefix(source: &str) -> String {
    let (mut prefix, mut rest) = (String::new(), source);
    while let Some((literal, after)) = rest.split_once('{') {
        prefix.push_str(literal);
        match after.as_bytes().first() {
            Some(b'{' | b'%') => return prefix,
            Some(b'#') => rest = after.split_once("#}").map_or("", |(_, after)| after),
            _ => {
                prefix.push('{');
                rest = after;
            }
        }
    }
    prefix + rest
}

/// Says why a path with data is refused, and below which folder it must stay.
pub fn confinement_error(what: &str, path: &str, folder: &Path) -> String {
    let folder = match folder.as_os_str().is_empty() {
        true => "the session file's folder".to_owned(),
        false => format!("\"{}\"", folder.display()),
    };
    format!("\"{path}\" {what}: a path with a value from a row, a reply or a capture must stay below {folder}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn confine(template: &str, value: &str) -> Result<(String, String), String> {
        let rendered = template.replace("{# note #}", "").replace("{{ f }}", value);
        let path = ContentPath::confined(Path::new(""), template, &rendered)?;
        let (folder, rest) = path.confinement().expect("it is confined");
        Ok((folder.display().to_string(), rest.display().to_string()))
    }

    #[test]
    fn paths_with_data_have_a_literal_folder() {
        let table = [
            ("pdf/{{ f }}", "a.pdf", Some(("pdf/", "a.pdf")), "the usual"),
            ("pdf/{{ f }}", "2026/a.pdf", Some(("pdf/", "2026/a.pdf")), "a folder in the value"),
            ("pdf/{{ f }}", "x/../a.pdf", Some(("pdf/", "x/../a.pdf")), "`..` that stays inside"),
            ("pdf/bill-{{ f }}.pdf", "7", Some(("pdf/", "bill-7.pdf")), "a part of a name"),
            ("{{ f }}", "a.pdf", Some(("", "a.pdf")), "no literal folder"),
            ("a{{ f }}", "/b", Some(("", "a/b")), "the literal text is the beginning of a name"),
            ("/srv/pdf/{{ f }}", "a", Some(("/srv/pdf/", "a")), "an absolute folder, which a root must allow"),
            ("../pdf/{{ f }}", "a", Some(("../pdf/", "a")), "literal text may climb, if a root allows it"),
            ("pdf/{# note #}sub/{{ f }}", "../a", None, "a comment is not an expression"),
            ("pdf/{# note #}sub/{{ f }}", "a", Some(("pdf/sub/", "a")), "and not a part of the path"),
            ("pdf/{{ f }}", "", Some(("pdf/", "")), "no value: a folder, which is no content"),
            ("pdf/{{ f }}", "../smtp-password", None, "out"),
            ("pdf/{{ f }}", "x/../../p", None, "out, later"),
            ("pdf/{{ f }}", "..", None, "the folder above"),
            ("pdf/x{{ f }}", "/../../p", None, "after a part of a name"),
            ("pdf/{{ f }}", "/etc/passwd", None, "an absolute value"),
            ("{{ f }}", "/etc/passwd", None, "without a folder"),
            ("{{ f }}/etc/passwd", "", None, "an empty value makes the literal text absolute"),
        ];
        for (template, value, expected, why) in table {
            let expected = expected.map(|(folder, rest)| (folder.to_owned(), rest.to_owned()));
            assert_eq!(confine(template, value).ok(), expected, "{why}");
        }
        assert!(!ContentPath::confined(Path::new(""), "{{ f }}", "-").expect("a name").is_standard_input());
    }

    proptest! {
        #[test]
        fn the_folder_is_never_data(value in "[a./]{0,12}") {
            if let Ok((folder, rest)) = confine("pdf/x{{ f }}/y", &value) {
                prop_assert_eq!(&folder, "pdf/");
                prop_assert_eq!(format!("{folder}{rest}"), format!("pdf/x{value}/y"));
            }
        }
    }
}
