//! An engine without the feature `http`: it imports no HTTP, so that its operator is not asked to allow any.

use secrets_framework::host::{Http, HttpError, HttpRequest, StreamedResponse};

use crate::host::ComponentHost;

impl Http for ComponentHost {
    fn exchange(&self, _: HttpRequest) -> Result<StreamedResponse<'_>, HttpError> {
        Err(HttpError::NotSent(self.why_not()))
    }

    fn check_origin(&self, _: &str) -> Result<(), String> {
        Err(self.why_not())
    }
}

impl ComponentHost {
    fn why_not(&self) -> String {
        format!("`{}` is built without the feature `http` of `engine-component`", self.0.name)
    }
}
