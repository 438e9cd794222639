//! Prints a session as a session file that runs the same, with everything implied and included spelled out.

use super::Session;

pub fn show(session: &Session) -> String {
    let _ = session;
    todo!()
}
