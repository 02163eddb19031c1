//! Answers each read with the stored entry: one storage call for a request.

use std::process::ExitCode;

use async_trait::async_trait;
use floors_base::{Floor, answer, run, settings_key, stored};
use plugin_protocol::{Error, Operation, Request, Response, StorageClient};

fn main() -> ExitCode {
    run::<OneRead>("floor-one-read")
}

struct OneRead(StorageClient);

#[async_trait]
impl Floor for OneRead {
    fn new(storage: StorageClient) -> Self {
        Self(storage)
    }

    async fn answer(&self, request: Request) -> Result<Option<Response>, Error> {
        // The server calls rollback each minute.
        if request.operation != Operation::Read {
            return Err(Error::UnsupportedOperation);
        }
        let key = settings_key(&request.path).ok_or(Error::UnsupportedPath)?;
        Ok(Some(answer(&stored(&self.0, &key).await?)))
    }
}
