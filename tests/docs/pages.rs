//! The pages, and what is in them.

use std::fs;
use std::path::Path;

pub const PAGES: [&str; 29] = [
    "README.md",
    "docs/session-file.md",
    "docs/steps.md",
    "docs/includes.md",
    "docs/expectations.md",
    "docs/templates.md",
    "docs/messages.md",
    "docs/tls-and-auth.md",
    "docs/limits.md",
    "docs/reports.md",
    "docs/transcript.md",
    "docs/cli.md",
    "docs/serve.md",
    "docs/import.md",
    "docs/probe.md",
    "docs/bugs.md",
    "docs/reduce.md",
    "docs/shell.md",
    "docs/diff.md",
    "docs/export.md",
    "docs/ci.md",
    "docs/monitoring.md",
    "docs/batch.md",
    "docs/events.md",
    "docs/results.md",
    "docs/connecting.md",
    "docs/smoke.md",
    "docs/servers.md",
    "ARCHITECTURE.md",
];

pub fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The lines of a page below a heading, up to the next one of its level or above.
pub fn section(page: &str, heading: &str) -> String {
    let level = heading.chars().take_while(|c| *c == '#').count();
    let mut lines = page.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "there is no heading `{heading}`");
    let mut fenced = false;
    lines
        .take_while(|line| {
            fenced ^= line.starts_with("```");
            let depth = line.chars().take_while(|c| *c == '#').count();
            fenced || depth == 0 || depth > level
        })
        .fold(String::new(), |text, line| text + line + "\n")
}

/// The tables of a text: the first cell of the header, and the rows.
pub fn tables(text: &str) -> Vec<(String, Vec<Vec<String>>)> {
    let mut tables: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let Some(row) = line.strip_prefix('|') else {
            inside = false;
            continue;
        };
        let row = row.trim_end().trim_end_matches('|').replace("\\|", "\u{0}");
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect();
        if !inside {
            tables.push((cells[0].clone(), Vec::new()));
            inside = true;
        } else if let Some((_, rows)) = tables.last_mut().filter(|_| !cells.iter().all(|cell| cell == "---")) {
            rows.push(cells);
        }
    }
    tables
}

/// The text between the first backticks of a cell.
pub fn code(cell: &str) -> Option<&str> {
    cell.split('`').nth(1)
}

/// The anchor of a heading as GitHub makes it: small letters, `-` for spaces, and no other signs.
pub fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}
