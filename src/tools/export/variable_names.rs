//! The names of environment variables in exported scripts.

/// Names that a shell or the script itself uses, in capitals.
const TAKEN_NAMES: [&str; 55] = [
    "CDPATH",
    "DIRSTACK",
    "ENV",
    "EUID",
    "FOLDER",
    "FROM",
    "FUNCNAME",
    "GLOBIGNORE",
    "GROUPS",
    "HISTCMD",
    "HOME",
    "HOST",
    "HOSTNAME",
    "HOSTTYPE",
    "IFS",
    "LANG",
    "LANGUAGE",
    "LINE",
    "LINENO",
    "MACHTYPE",
    "MAILPATH",
    "OLDPWD",
    "OPTARG",
    "OPTERR",
    "OPTIND",
    "OSTYPE",
    "PATH",
    "PATTERN",
    "PEER",
    "PIPESTATUS",
    "PORT",
    "POSIXLY_CORRECT",
    "PPID",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "PWD",
    "RANDOM",
    "REPLY",
    "SAID",
    "SECONDS",
    "SHELL",
    "SHELLOPTS",
    "SHLVL",
    "SRANDOM",
    "STATUS",
    "TERM",
    "TEXT",
    "TIMEFORMAT",
    "TMOUT",
    "TMPDIR",
    "TO",
    "UID",
    "WITHIN",
];
const TAKEN_PREFIXES: [&str; 6] = ["BASH", "COMP_", "DYLD_", "EPOCH", "LC_", "LD_"];

/// The environment variable of a secret that has none of its own, or one whose name is not a shell's.
pub fn environment_name(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    script_variable(&name)
}

/// Whether a shell has a variable of that name (POSIX.1-2024, XBD 3.216).
pub fn is_shell_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_part) && name.starts_with(|c: char| is_part(c) && !c.is_ascii_digit())
}

/// The name of a variable in a script. One that the shell or the script uses gets a prefix.
pub fn script_variable(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let is_taken = TAKEN_NAMES.contains(&upper.as_str())
        || TAKEN_PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
        || name.chars().all(|c| c == '_')
        || !is_shell_name(name);
    if is_taken { format!("SECRET_{name}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_a_name_of_its_own_in_the_script() {
        for (given, expected) in [
            ("SMTP_PASSWORD", "SMTP_PASSWORD"),
            ("pw2", "pw2"),
            ("host", "SECRET_host"),
            ("from", "SECRET_from"),
            ("said", "SECRET_said"),
            ("PATH", "SECRET_PATH"),
            ("BASH_ENV", "SECRET_BASH_ENV"),
            ("_", "SECRET__"),
        ] {
            assert!(is_shell_name(given), "{given}");
            assert_eq!(script_variable(given), expected);
        }
        for refused in ["", "1a", "a-b", "A:-$(touch x)", "ä", "a\nb", "A}; id; ${B"] {
            assert!(!is_shell_name(refused), "{refused:?}");
        }
        for (name, expected) in [("pw", "PW"), ("to", "SECRET_TO"), ("1a", "SECRET_1A"), ("mot-clé", "MOT_CL_")] {
            assert_eq!(environment_name(name), expected);
            assert!(is_shell_name(expected), "{expected}");
        }
    }
}
