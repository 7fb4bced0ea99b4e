//! What a node counts about letters.

use super::Count;

/// What the post and the postman count.
#[derive(Debug, Default)]
pub struct MailStats {
    /// Letters that were put into the mail.
    pub kept: Count,
    /// Letters that had to go, since their user had too many.
    pub dropped: Count,
    /// Letters removed since a client has them.
    pub confirmed: Count,
    /// Letters removed since they were worth nothing any more.
    pub expired: Count,
    /// Letters that were left for a newer node, each time they were met.
    pub newer: Count,
    /// Letters removed since they cannot be read.
    pub unreadable: Count,
    /// Calls of the mail that failed.
    pub errors: Count,
}
