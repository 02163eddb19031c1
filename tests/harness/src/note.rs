//! Says which row of a walk failed.

/// Held while a row is played; printed when the row panics.
pub struct Note(String);

impl Note {
    /// A note on what is being played.
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
