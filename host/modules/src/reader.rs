//! Reads the directory of modules away from the threads that serve requests, one read at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Rejection;
use crate::blocking::OneAtATime;
use crate::directory::{Directory, Listing, Stamp};
use crate::limits::DIRECTORY_DEADLINE;

/// Reads one directory. A directory that hangs keeps one thread; a caller that waits gets an error at the deadline.
#[derive(Clone)]
pub(crate) struct Reader {
    path: PathBuf,
    directory: Arc<OneAtATime<Directory>>,
}

impl Reader {
    pub(crate) fn new(path: PathBuf, module_bytes_max: usize) -> Self {
        let directory = Directory::new(path.clone(), module_bytes_max);
        Self { path, directory: Arc::new(OneAtATime::new(directory, DIRECTORY_DEADLINE)) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// # Errors
    /// As `Directory::list`, or when the read takes too long.
    pub(crate) async fn list(&self) -> Result<Listing, Rejection> {
        self.run(Directory::list).await
    }

    /// # Errors
    /// As `Directory::read`, or when the read takes too long.
    pub(crate) async fn read(&self, name: String) -> Result<(Vec<u8>, Option<Vec<u8>>), Rejection> {
        self.run(move |directory| directory.read(&name)).await
    }

    /// # Errors
    /// As `Directory::stamps`, or when the read takes too long.
    pub(crate) async fn stamps(&self) -> Result<BTreeMap<String, Option<Stamp>>, Rejection> {
        self.run(|directory| directory.stamps()).await
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Directory) -> Result<T, Rejection> + Send + 'static,
    ) -> Result<T, Rejection> {
        let failed =
            |what| Rejection::Transient(format!("reading the directory of modules `{}` {what}", self.path.display()));
        self.directory.run(job).await.unwrap_or_else(|what| Err(failed(what)))
    }
}
