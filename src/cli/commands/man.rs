//! `mailrun man`: manual pages.

use crate::cli::arguments::{ManArguments, definition};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::event::Status;
use clap::Command;
use clap_mangen::Man;
use std::io::{self, Write};

/// Prints the manual page of the program, or of one of its commands.
pub fn main(arguments: &ManArguments) -> Result<Status, CommandError> {
    let mut definition = definition();
    definition.build();
    let page = match &arguments.command {
        None => &definition,
        Some(name) => definition
            .find_subcommand(name)
            .ok_or_else(|| CommandError::usage(format!("unknown command {}", name.escape_default())))?,
    };
    Ok(console::print(&manual_page(&definition, page)))
}

/// How clap_mangen begins each section: what an apostrophe is. Once is enough.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// The page of `page`, which is `definition` or one of its commands.
fn manual_page(definition: &Command, page: &Command) -> String {
    let mut out = Vec::new();
    let (statuses, environment) = about_all_commands(definition);
    let version = definition.get_version().unwrap_or_default();
    // Writing to memory cannot fail.
    let _ = write(page, version, &statuses, &environment, &mut out);
    let page = String::from_utf8_lossy(&out).replace(PREAMBLE, "");
    format!("{PREAMBLE}{}", ascii(&page))
}

fn man_title(page: &Command) -> &str {
    page.get_display_name().unwrap_or_else(|| page.get_name())
}

/// Other characters as escapes: troff itself reads Latin-1.
fn ascii(page: &str) -> String {
    let written = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) };
    page.chars().map(written).collect()
}

/// What the program's help says about exit statuses, and about the environment: they hold for all commands.
fn about_all_commands(definition: &Command) -> (String, String) {
    let text = definition.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (statuses, environment) = text.split_once("\n\n").unwrap_or((&text, ""));
    (statuses.to_owned(), environment.to_owned())
}

fn write(page: &Command, version: &str, statuses: &str, environment: &str, out: &mut impl Write) -> io::Result<()> {
    let man = Man::new(page.clone().subcommand_help_heading("COMMANDS"));
    // The library would put the version in the place of the date, which a page has not.
    writeln!(out, ".TH \"{}\" \"1\" \"\" \"mailrun {version}\"", man_title(page))?;
    man.render_name_section(out)?;
    let usage = page.clone().render_usage().to_string();
    writeln!(out, ".SH SYNOPSIS")?;
    // clap indents the further lines.
    let usage: Vec<&str> = usage.trim_start_matches("Usage: ").lines().map(str::trim).collect();
    writeln!(out, "{}", roff(&usage.join("\n")))?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if page.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    let examples = page.get_after_help().map(ToString::to_string).unwrap_or_default();
    if let Some(examples) = ["Examples:\n", "Example:\n"].iter().find_map(|head| examples.strip_prefix(head)) {
        section("EXAMPLES", examples, out)?;
    }
    section("EXIT STATUS", statuses, out)?;
    section("ENVIRONMENT", environment, out)
}

/// A section whose lines stay as they are.
fn section(title: &str, text: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, ".SH \"{title}\"\n.nf\n{}\n.fi", roff(text.trim_end()))
}

/// Text as troff prints it literally.
fn roff(text: &str) -> String {
    let escaped = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
    };
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_its_sections_and_values() {
        let mut definition = definition();
        definition.build();
        for page in definition.get_subcommands().filter(|page| page.get_name() != "help") {
            let text = manual_page(&definition, page);
            assert!(text.contains("   75  ") && text.contains("MAILRUN_CONNECT_TIMEOUT"), "{text}");
            assert_eq!(text.matches(".ds Aq").count(), 2, "the preamble is there once: {text}");
            let title = text.lines().find(|line| line.starts_with(".TH ")).expect("a page has a title");
            let (name, version) = (page.get_name(), env!("CARGO_PKG_VERSION"));
            assert_eq!(title, format!(".TH \"mailrun-{name}\" \"1\" \"\" \"mailrun {version}\""));
            for title in [".SH NAME", ".SH SYNOPSIS", ".SH \"EXIT STATUS\"", ".SH ENVIRONMENT"] {
                let quoted = title.replace(".SH ENVIRONMENT", ".SH \"ENVIRONMENT\"");
                assert!(text.contains(title) || text.contains(&quoted), "{}: {title}", page.get_name());
            }
            assert!(!text.contains(".SH EXTRA") && text.is_ascii(), "{}", page.get_name());
            let headings: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
            assert_eq!(headings.contains(&"COMMANDS"), page.has_subcommands(), "{headings:?}");
            assert!(!headings.contains(&"SUBCOMMANDS"), "{headings:?}");
        }
    }

    #[test]
    fn a_character_beyond_ascii_is_an_escape() {
        assert_eq!(ascii("{ command = … }"), "{ command = \\[u2026] }");
    }

    #[test]
    fn nothing_in_a_text_is_a_request() {
        assert_eq!(roff(".x -y\n'z\\n"), "\\&.x \\-y\n\\&'z\\en");
    }
}
