//! The values of names: where they come from, and templates rendered with them.

mod gather;
mod known;
mod missing;
mod own;
mod prepare;
mod refresh;
mod renderer;
mod source;

pub use gather::{DKIM_KEY, PLACEHOLDER, unsigned};
pub use known::KnownValues;
pub use prepare::{PreparedValues, new_scope, outside_failure, prepare};
pub use renderer::{Renderer, one_line};
pub use source::ValueReader;
