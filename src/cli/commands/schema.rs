//! `mailrun schema`: the JSON Schema of session files.

use crate::cli::output::console;
use crate::event::Status;

/// Prints the JSON Schema of session files.
pub fn main() -> Status {
    console::print(&schema_text())
}

/// The schema as it is printed and published.
fn schema_text() -> String {
    format!("{:#}\n", crate::session::schema())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schema_is_up_to_date() {
        let published = include_str!("../../../docs/session.schema.json");
        assert_eq!(published, schema_text(), "`mailrun schema > docs/session.schema.json` mends it");
    }
}
