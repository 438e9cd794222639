//! The script for bash: what Tab offers.

mod support;

use std::process::Command;
use support::{Folder, Mailrun, PROGRAM, tool};

/// What bash offers for the last word, with the script that mailrun prints.
fn offered(folder: &Folder, words: &[&str]) -> Vec<String> {
    let script = Mailrun::new(["completions", "bash"]).run().exits(0).stdout;
    let complete = "source /dev/stdin; COMP_WORDS=(mailrun \"$@\"); COMP_CWORD=$#; COMP_TYPE=9
        function=$(complete -p mailrun | grep -o -- '-F [a-z_]*'); ${function#-F } mailrun \"${COMP_WORDS[-1]}\"
        printf '%s\\n' \"${COMPREPLY[@]}\"";
    folder.write("script", &script);
    let mut bash: Command = tool("bash");
    let search = std::path::Path::new(PROGRAM).parent().expect("the program is in a folder").display().to_string();
    bash.current_dir(folder.root()).env("PATH", format!("{search}:{}", std::env::var("PATH").unwrap_or_default()));
    bash.stdin(std::fs::File::open(folder.path("script")).expect("it was written"));
    let answer = bash.args(["-c", complete, "bash"]).args(words).output().expect("bash starts");
    let text = String::from_utf8(answer.stdout).expect("names are text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_offers_kinds_then_a_path_and_the_values_of_options() {
    let folder = Folder::new().with("news.toml", "");
    let table: [(&[&str], &str, &str); 4] = [
        (&["new", ""], "report", "news.toml"),
        (&["new", "report", "n"], "news.toml", "report"),
        (&["run", ""], "news.toml", "always"),
        (&["run", "--color", "a"], "always", "never"),
    ];
    for (words, expected, other) in table {
        let found = offered(&folder, words);
        assert!(found.iter().any(|word| word.trim_end() == expected), "{words:?}: {found:?}");
        assert!(!found.iter().any(|word| word.trim_end() == other), "{words:?}: {found:?}");
    }
}
