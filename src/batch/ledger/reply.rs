//! What the ledger reads from replies.

/// The name that the server gave the message, if the reply says `queued as NAME`.
pub fn queue_id(reply: &str) -> Option<&str> {
    let (_, after) = reply.split_once("queued as ")?;
    after.split([' ', '\\', ')', ',']).next().filter(|id| !id.is_empty())
}
