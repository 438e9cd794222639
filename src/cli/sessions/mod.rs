//! Finds, reads and selects the sessions of the command line.

pub mod columns;
pub mod content_abroad;
pub mod diagnostics;
pub mod dkim_key;
pub mod load;
pub mod reach;
pub mod selection;
pub mod template_files;
pub mod variables;
