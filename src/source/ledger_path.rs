//! Where a session file may have its ledger: beneath the same folders as content.

use super::error_text::quoted_path;
use super::system::SystemSources;
use crate::session::SourceError;
use std::path::{Component, Path, PathBuf};

impl SystemSources {
    /// The place of the ledger that a session file names. Its folder must exist beneath a root, and it must not be a link.
    ///
    /// # Errors
    /// If the path leads out of the roots, or is a link.
    pub fn ledger_path(&self, path: &Path) -> Result<PathBuf, SourceError> {
        let shown = quoted_path(path);
        let Some(name) = path.file_name() else {
            return Err(SourceError::Refused(format!("{shown} is not the path of a ledger")));
        };
        let parent = path.parent().unwrap_or(Path::new(""));
        let roots = self.resolved_roots();
        let found = roots.iter().find_map(|root| {
            let folder = root.join(parent).canonicalize().ok()?;
            roots.iter().any(|root| folder.starts_with(root)).then_some(folder)
        });
        let Some(folder) = found else {
            let is_below = parent.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            if is_below && roots.iter().all(|root| root.join(parent).symlink_metadata().is_err()) {
                let what = format!("{shown}: there is no folder {}", quoted_path(parent));
                return Err(SourceError::Unreadable(what));
            }
            let what =
                format!("{shown}: its folder is not beneath that of the session file; --file-root DIR allows another");
            return Err(SourceError::Refused(what));
        };
        let place = folder.join(name);
        match place.symlink_metadata() {
            Ok(about) if about.is_symlink() => {
                Err(SourceError::Refused(format!("{shown} is a link: a ledger must be a file")))
            }
            _ => Ok(place),
        }
    }
}
