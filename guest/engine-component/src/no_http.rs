//! An engine without the feature `http`: it imports no HTTP, so that its operator is not asked to allow any.

use secrets_framework::host::{Http, HttpError, HttpRequest, NotSent, StreamedResponse};

use crate::host::ComponentHost;

/// Why nothing is sent.
const NO_HTTP: &str = "the engine is built without the feature `http` of `engine-component`";

impl Http for ComponentHost {
    fn exchange(&self, _: HttpRequest) -> Result<StreamedResponse<'_>, HttpError> {
        Err(HttpError::NotSent(NotSent::Unsendable(NO_HTTP)))
    }

    fn check_origin(&self, _: &str) -> Result<(), String> {
        Err(format!("`{}`: {NO_HTTP}", self.0.name))
    }
}
