//! A client program of the server, in a folder of its own. It never outlives the test.

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
    /// A folder for a program's files. No program runs yet.
    ///
    /// # Panics
    /// When the folder cannot be created.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("client").tempdir();
        Self { process: None, folder: folder.unwrap_or_else(|error| panic!("no folder for a client: {error}")) }
    }

    /// Writes a file into the folder.
    ///
    /// # Panics
    /// When the write fails.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Path of a file in the folder, which need not exist yet.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Content of a file in the folder; empty if the file does not exist.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Starts the program in the folder, after the end of the one before. The files stay.
    ///
    /// # Panics
    /// When the program does not start.
    pub fn start(&mut self, program: &Path, arguments: &[String]) {
        self.stop();
        let process = GuardedProcess::start(program, arguments, self.folder.path());
        self.process = Some(process.unwrap_or_else(|error| panic!("{}: {error}", program.display())));
    }

    /// Is the program running?
    pub fn is_running(&self) -> bool {
        self.process.as_ref().is_some_and(|process| is_alive(process.pid))
    }

    /// Waits until the program ends by itself. False if it still runs.
    pub fn ends_within(&self, longest: Duration) -> bool {
        comes_true(longest, || !self.is_running())
    }

    /// Ends the program and keeps its folder.
    pub fn stop(&mut self) {
        self.process.take().into_iter().for_each(GuardedProcess::end_keeping_folder);
    }

    /// Output of the program so far.
    pub fn output(&self) -> String {
        self.read(OUTPUT)
    }
}

impl Default for ClientProgram {
    fn default() -> Self {
        Self::new()
    }
}
