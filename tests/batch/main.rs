//! Batches, from the outside: nothing is lost and nothing is sent twice, whoever dies and whatever breaks.

mod bed;
mod kills;
mod losses;
mod sharing;
mod starter;
