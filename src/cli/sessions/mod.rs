//! Finds, reads and selects the sessions of the command line.

pub mod diagnostics;
pub mod dkim_key;
pub mod load;
pub mod reach;
pub mod row_columns;
pub mod selection;
pub mod variables;
