//! Reports which row of a fault walk failed.

/// Held while a row is played; printed if the row panics.
pub struct Note(String);

impl Note {
    /// A note about the row.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Drop for Note {
    #[expect(clippy::print_stderr, reason = "shown beside a failed test's own message")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("while playing: {}", self.0);
        }
    }
}
