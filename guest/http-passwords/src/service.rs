//! Requests to the service. What it answers ends here: a body may repeat a password, so only its status is read.

use secrets_framework::host::{HttpError, HttpMethod, HttpRequest};
use secrets_framework::{Context, Error, Sensitive};

use crate::config::Config;
use crate::template::{self, Values};

/// Why the service did not make or delete a user.
pub(crate) struct Failure {
    /// May the service have done it all the same?
    pub(crate) may_have_acted: bool,
    /// For the caller.
    pub(crate) error: Error,
}

/// Makes a user.
pub(crate) fn create(context: &Context<'_>, config: &Config, body: &str, values: Values<'_>) -> Result<(), Failure> {
    let Some(body) = template::fill_body(body, values) else {
        let error = Error::Internal("the stored `create_body` is no JSON: write it again".to_owned());
        return Err(Failure { may_have_acted: false, error });
    };
    let path = template::fill_path(&config.create_path, values);
    match send(context, config, HttpMethod::Post, &path, Some(body))? {
        200..=299 => Ok(()),
        status => Err(refused(config, "POST", &path, status)),
    }
}

/// Deletes a user; one that is not there is deleted already.
pub(crate) fn delete(context: &Context<'_>, config: &Config, values: Values<'_>) -> Result<(), Failure> {
    let path = template::fill_path(&config.delete_path, values);
    match send(context, config, HttpMethod::Delete, &path, None)? {
        200..=299 | 404 | 410 => Ok(()),
        status => Err(refused(config, "DELETE", &path, status)),
    }
}

/// The status of an answer.
fn send(
    context: &Context<'_>,
    config: &Config,
    method: HttpMethod,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<u16, Failure> {
    let (origin, base_path) = config.origin_and_path();
    let request = HttpRequest {
        method,
        origin: origin.to_owned(),
        path_and_query: format!("{base_path}{path}"),
        bearer: Sensitive::new(config.token.expose().clone()),
        body,
        timeout: config.request_timeout(),
        total_timeout: config.request_timeout(),
    };
    context.host.http().exchange(request).map(|answer| answer.status).map_err(|error| unanswered(config, &error))
}

fn unanswered(config: &Config, error: &HttpError) -> Failure {
    let url = &config.url;
    let (may_have_acted, error) = match error {
        HttpError::Denied(sentence) => (false, Error::mistake(sentence.clone())),
        HttpError::NotSent(reason) => {
            let code = if reason.is_timeout() { 504 } else { 502 };
            let text = format!(
                "the service at `{url}` could not be reached ({reason}): check the config's `url` and the way there"
            );
            (false, Error::coded(code, text))
        }
        HttpError::TimedOut | HttpError::BodyTimedOut => {
            let text =
                format!("the service at `{url}` did not answer in time: try again later, or raise `request_timeout`");
            (true, Error::coded(504, text))
        }
        HttpError::TooLarge | HttpError::Lost(_) => {
            let text = format!("the answer of the service at `{url}` was lost ({error}): try again later");
            (true, Error::coded(502, text))
        }
    };
    Failure { may_have_acted, error }
}

/// An answer that is no success.
fn refused(config: &Config, method: &str, path: &str, status: u16) -> Failure {
    let (code, step) = match status {
        401 | 403 => (502, "write another `token` with its `url` to `config`"),
        429 => (503, "try again later"),
        408 | 500..=599 => (502, "try again later; if it stays so, ask those who run the service"),
        409 => (502, "read `username_template` of `config`: its names must be new ones"),
        _ => (502, "check the paths and the body in `config`"),
    };
    let text = format!("the service at `{}` answered `{method} {path}` with status {status}: {step}", config.url);
    Failure { may_have_acted: !(400..=499).contains(&status) || status == 408, error: Error::coded(code, text) }
}
