//! One exchange with Astra, within the client's bounds: what is sent, what is noted of the answer, what is logged, and
//! how an exchange is repeated.

use std::time::Duration;

use secrets_framework::host::{HttpMethod, HttpRequest, HttpResponse, StreamedResponse};

use super::sentence::next_step;
use super::{AstraClient, ClientError, Skew, encode, retry, wire};
use crate::events;
use crate::limits::{ANSWER_BYTES_MAX, UPSTREAM_TIME_MIN};

impl AstraClient<'_> {
    /// Repeats an exchange that fails in a way that is likely to pass, within the config's bounds.
    pub(super) fn repeatedly<T>(&self, mut attempt: impl FnMut() -> Result<T, ClientError>) -> Result<T, ClientError> {
        let mut attempts = 0;
        loop {
            let error = match attempt() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            attempts += 1;
            if !error.is_passing() || !self.pause_before_repeating(&error, attempts) {
                return Err(error);
            }
        }
    }

    pub(super) fn send_repeatedly(&self, method: HttpMethod, path: &str) -> Result<HttpResponse, ClientError> {
        self.repeatedly(|| self.send(method, path, None))
    }

    /// One exchange whose answer is small and read whole; `Ok` on any 2xx.
    pub(super) fn send(
        &self,
        method: HttpMethod,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<HttpResponse, ClientError> {
        self.exchange(method, path, body, |response| Ok(response.read_whole(ANSWER_BYTES_MAX)?))
    }

    /// One exchange, of which `read` reads the answer to a request that succeeded.
    pub(super) fn exchange<T>(
        &self,
        method: HttpMethod,
        path: &str,
        body: Option<Vec<u8>>,
        read: impl FnOnce(StreamedResponse<'_>) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let request = self.request(method, path, body)?;
        let asked_at = self.host.clock().now();
        let sent = self.host.http().exchange(request).map_err(ClientError::from);
        if let Ok(response) = &sent {
            self.note_skew(response.date.as_deref(), asked_at);
        }
        let request_id = sent.as_ref().ok().and_then(|response| response.upstream_request_id.clone());
        let answer = sent.and_then(wire::check_status).and_then(read);
        if let Err(error) = &answer {
            self.log_failure(method, error, request_id.as_deref());
            if let (Some(act), ClientError::Refused { status: 401, .. }) = (self.when_refused, error) {
                act(self.host, self.config, error);
            }
        }
        answer
    }

    fn request(&self, method: HttpMethod, path: &str, body: Option<Vec<u8>>) -> Result<HttpRequest, ClientError> {
        if method != HttpMethod::Get && self.host.system_view().is_upstream_read_only() {
            return Err(ClientError::ReadOnly);
        }
        let deadline = if method == HttpMethod::Post { self.work_deadline } else { self.deadline.get() };
        let total_timeout = self.time_until(deadline);
        let timeout = self.request_timeout.min(total_timeout);
        if timeout < UPSTREAM_TIME_MIN {
            return Err(ClientError::OutOfTime);
        }
        Ok(HttpRequest {
            method,
            origin: self.config.url.origin().as_str().to_owned(),
            path_and_query: format!("{}{path}", self.config.url.base_path()),
            bearer: self.config.admin_token.bearer(),
            body,
            timeout,
            total_timeout,
        })
    }

    fn note_skew(&self, date: Option<&str>, asked_at: Duration) {
        let now = self.host.clock().now();
        if let Some(theirs) = date.and_then(retry::parse_http_date)
            && let Ok(ahead_seconds) = i64::try_from(i128::from(theirs) - i128::from(now.as_secs()))
        {
            let exchange_seconds = now.saturating_sub(asked_at).as_secs();
            self.skew.set(Some(Skew { ahead_seconds, exchange_seconds }));
        }
    }

    pub(super) fn time_until(&self, deadline: Duration) -> Duration {
        deadline.saturating_sub(self.host.clock().now())
    }

    fn log_failure(&self, method: HttpMethod, error: &ClientError, upstream_request_id: Option<&str>) {
        let method = match method {
            HttpMethod::Get => "GET",
            HttpMethod::Post => "POST",
            HttpMethod::Delete => "DELETE",
        };
        let request_id = upstream_request_id.map(encode::for_log).unwrap_or_default();
        let error_text = error.to_string();
        let mut fields = vec![
            ("org", self.org_id().as_str()),
            ("method", method),
            ("error", &error_text),
            ("upstream_request_id", &request_id),
        ];
        let is_of_the_way = matches!(
            error,
            ClientError::NotSent(_)
                | ClientError::Lost(_)
                | ClientError::TimedOut
                | ClientError::BodyTimedOut
                | ClientError::OutOfTime
        );
        let next_step = is_of_the_way.then(|| next_step(self.host, self.org_id(), error));
        fields.extend(next_step.as_deref().map(|step| ("next_step", step)));
        events::REQUEST_FAILED.log_on(self.host, &fields);
    }
}
