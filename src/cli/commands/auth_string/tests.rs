use super::*;
use clap::Parser;

/// The lines of standard input.
struct Lines(Vec<&'static str>);

impl Prompt for Lines {
    fn ask(&mut self, _: &str, _: bool) -> std::io::Result<Option<String>> {
        Ok((!self.0.is_empty()).then(|| self.0.remove(0).to_owned()))
    }
}

/// Arguments, standard input, what must come of them, why.
type Case<T> = (&'static [&'static str], &'static [&'static str], T, &'static str);

fn auth_string(line: &[&str], input: &[&'static str]) -> Result<Vec<String>, CommandError> {
    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        arguments: AuthStringArguments,
    }
    let arguments = Only::try_parse_from(std::iter::once(&"auth-string").chain(line)).expect("valid").arguments;
    let mut input = Lines(input.to_vec());
    check_options(&arguments, &|option| match option {
        "challenge" if line.contains(&"EXTERNAL") => "MAILRUN_CHALLENGE".to_owned(),
        _ => format!("--{option}"),
    })?;
    if arguments.decode { decode(&arguments, &mut input) } else { encode(&arguments, &mut input) }
}

#[test]
fn each_mechanism_gives_its_lines() {
    let table: [Case<&[&str]>; 9] = [
        (&["PLAIN", "--user", "tim", "--password", "tanstaaf"], &[], &["AHRpbQB0YW5zdGFhZg=="], "one line"),
        (&["plain", "--user=tim"], &["tanstaaf"], &["AHRpbQB0YW5zdGFhZg=="], "the password is asked for"),
        (&["PLAIN", "--authzid=a"], &["tim", "tanstaaf"], &["YQB0aW0AdGFuc3RhYWY="], "an authorization identity"),
        (&["LOGIN"], &["tim", "tanstaaf"], &["dGlt", "dGFuc3RhYWY="], "user and password on a line each"),
        (
            &[
                "CRAM-MD5",
                "--user",
                "tim",
                "--password",
                "tanstaaftanstaaf",
                "--challenge",
                "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+",
            ],
            &[],
            &["dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"],
            "RFC 2195 §2",
        ),
        (
            &["CRAM-MD5"],
            &["tim", "tanstaaftanstaaf", "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"],
            &["dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"],
            "all of it is asked for",
        ),
        (
            &["XOAUTH2", "--user", "someuser@example.com", "--token", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"],
            &[],
            &[
                "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==",
            ],
            "Google's example",
        ),
        (&["EXTERNAL", "--challenge=x"], &[], &["="], "a variable may be meant for other commands"),
        (&["EXTERNAL"], &[], &["="], "RFC 4954 §4: an empty initial response"),
    ];
    for (line, input, expected, why) in table {
        let lines = auth_string(line, input).unwrap_or_else(|error| panic!("{why}: {error:?}"));
        assert_eq!(lines, expected, "{why}");
    }
}

#[test]
fn strings_that_cannot_be_made_are_refused() {
    let table: [Case<(Status, &str)>; 10] = [
        (&["PLAIN", "--user=tim"], &[], (Status::DataErr, "password"), "input ended"),
        (&["PLAIN", "--user=t\nim"], &["x"], (Status::DataErr, "line break"), "it would be another command"),
        (&["SCRAM-SHA-256"], &[], (Status::Usage, "nonce"), "the server's nonce is unknown"),
        (&["NTLM"], &[], (Status::Usage, "NTLM"), "not supported"),
        (&["CRAM-MD5", "--user=a", "--password=b", "--challenge=%"], &[], (Status::Usage, "base64"), "no challenge"),
        (&["--decode", "%%%%"], &[], (Status::DataErr, "base64"), "not base64"),
        (&["LOGIN", "--authzid=c"], &[], (Status::Usage, "LOGIN does not use --authzid"), "it would be dropped"),
        (&["PLAIN", "--challenge=x"], &[], (Status::Usage, "PLAIN does not use --challenge"), "the same"),
        (&["--decode", "eA==", "--user=a"], &[], (Status::Usage, "--decode does not use --user"), "nothing is encoded"),
        (&["PLIAN"], &[], (Status::Usage, "ANONYMOUS: did you mean PLAIN?"), "mistyped"),
    ];
    for (line, input, (status, word), why) in table {
        let CommandError { status: got, message, .. } = auth_string(line, input).expect_err(why);
        assert_eq!(got, status, "{why}");
        assert!(message.contains(word), "{why}: {message}");
    }
}

#[test]
fn base64_is_shown_in_the_clear() {
    let table: [Case<&[&str]>; 6] = [
        (&["--decode", "AHRpbQB0YW5zdGFhZg=="], &[], &["\\x00tim\\x00tanstaaf"], "alone"),
        (&["PLAIN", "--decode", "AHRpbQB0YW5zdGFhZg=="], &[], &["\\x00tim\\x00tanstaaf"], "after a mechanism"),
        (&["--decode", "AHRpbQB0YW5zdGFhZg"], &[], &["\\x00tim\\x00tanstaaf"], "without padding"),
        (&["--decode"], &["VXNlcm5hbWU6", "UGFzc3dvcmQ6"], &["Username:", "Password:"], "from standard input"),
        (&["--decode", "="], &[], &[""], "an empty response"),
        (&["--decode", "G1sySg=="], &[], &["\\x1b[2J"], "no escape sequence reaches the terminal"),
    ];
    for (line, input, expected, why) in table {
        assert_eq!(auth_string(line, input).expect(why), expected, "{why}");
    }
}
