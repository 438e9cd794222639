pub mod auth_string;
pub mod check;
pub mod ledger;
pub mod new;
pub mod run;
pub mod serve;
pub mod test;
