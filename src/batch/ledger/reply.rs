//! What a reply that the ledger keeps says.

/// The name that the server gave the message, where it says `queued as NAME`.
pub fn queue_id(reply: &str) -> Option<&str> {
    let (_, after) = reply.split_once("queued as ")?;
    after.split([' ', '\\', ')', ',']).next().filter(|id| !id.is_empty())
}
