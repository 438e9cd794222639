//! `--filter`, `--tag`, `--skip-tag`: which of the sessions that were named run.

use crate::cli::arguments::SelectArguments;
use crate::session::Session;
use crate::source::glob_matches;

/// Whether a session's file is one of those asked for: by its name, with or without `.toml`, or by its path.
pub fn matches_path(arguments: &SelectArguments, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let names = [path, path.trim_start_matches("./"), name, name.strip_suffix(".toml").unwrap_or(name)];
    arguments.filter.is_empty()
        || arguments.filter.iter().any(|pattern| names.iter().any(|name| glob_matches(pattern, name)))
}

/// Whether a session's tags are those asked for.
pub fn matches_tags(arguments: &SelectArguments, session: &Session) -> bool {
    let has = |tag: &String| session.tags.contains(tag);
    (arguments.tag.is_empty() || arguments.tag.iter().any(has)) && !arguments.skip_tag.iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_filtered() {
        let table = [
            (vec![], "a/b.toml", true, "no filter takes all"),
            (vec!["b"], "a/b.toml", true, "the bare name"),
            (vec!["b.toml"], "a/b.toml", true, "the name"),
            (vec!["a/*"], "a/b.toml", true, "the path"),
            (vec!["a/*"], "./a/b.toml", true, "the path without its dot"),
            (vec!["x*", "*b*"], "a/b.toml", true, "any of them"),
            (vec!["x*"], "a/b.toml", false, "none of them"),
            (vec!["a"], "a/b.toml", false, "a folder's name is no file's"),
        ];
        for (filter, path, expected, why) in table {
            let filter = filter.into_iter().map(str::to_owned).collect();
            let arguments =
                SelectArguments { filter, tag: Vec::new(), skip_tag: Vec::new(), fail_fast: false, jobs: None };
            assert_eq!(matches_path(&arguments, path), expected, "{why}");
        }
    }
}
