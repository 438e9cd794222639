//! Batches, from the outside: nothing is lost and nothing is sent twice, whoever dies and whatever breaks.

mod bed;
mod book;
mod kills;
mod ledgers;
mod losses;
mod rows;
mod said;
mod sharing;
mod signals;
mod starter;
