//! A program that is a client of the server, in a folder of its own. It never
//! outlives the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::process::{GuardedProcess, OUTPUT, is_alive};
use super::server::comes_true;

/// A client's program, before its start and while it runs.
pub struct ClientProgram {
    process: Option<GuardedProcess>,
    folder: TempDir,
}

impl ClientProgram {
    /// A folder for a program's files; nothing runs yet.
    ///
    /// # Panics
    /// When there can be no folder.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("client").tempdir();
        Self { process: None, folder: folder.unwrap_or_else(|error| panic!("no folder for a client: {error}")) }
    }

    /// Writes a file into its folder.
    ///
    /// # Panics
    /// When that fails.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Where a file of its folder is, or will be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of its folder; empty while it is not there.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Starts the program in its folder.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(&mut self, program: &Path, arguments: &[String]) {
        let process = GuardedProcess::start(program, arguments, self.folder.path());
        self.process = Some(process.unwrap_or_else(|error| panic!("{}: {error}", program.display())));
    }

    /// Does it run?
    pub fn is_running(&self) -> bool {
        self.process.as_ref().is_some_and(|process| is_alive(process.pid))
    }

    /// Waits for it to end by itself. False = it still runs.
    pub fn ends_within(&self, longest: Duration) -> bool {
        comes_true(longest, || !self.is_running())
    }

    /// Ends it, and leaves its folder.
    pub fn stop(&mut self) {
        self.process.take().into_iter().for_each(GuardedProcess::end_keeping_folder);
    }

    /// All that it printed so far.
    pub fn output(&self) -> String {
        self.read(OUTPUT)
    }
}

impl Default for ClientProgram {
    fn default() -> Self {
        Self::new()
    }
}
