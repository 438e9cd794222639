//! The names of environment variables in exported scripts.

/// Variables of shells.
const SHELL_NAMES: [&str; 62] = [
    "CDPATH",
    "CHILD_MAX",
    "COLUMNS",
    "COPROC",
    "DIRSTACK",
    "ENV",
    "EUID",
    "EXECIGNORE",
    "FIGNORE",
    "FUNCNAME",
    "FUNCNEST",
    "GLIBC_TUNABLES",
    "GLOBIGNORE",
    "GLOBSORT",
    "GROUPS",
    "HISTCMD",
    "HOME",
    "HOSTFILE",
    "HOSTNAME",
    "HOSTTYPE",
    "IFS",
    "IGNOREEOF",
    "INPUTRC",
    "LANG",
    "LANGUAGE",
    "LINENO",
    "LINES",
    "MACHTYPE",
    "MAIL",
    "MAILCHECK",
    "MAILPATH",
    "MAPFILE",
    "OLDPWD",
    "OPTARG",
    "OPTERR",
    "OPTIND",
    "OSTYPE",
    "PATH",
    "PIPESTATUS",
    "POSIXLY_CORRECT",
    "PPID",
    "PROMPT_COMMAND",
    "PS0",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "PWD",
    "RANDOM",
    "READLINE_LINE",
    "READLINE_POINT",
    "REPLY",
    "SECONDS",
    "SHELL",
    "SHELLOPTS",
    "SHLVL",
    "SRANDOM",
    "TERM",
    "TIMEFORMAT",
    "TMOUT",
    "TMPDIR",
    "UID",
];
/// How variables begin that shells, the dynamic linker, perl, openssl and swaks read.
const SHELL_PREFIXES: [&str; 11] =
    ["BASH", "COMP_", "DYLD_", "EPOCH", "LC_", "LD_", "MALLOC_", "OPENSSL_", "PERL", "SSL_CERT_", "SWAKS_"];

/// The variables of the scripts themselves.
pub const SCRIPT_NAMES: [&str; 12] =
    ["folder", "from", "host", "line", "pattern", "peer", "port", "said", "status", "text", "to", "within"];

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
    let is_taken = SHELL_NAMES.contains(&name)
        || SCRIPT_NAMES.contains(&name)
        || SHELL_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
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
            ("HOST", "HOST"),
            ("from", "SECRET_from"),
            ("FROM", "FROM"),
            ("said", "SECRET_said"),
            ("PATH", "SECRET_PATH"),
            ("path", "path"),
            ("BASH_ENV", "SECRET_BASH_ENV"),
            ("SWAKS_OPT_to", "SECRET_SWAKS_OPT_to"),
            ("_", "SECRET__"),
        ] {
            assert!(is_shell_name(given), "{given}");
            assert_eq!(script_variable(given), expected);
        }
        for refused in ["", "1a", "a-b", "A:-$(touch x)", "ä", "a\nb", "A}; id; ${B"] {
            assert!(!is_shell_name(refused), "{refused:?}");
        }
        for (name, expected) in
            [("pw", "PW"), ("to", "TO"), ("path", "SECRET_PATH"), ("1a", "SECRET_1A"), ("mot-clé", "MOT_CL_")]
        {
            assert_eq!(environment_name(name), expected);
            assert!(is_shell_name(expected), "{expected}");
        }
    }
}
