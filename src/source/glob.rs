//! Patterns for file names: `*`, `?`, `[a-z]`, `[!a]`, and `**` for folders at any depth.

/// Whether `text` is a pattern.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a pattern matches a name without slashes. Names that begin with `_` (includes) or `.` match only if the
/// pattern begins with that character, as in shells.
pub fn glob_matches(pattern: &str, name: &str) -> bool {
    for hidden in ['.', '_'] {
        if name.starts_with(hidden) && !pattern.starts_with(hidden) {
            return false;
        }
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // The position of the last star and the end that was tried for it. One step back is enough, so that no pattern takes
    // more steps than the product of both lengths.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
            continue;
        }
        match match_one(&pattern[p..], name[n]) {
            Some(length) => {
                p += length;
                n += 1;
            }
            None => match star {
                Some((at, tried)) => {
                    star = Some((at, tried + 1));
                    p = at + 1;
                    n = tried + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// How many characters of the pattern match `c`; `None` if they do not.
fn match_one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => match match_set(pattern, c) {
            Some((true, length)) => Some(length),
            Some((false, _)) => None,
            // A set that is not closed is a bracket.
            None => (c == '[').then_some(1),
        },
        &other => (other == c).then_some(1),
    }
}

/// Whether the set at the beginning of `pattern` has `c`, and the length of the set; `None` if it is not closed.
fn match_set(pattern: &[char], c: char) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let first = if negated { 2 } else { 1 };
    // A bracket at the beginning is one of the characters.
    let end = first + 1 + pattern.get(first + 1..)?.iter().position(|&c| c == ']')?;
    let mut found = false;
    let mut at = first;
    while at < end {
        if at + 2 < end && pattern[at + 1] == '-' {
            found |= (pattern[at]..=pattern[at + 2]).contains(&c);
            at += 3;
        } else {
            found |= pattern[at] == c;
            at += 1;
        }
    }
    Some((found != negated, end + 1))
}

#[cfg(test)]
mod tests {
    use super::glob_matches;
    use proptest::prelude::*;

    #[test]
    fn names_fit_patterns() {
        let table = [
            ("*.toml", "a.toml", true, "a star"),
            ("*.toml", "a.txt", false, "another end"),
            ("a*b*c", "a-b-b-c", true, "two stars, a step back"),
            ("?.toml", "ä.toml", true, "one character, however many bytes"),
            ("?.toml", "ab.toml", false, "two characters"),
            ("[a-c]x", "bx", true, "a range"),
            ("[!a-c]x", "bx", false, "a negated range"),
            ("[]x]", "]", true, "a bracket in a set"),
            ("[a", "[a", true, "a set without end is a bracket"),
            ("*.toml", "_a.toml", false, "includes are not sessions"),
            ("_*.toml", "_a.toml", true, "but may be asked for"),
            ("*", ".hidden", false, "hidden names"),
            ("", "", true, "nothing"),
            ("**", "abc", true, "stars in a row"),
        ];
        for (pattern, name, expected, why) in table {
            assert_eq!(glob_matches(pattern, name), expected, "{why}: {pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern in r"[\[\]*?!a-c^-]{0,12}", name in "[a-c\\[\\]-]{0,12}") {
            glob_matches(&pattern, &name);
        }

        #[test]
        fn a_plain_pattern_fits_itself_alone(name in "[a-z.]{1,8}", other in "[a-z.]{1,8}") {
            prop_assert_eq!(glob_matches(&name, &other), name == other);
        }
    }
}
