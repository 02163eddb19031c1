//! The host of the native driver's engine: the fake server's storage and clock, real HTTP to the simulator, and the
//! framework's own test parts.

use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method};
use secrets_framework::Sensitive;
use secrets_framework::host::{
    Clock, Host, Http, HttpBody, HttpError, HttpMethod, HttpRequest, HttpResponse, Locks, Log, Loss, Metrics, NotSent,
    Random, Storage, StorageEntry, StorageError, StorageView, StreamedResponse, SystemView, Transaction,
};
use secrets_framework::testing::{CapturedLog, CapturedMetrics, MemoryLocks, SeededRandom, TestSystemView};

use super::storage::FakeTransaction;
use super::{Fake, FakeClock, FakeOptions, FakeStorage};
use crate::http_client::HttpExchange;
use crate::limits::UPSTREAM_RESPONSE_BYTES_MAX;
use crate::{HttpClient, HttpFailure};

/// The parts that live as long as the mount.
pub(super) struct Outside {
    locks: MemoryLocks,
    random: SeededRandom,
    pub(super) system_view: TestSystemView,
    http: RealHttp,
    pub(super) log: CapturedLog,
    metrics: CapturedMetrics,
}

impl Outside {
    pub(super) fn new(options: &FakeOptions, backend_uuid: &str) -> Self {
        let system_view = TestSystemView::default();
        system_view.set_backend_uuid(backend_uuid);
        system_view.set_wal_minimum_age(options.wal_minimum_age);
        system_view.set_default_lease_ttl(Ok(options.default_ttl));
        system_view.set_max_lease_ttl(Ok(options.max_ttl));
        let http = RealHttp { client: HttpClient::new(UPSTREAM_RESPONSE_BYTES_MAX), egress: options.egress.clone() };
        Self {
            locks: MemoryLocks::default(),
            random: SeededRandom::default(),
            system_view,
            http,
            log: CapturedLog::default(),
            metrics: CapturedMetrics::default(),
        }
    }
}

/// The whole host, for one request.
pub(super) struct NativeHost<'a> {
    pub(super) outside: &'a Outside,
    pub(super) fake: &'a Fake,
}

impl Host for NativeHost<'_> {
    fn storage(&self) -> &dyn Storage {
        &self.fake.storage
    }
    fn locks(&self) -> &dyn Locks {
        &self.outside.locks
    }
    fn system_view(&self) -> &dyn SystemView {
        &self.outside.system_view
    }
    fn clock(&self) -> &dyn Clock {
        &self.fake.clock
    }
    fn random(&self) -> &dyn Random {
        &self.outside.random
    }
    fn log(&self) -> &dyn Log {
        &self.outside.log
    }
    fn metrics(&self) -> &dyn Metrics {
        &self.outside.metrics
    }
    fn http(&self) -> &dyn Http {
        &self.outside.http
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        Self::now(self)
    }
    fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}

impl StorageView for FakeStorage {
    fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        Self::get(self, key).map(|entry| entry.map(from_envelope)).map_err(storage_error)
    }
    fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        Self::put(self, into_envelope(entry)).map_err(storage_error)
    }
    fn delete(&self, key: &str) -> Result<(), StorageError> {
        Self::delete(self, key).map_err(storage_error)
    }
    fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        Self::list_page(self, prefix, "", usize::MAX).map_err(storage_error)
    }
    fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        Self::list_page(self, prefix, after, limit as usize).map_err(storage_error)
    }
}

impl Storage for FakeStorage {
    fn begin(&self) -> Result<Option<Box<dyn Transaction + '_>>, StorageError> {
        Ok(Self::begin(self).map_err(storage_error)?.map(|transaction| Box::new(transaction) as Box<dyn Transaction>))
    }
}

impl StorageView for FakeTransaction {
    fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        Self::get(self, key).map(|entry| entry.map(from_envelope)).map_err(storage_error)
    }
    fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        Self::put(self, into_envelope(entry)).map_err(storage_error)
    }
    fn delete(&self, key: &str) -> Result<(), StorageError> {
        Self::delete(self, key).map_err(storage_error)
    }
    fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        Self::list_page(self, prefix, "", usize::MAX).map_err(storage_error)
    }
    fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        Self::list_page(self, prefix, after, limit as usize).map_err(storage_error)
    }
}

impl Transaction for FakeTransaction {
    fn commit(self: Box<Self>) -> Result<(), StorageError> {
        Self::commit(*self).map_err(storage_error)
    }
}

fn from_envelope(entry: envelope::StorageEntry) -> StorageEntry {
    StorageEntry { key: entry.key, value: entry.value, seal_wrap: entry.seal_wrap }
}

fn into_envelope(entry: StorageEntry) -> envelope::StorageEntry {
    envelope::StorageEntry { key: entry.key, value: entry.value, seal_wrap: entry.seal_wrap }
}

fn storage_error(error: envelope::StorageError) -> StorageError {
    match error {
        envelope::StorageError::ReadOnly(text) => StorageError::ReadOnly(text),
        envelope::StorageError::Conflict(text) => StorageError::Conflict(text),
        envelope::StorageError::Failed(text) => StorageError::Failed(text),
    }
}

/// Astra's own origins, which the plugin allows by default.
pub(super) const ASTRA_ORIGINS: [&str; 3] =
    ["https://api.astra.datastax.com", "https://api.dev.cloud.datastax.com", "https://api.test.cloud.datastax.com"];

/// HTTP over a real socket, with an allow-list like the host's.
struct RealHttp {
    client: HttpClient,
    egress: Vec<String>,
}

impl Http for RealHttp {
    fn exchange(&self, request: HttpRequest) -> Result<StreamedResponse<'_>, HttpError> {
        self.check_origin(&request.origin).map_err(HttpError::Denied)?;
        let method = match request.method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Post => Method::POST,
            HttpMethod::Delete => Method::DELETE,
        };
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {}", request.bearer.expose()))
            .map_err(|_| HttpError::NotSent(NotSent::Unsendable("the bearer token is no header")))?;
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let url = format!("{}{}", request.origin, request.path_and_query);
        let ends = Instant::now() + request.total_timeout;
        let body = request.body.unwrap_or_default();
        let answer = self.client.begin(method, &url, headers, body, request.timeout).map_err(http_error)?;
        let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(HttpResponse {
            status: answer.status,
            retry_after: header(RETRY_AFTER),
            upstream_request_id: None,
            date: header(DATE),
            body: Box::new(Body { exchange: answer, between_reads: request.timeout, ends }),
        })
    }

    fn check_origin(&self, origin: &str) -> Result<(), String> {
        if self.egress.iter().map(String::as_str).chain(ASTRA_ORIGINS).any(|allowed| allowed == origin) {
            return Ok(());
        }
        Err(format!("the origin `{origin}` is not allowed: register the plugin with `--allow-egress={origin}`"))
    }
}

/// A body over a real socket, within the limits of the request.
struct Body {
    exchange: HttpExchange,
    between_reads: Duration,
    ends: Instant,
}

impl HttpBody for Body {
    fn read(&mut self) -> Result<Sensitive<Vec<u8>>, HttpError> {
        let left = self.ends.saturating_duration_since(Instant::now());
        let piece = self.exchange.read(self.between_reads.min(left)).map_err(http_error)?;
        Ok(Sensitive::new(piece.to_vec()))
    }
}

fn http_error(failure: HttpFailure) -> HttpError {
    match failure {
        // This driver's client reports no more detail.
        HttpFailure::NotSent(_) => HttpError::NotSent(NotSent::Refused),
        HttpFailure::TimedOut => HttpError::TimedOut,
        HttpFailure::TooLarge => HttpError::TooLarge,
        HttpFailure::Lost(_) => HttpError::Lost(Loss::Closed),
    }
}
