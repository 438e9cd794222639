//! Includes become steps.

use super::Files;
use crate::session::*;

fn load_with(text: &str, files: &[(&'static str, &str)]) -> Result<Session, String> {
    let files = Files(files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect());
    load("sessions/main.toml", text, &files, &[]).map_err(|wrong| wrong.render(false))
}

#[test]
fn an_include_becomes_a_group_with_its_variables() {
    let text = "[[step]]\ninclude = \"common/noop.toml\"\nwith = { word = \"inner\" }\n";
    let noop = "[vars]\nword = \"default\"\nother = \"{{ word }}!\"\n[[step]]\nsend = \"NOOP {{ word }}{{ other }}\"\nexpect = 250\n";
    let session = load_with(text, &[("common/noop.toml", noop)]).expect("it is right");
    let [Step { action: Action::Steps(steps), with, .. }] = &session.steps[..] else { panic!("{:?}", session.steps) };
    assert_eq!(with.iter().map(|variable| variable.name.as_str()).collect::<Vec<_>>(), ["word", "other"]);
    let place = session.source_map.place(&steps[0].span);
    assert_eq!((place.file.as_str(), place.line), ("sessions/common/noop.toml", 4));
}

#[test]
fn paths_in_an_include_are_relative_to_it() {
    let text = "[[step]]\ninclude = \"a/one.toml\"\n";
    let one = "[[step]]\ninclude = \"b/two.toml\"\n";
    let two = "[[step]]\nbody = { file = \"mail.eml\" }\nexpect = 250\n";
    let session = load_with(text, &[("a/one.toml", one), ("a/b/two.toml", two)]).expect("it is right");
    assert!(format!("{:?}", session.steps).contains("base: \"a/b\""), "{:?}", session.steps);
}

#[test]
fn errors_in_an_include_are_reported_once_with_their_place() {
    let text = "[[step]]\ninclude = \"x.toml\"\n[[step]]\ninclude = \"x.toml\"\n";
    let shown = load_with(text, &[("x.toml", "colour = 1\n[[step]]\nexpct = 1\n")]).err().expect("it is wrong");
    assert!(shown.starts_with("sessions/x.toml:1:1: error: unknown key \"colour\" in an included file"), "{shown}");
    assert_eq!(shown.matches(": error: ").count(), 2, "{shown}");
}

#[test]
fn an_include_cycle_is_an_error_with_its_chain() {
    let one = "[[step]]\ninclude = \"two.toml\"\n";
    let two = "[[step]]\ninclude = \"./one.toml\"\n";
    let files = [("one.toml", one), ("two.toml", two), ("./one.toml", one)];
    let shown = load_with("[[step]]\ninclude = \"one.toml\"\n", &files).err().expect("it is wrong");
    assert!(shown.contains("one.toml → two.toml → one.toml"), "{shown}");
    assert!(shown.starts_with("sessions/two.toml:2:11: error:"), "{shown}");
    let own = load_with("[[step]]\ninclude = \"main.toml\"\n", &[]).err().expect("it is wrong");
    assert!(own.contains("main.toml → main.toml"), "{own}");
}

#[test]
fn includes_nest_sixteen_deep_and_no_deeper() {
    let names: [&'static str; 18] = [
        "f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12", "f13", "f14", "f15", "f16",
        "f17",
    ];
    let nested = |deepest: usize| {
        let mut files = Files::default();
        for (index, name) in names.iter().enumerate() {
            let text = match index {
                last if last == deepest => "[[step]]\nexpect = 220\n".to_owned(),
                _ => format!("[[step]]\ninclude = \"f{}\"\n", index + 1),
            };
            files.0.insert(name, text);
        }
        load("m", "[[step]]\ninclude = \"f1\"\n", &files, &[]).map_err(|wrong| wrong.render(false))
    };
    assert!(nested(16).is_ok());
    assert!(nested(17).err().expect("too deep").contains("more than 16 deep"));
}

#[test]
fn invalid_includes_are_errors() {
    let table = [
        ("server = \"smtp://x\"\n[[step]]\nexpect = 220\n", "unknown key \"server\"", "settings"),
        ("[vars]\na = 1\n", "has no [[step]]", "no step"),
        ("[[step]]\nsend = \"{{ nobody }}\"\nexpect = 1\n", "nothing defines", "names that nobody gives"),
        ("[[step]\n", "sessions/x.toml:1:", "broken syntax"),
    ];
    for (include, words, why) in table {
        let shown = load_with("[[step]]\ninclude = \"x.toml\"\n", &[("x.toml", include)]).err().expect(why);
        assert!(shown.contains(words), "{why}: {shown}");
    }
}

#[test]
fn an_unreadable_include_has_status_66() {
    let wrong = load("m", "[[step]]\ninclude = \"x.toml\"\n", &Files::default(), &[]).err().expect("no such file");
    assert!(wrong.list.iter().all(|one| one.no_input));
}

#[test]
fn doubling_includes_end_at_the_limit_of_steps() {
    let names: [&'static str; 17] =
        ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12", "f13", "f14", "f15", "f16"];
    let mut files = Files::default();
    for (index, name) in names.iter().enumerate() {
        let text = match index {
            16 => "[[step]]\nexpect = 220\n".to_owned(),
            _ => format!("[[step]]\ninclude = \"f{}\"\n", index + 1).repeat(4),
        };
        files.0.insert(name, text);
    }
    let shown = load("m", "[[step]]\ninclude = \"f1\"\n", &files, &[]).err().expect("too many").render(false);
    assert!(shown.contains("more than 100000 steps"), "{shown}");
}
