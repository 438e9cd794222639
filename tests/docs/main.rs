//! Checks `docs/` and the README: what they show is parsed by mailrun's own parsers, their tables are compared with
//! mailrun's.

#[path = "../support/mod.rs"]
mod support;

mod blocks;
mod commands;
mod pages;

use mailrun::event::Status;
use mailrun::serve::ReplyRules;
use mailrun::session::TABLES;
use pages::{PAGES, anchor, code, page, section, tables};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use support::Folder;

/// The page and the heading below which the keys of a table of the program are documented.
fn heading(table: &str) -> (&'static str, &'static str) {
    match table {
        "a session file" => ("docs/session-file.md", "## Top-level keys"),
        "[rows]" | "\"exclude\"" => ("docs/session-file.md", "## `[rows]`"),
        "[retry]" => ("docs/session-file.md", "## `[retry]`"),
        "[tls]" => ("docs/tls-and-auth.md", "## `[tls]`"),
        "[auth]" => ("docs/tls-and-auth.md", "## `[auth]`"),
        "[message]" | "\"params\"" => ("docs/messages.md", "## `[message]`"),
        "[dkim]" => ("docs/messages.md", "## Signatures: `[dkim]`"),
        "an address" => ("docs/messages.md", "## Addresses"),
        "content" => ("docs/messages.md", "## Text and HTML"),
        "an attachment" => ("docs/messages.md", "## Attachments"),
        "an included file" => ("docs/includes.md", "# Includes"),
        "a step" | "\"raw\"" | "\"body\"" | "\"bdat\"" | "\"proxy\"" | "\"xclient\"" | "\"retry\"" | "\"chunk\"" => {
            ("docs/steps.md", "# Steps")
        }
        "\"expect\"" => ("docs/expectations.md", "## `expect`"),
        "a source" => ("docs/templates.md", "## Variables and secrets"),
        other => panic!("no page has a section for the keys of {other}"),
    }
}

#[test]
fn every_key_is_documented_and_no_other() {
    let mut declared: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    for keys in TABLES {
        let names = keys.keys.iter().map(|key| key.name.to_owned());
        declared.entry(heading(keys.title)).or_default().extend(names);
    }
    for ((name, heading), names) in &declared {
        let text = section(&page(name), heading);
        let rows = tables(&text).into_iter().filter(|(first, _)| ["key", "action"].contains(&first.as_str()));
        let cells: BTreeSet<_> =
            rows.flat_map(|(_, rows)| rows).filter_map(|row| code(&row[0]).map(str::to_owned)).collect();
        assert_eq!(&cells, names, "the keys below {heading} of {name}, and those of the program");
    }
}

#[test]
fn the_documented_rules_have_the_keys_of_the_program() {
    let text = section(&page("docs/serve.md"), "## Rules");
    for (_, rows) in tables(&text) {
        for row in rows {
            let key = code(&row[0]).expect("a key is in backticks");
            let value = match row[1].as_str() {
                "integer" => "1",
                "boolean" => "true",
                "duration" => "\"1s\"",
                _ => "\"250 x\"",
            };
            let needed = if key == "verb" { "" } else { "verb = \"RCPT\"\n" };
            let reply = if key == "reply" { "" } else { "reply = \"250 x\"\n" };
            let value = if key == "verb" { "\"RCPT\"" } else { value };
            let rules = format!("[[on]]\n{needed}{reply}{key} = {value}\n");
            assert!(
                ReplyRules::read("rules.toml", &rules).is_ok(),
                "{key}: {:?}",
                ReplyRules::read("rules.toml", &rules)
            );
        }
    }
}

#[test]
fn the_sink_offers_and_replies_what_is_documented() {
    let text = "server = 'smtp://127.0.0.1'\nmessage = { from = 'a@b.example', to = ['c@d.example'], text = 'x' }\n";
    let folder = Folder::new().with("s.toml", text);
    let transcript = folder.mailrun(["run", "--dry-run", "s.toml"]).run().stdout;
    let documented = section(&page("docs/serve.md"), "## The sink");
    let between = |from, to| documented.split_once(from).and_then(|(_, text)| Some(text.split_once(to)?.0));
    let offers = between("It offers", "understands").expect("what it offers, and what else it does");
    let is_keyword = |word: &&str| word.len() > 2 && !word.contains(|c: char| c.is_ascii_lowercase());
    let offers: BTreeSet<&str> = offers.split(|c: char| !c.is_ascii_alphanumeric()).filter(is_keyword).collect();
    let lines = transcript.lines().skip_while(|line| !line.starts_with("C: EHLO")).skip(2);
    let said: BTreeSet<&str> = lines.map_while(|line| line.strip_prefix("S: 250")?[1..].split(' ').next()).collect();
    assert_eq!(offers, said, "{transcript}");
    let reply = between("names them: `", "NAME`").expect("what it says");
    assert!(transcript.contains(&format!("\nS: {reply}")), "{reply} is not in\n{transcript}");
}

#[test]
fn the_exit_statuses_are_those_of_the_program() {
    let text = section(&page("docs/results.md"), "## Exit statuses");
    let rows = tables(&text).into_iter().next().expect("the section has a table").1;
    let documented: Vec<(u8, String)> = rows
        .iter()
        .map(|row| {
            let number = row[0].split_whitespace().next().and_then(|word| word.parse().ok());
            (number.expect("a row begins with its status"), code(&row[0]).unwrap_or_default().to_owned())
        })
        .collect();
    let statuses: Vec<_> = Status::ALL.iter().map(|status| (status.code(), status.name().to_owned())).collect();
    assert_eq!(documented, statuses);

    // The README groups some.
    let text = section(&page("README.md"), "## Exit statuses");
    let rows = tables(&text).into_iter().next().expect("the section has a table").1;
    let numbers = |cell: &String| cell.split(", ").map(|number| number.parse::<u8>().expect(cell)).collect::<Vec<_>>();
    let documented: Vec<u8> = rows.iter().flat_map(|row| numbers(&row[0])).collect();
    assert_eq!(documented, Status::ALL.map(Status::code));
}

#[test]
fn the_documented_order_of_statuses_is_that_of_the_program() {
    let text = section(&page("docs/results.md"), "## Exit statuses");
    let (_, list) = text.split_once("the first of ").expect("the page gives the order");
    let list = list.split_once(" that occurred").expect("the list has an end").0;
    let order: Vec<u8> = list.split(", ").map(|number| number.parse().expect(number)).collect();
    let find = |code: &u8| *Status::ALL.iter().find(|status| status.code() == *code).expect("it is a status");
    for (index, first) in order.iter().enumerate() {
        for later in &order[index..] {
            assert_eq!(Status::worst([find(later), find(first)]).code(), *first, "{first} comes before {later}");
        }
    }
    // 0, 129, 130 and 143 are not in the order.
    assert_eq!(order.len(), Status::ALL.len() - 4);
}

/// The options of a command as its table should show them, with their variables.
fn options(command: &clap::Command) -> BTreeSet<(String, String)> {
    let options = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version"));
    options
        .filter_map(|arg| {
            let long = arg.get_long()?;
            let value = match arg.get_action() {
                clap::ArgAction::SetTrue => String::new(),
                _ => arg.get_value_names().and_then(|names| names.first()).map(|name| format!(" {name}"))?,
            };
            // A variable that was left over must not choose who gets mail, or show secrets.
            let only_here =
                ["to", "key", "limit", "show-secrets", "resend-unknown", "yes"].contains(&long) && value != " FILE";
            let variable = match only_here {
                true => String::new(),
                false => format!("MAILRUN_{}", long.replace('-', "_").to_uppercase()),
            };
            Some((format!("--{long}{value}"), variable))
        })
        .collect()
}

/// The rows of the option tables of a section, and of sections that it links to as `[the options …](#anchor)`.
fn option_rows(page: &str, text: &str) -> Vec<Vec<String>> {
    let targets = text.split("[the options ").skip(1).filter_map(|rest| rest.split_once("](#")?.1.split(')').next());
    let linked = targets.map(|target| {
        let heading = page.lines().find(|line| line.starts_with('#') && anchor(line) == target);
        section(page, heading.unwrap_or_else(|| panic!("there is no heading for #{target}")))
    });
    let texts = std::iter::once(text.to_owned()).chain(linked);
    let tables = texts.flat_map(|text| tables(&text)).filter(|(first, _)| first == "option");
    tables.flat_map(|(_, rows)| rows).collect()
}

#[test]
fn every_command_and_option_is_documented_and_no_other() {
    let page = page("docs/cli.md");
    let mut definition = mailrun::cli::definition();
    definition.build();
    let names: Vec<_> = definition.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let names: Vec<_> = names.into_iter().filter(|name| name != "help").collect();
    let headings: Vec<_> =
        page.lines().filter_map(|line| line.strip_prefix("## `mailrun ")?.strip_suffix('`')).collect();
    assert_eq!(headings, names, "a section for each command");
    for name in names {
        let command = definition.find_subcommand_mut(&name).expect("it was listed");
        let text = section(&page, &format!("## `mailrun {name}`"));
        let usage = command.render_usage().to_string();
        assert!(text.contains(&format!("```\n{usage}\n```")), "{name}: the page lacks\n{usage}");
        let documented: BTreeSet<_> = option_rows(&page, &text)
            .iter()
            .map(|row| {
                // A short form may come before the long one.
                let option = row[0].split('`').find(|part| part.starts_with("--")).expect("a row names its option");
                (option.to_owned(), code(&row[1]).unwrap_or_default().to_owned())
            })
            .collect();
        assert_eq!(documented, options(command), "the options of {name}");
    }
}

#[test]
fn links_between_the_pages_are_valid() {
    for name in PAGES {
        let text = page(name);
        let folder = Path::new(name).parent().expect("a page has a folder");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { name.to_owned() } else { folder.join(file).display().to_string() };
            if Path::new(env!("CARGO_MANIFEST_DIR")).join(&file).is_dir() {
                continue;
            }
            let linked = page(&file);
            let found = place.is_empty() || linked.lines().any(|line| line.starts_with('#') && anchor(line) == place);
            assert!(found, "{name}: `{target}` leads nowhere");
        }
    }
}
