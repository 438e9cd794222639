//! The folder of the repository on GitHub Actions, which annotations name their files relative to.

use std::env;
use std::path::{Component, Path, PathBuf};

/// `GITHUB_WORKSPACE`.
pub struct Workspace {
    root: Option<PathBuf>,
    current: PathBuf,
}

impl Workspace {
    /// With `GITHUB_ACTIONS=true`.
    pub fn of_environment() -> Option<Self> {
        env::var_os("GITHUB_ACTIONS").filter(|value| value == "true")?;
        let root = env::var_os("GITHUB_WORKSPACE").filter(|root| !root.is_empty()).map(PathBuf::from);
        Some(Self { root, current: env::current_dir().unwrap_or_default() })
    }

    /// The path relative to the workspace, if it lies below it; else the path as given.
    pub fn path_below(&self, file: &str) -> String {
        let relative = self.root.as_ref().and_then(|root| {
            let full = without_dots(&self.current.join(file));
            let below = |root: &Path, file: &Path| file.strip_prefix(root).ok().map(Path::to_owned);
            // The folders may be links.
            let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
            below(&without_dots(root), &full).or_else(|| below(&real(root), &real(&full)))
        });
        match relative {
            Some(path) if path != Path::new("") => path.to_string_lossy().into_owned(),
            _ => file.trim_start_matches("./").to_owned(),
        }
    }
}

/// The path without `.` and `..`.
fn without_dots(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_workspace_if_they_lie_below_it() {
        let table = [
            (Some("/work/repo"), "/work/repo/ci", "a.toml", "ci/a.toml"),
            (Some("/work/repo/"), "/work/repo/ci", "../b/./a.toml", "b/a.toml"),
            (Some("/work/repo"), "/tmp", "/work/repo/a.toml", "a.toml"),
            (Some("/work/repo"), "/work/repository", "a.toml", "a.toml"),
            (Some("/work/repo"), "/tmp", "./a.toml", "a.toml"),
            (None, "/tmp", "./x/a.toml", "x/a.toml"),
        ];
        for (root, current, file, expected) in table {
            let workspace = Workspace { root: root.map(PathBuf::from), current: PathBuf::from(current) };
            assert_eq!(workspace.path_below(file), expected, "{root:?} {current} {file}");
        }
    }
}
