//! A printed session is read back as the same session.

use super::{ShowOptions, show};
use crate::session::read::tests::{EVERY_KEY, Files};
use crate::session::{Session, Value, load};
use proptest::prelude::*;

fn read(text: &str, files: &[(&'static str, &str)]) -> Session {
    let files = Files(files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect());
    load("case.toml", text, &files, &[]).unwrap_or_else(|wrong| panic!("{text}\n{}", wrong.render(false)))
}

fn shown(text: &str, files: &[(&'static str, &str)]) -> String {
    let once = show(&read(text, files), &ShowOptions::default());
    let twice = show(&read(&once, &[]), &ShowOptions::default());
    assert_eq!(once, twice, "what is shown is shown as it is");
    once
}

/// Debug output without places and without the mark of implied steps, which differ.
fn shape(session: &Session) -> String {
    let text = format!(
        "{:?}{:?}{:?}{:?}{:?}{:?}{:?}",
        session.vars, session.tls, session.auth, session.message, session.open, session.steps, session.close
    );
    let places = regex::Regex::new(r"Span \{[^}]*\}|compiled: [^,})]*(\(\d+\))?|implied: \w+").expect("it is one");
    places.replace_all(&text, "").into_owned()
}

#[test]
fn every_key_is_printed_and_read_back() {
    let session = read(EVERY_KEY, &[]);
    let text = shown(EVERY_KEY, &[]);
    assert_eq!(shape(&session), shape(&read(&text, &[])), "{text}");
}

#[test]
fn no_line_of_a_text_is_a_command_of_github_actions() {
    let session = "[message]\nfrom = \"a@b.c\"\nto = \"d@e.f\"\ntext = \"\"\"\n::error::x\n a ::b\n  ::c\n\"\"\"\n";
    let text = shown(session, &[]);
    assert!(text.contains("\n\\u003a:error::x\n a ::b\n  \\u003a:c\n"), "{text}");
    assert_eq!(shape(&read(session, &[])), shape(&read(&text, &[])), "{text}");
}

#[test]
fn implied_sections_are_written_out() {
    let text = shown("[message]\nfrom = \"a@b.c\"\nto = \"d@e.f\"\ntext = \"one\\ntwo \\n\"\n", &[]);
    let expected = r#"[message]
from = "a@b.c"
to = ["d@e.f"]
text = """
one
two\u0020
"""

[[open]]
login = true

[[step]]
message = true
expect = 250

[[close]]
quit = true
expect = [221, "close"]
"#;
    assert_eq!(text, expected);
}

#[test]
fn an_empty_section_stays_empty() {
    let text = shown("close = []\n[message]\nfrom = \"a@b.c\"\nto = \"d@e.f\"\n", &[]);
    assert!(text.starts_with("close = []\n"), "{text}");
    assert!(!text.contains("quit"), "{text}");
}

#[test]
fn includes_are_groups_with_rebased_paths() {
    let include = "[vars]\nword = \"x\"\n[[step]]\nbody = { file = \"mail.eml\" }\nexpect = 250\n";
    let text = shown("[[step]]\ninclude = \"common/one.toml\"\nwith = { a = 1 }\n", &[("common/one.toml", include)]);
    let expected = r#"[[step]]
steps = [
  { body = { file = "common/mail.eml" }, expect = 250 },
]
with = { a = 1, word = "x" }
"#;
    assert_eq!(text, expected);
}

#[test]
fn no_literal_secret_is_shown() {
    let text = shown(
        "[secrets]\napi_key = \"canary1\"\nother = { env = \"X\", default = \"canary2\" }\npassword = { env = \"P\" }\n\
         [auth]\nuser = \"u\"\npassword = \"canary3\"\n\
         [[step]]\nexpect = 220\n[[step]]\nauth = { user = \"u\", password = \"canary4\" }\n\
         [[step]]\nauth = { user = \"v\", password = \"canary4\" }\n",
        &[],
    );
    assert!(!text.contains("canary"), "{text}");
    assert!(text.contains("api_key = { env = \"API_KEY\" }\n"), "{text}");
    assert!(text.contains("password_2 = { env = \"PASSWORD_2\" }\n"), "{text}");
    assert!(text.contains("password = \"{{ password_2 }}\""), "{text}");
    assert_eq!(text.matches("{{ password_3 }}").count(), 2, "the same password has one name: {text}");
}

#[test]
fn no_literal_that_a_secret_is_made_of_is_shown() {
    let text = shown(
        "[vars]\npw = \"canary1\"\nother = { env = \"O\", default = \"canary3\" }\nplain = \"seen\"\n\
         made = \"{{ pw }}{{ other }}\"\n\
         [secrets]\nkey = \"{{ made }}\"\n\
         [auth]\nuser = \"{{ plain }}\"\npassword = \"{{ key }}\"\n\
         [[step]]\nexpect = 220\n[[step]]\nwith = { own = \"canary4\", n = \"seen too\" }\n\
         auth = { user = \"{{ n }}\", password = \"{{ own }}\" }\n",
        &[],
    );
    assert!(!text.contains("canary"), "{text}");
    for kept in [
        "pw = { env = \"PW\" }",
        "plain = \"seen\"",
        "made = \"{{ pw }}{{ other }}\"",
        "own = { env = \"OWN\" }",
        "n = \"seen too\"",
    ] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
}

#[test]
fn the_command_line_overrides_the_file() {
    let session = read("server = \"smtp://x\"\n[vars]\na = \"1\"\nb = \"{{ a }}\"\n[[step]]\nexpect = 220\n", &[]);
    let options = ShowOptions {
        reveals_secrets: false,
        server: Some("lmtp://y".to_owned()),
        variables: vec![("a".to_owned(), Value::Text("{{ no }} {% {".to_owned())), ("c".to_owned(), Value::Integer(3))],
    };
    let text = show(&session, &options);
    assert!(text.starts_with("server = \"lmtp://y\"\n"), "{text}");
    assert!(text.contains("[vars]\na = \"{{ '{' }}{ no }} {{ '{' }}% {\"\nc = 3\nb = \"{{ a }}\"\n"), "{text}");
    read(&text, &[]);
}

#[test]
fn odd_codes_and_lengths_are_valid_toml() {
    shown("step = [{ expect = 0 }, { expect = [7, \"25x\"] }, { expect = { code = [\"000\", 250] } }]", &[]);
    shown("timeout = \"0.0001s\"\nstep = [{ expect = 220, delay = \"1.0005s\" }]", &[]);
    shown("vars = { a = nan, b = -inf, c = 1.0, d = 1e300, e = -0.0 }\nstep = [{ expect = 220 }]", &[]);
}

proptest! {
    #[test]
    fn any_text_comes_back(text in "[^{]{0,60}", name in "[a-z\u{e9} .\"]{1,8}") {
        let pairs = [
            ("send".to_owned(), super::toml::string(&text)), ("expect".to_owned(), "250".to_owned()),
        ];
        for written in [super::toml::string(&text), super::toml::text(&text), super::toml::regex(&text)] {
            let file = format!("{} = {written}\nstep = [{}]", super::toml::key(&name), super::toml::table(&pairs));
            let table: toml::Table = file.parse().expect("it is TOML");
            prop_assert_eq!(table[&name].as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn bodies_are_printed_and_read_back(text in "(.|\n|\r|\t| ){0,80}") {
        prop_assume!(!crate::session::template::lexer::has_markup(&text));
        let file = format!("[[step]]\nbody = {}\nexpect = 250\n", super::toml::string(&text));
        let session = read(&file, &[]);
        let again = read(&show(&session, &ShowOptions::default()), &[]);
        prop_assert_eq!(shape(&session), shape(&again));
    }
}
