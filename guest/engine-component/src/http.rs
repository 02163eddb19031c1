//! Outbound HTTP over `wasi:http`: one exchange, whose body is read piece by
//! piece, with bounds on its time. What went wrong is told apart by one question:
//! can the upstream have acted on the request? Nothing is retried here.

use std::time::Duration;

use secrets_framework::host::{
    Http, HttpBody, HttpError, HttpMethod, HttpRequest, HttpResponse, Loss, NotSent, StreamedResponse, SystemView,
};
use secrets_framework::{Backend, Sensitive};

use crate::bindings::secrets_engine::host::system_view;
use crate::bindings::wasi::clocks::monotonic_clock;
use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme, http_error_code,
};
use crate::bindings::wasi::io::poll::{Pollable, poll};
use crate::bindings::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::error_code::http_error;
use crate::host::ComponentHost;
use crate::limits::{HEADER_BYTES_MAX, HOST_SPEAKS_FIRST, READ_BYTES_MAX, WRITE_BYTES_MAX};

impl Http for ComponentHost {
    fn exchange(&self, request: HttpRequest) -> Result<StreamedResponse<'_>, HttpError> {
        exchange(self.0, &request).map_err(|failure| failure.judged(&request.origin, || self.check_sent(&request)))
    }

    fn check_origin(&self, origin: &str) -> Result<(), String> {
        system_view::check_egress(origin)
    }
}

impl ComponentHost {
    /// May the host let this request go out? The error is a sentence for the operator.
    fn check_sent(&self, request: &HttpRequest) -> Result<(), String> {
        self.check_origin(&request.origin)?;
        if request.method == HttpMethod::Get || !self.is_upstream_read_only() {
            return Ok(());
        }
        Err("nothing was sent: this mount may only read from its upstream (`--astra-read-only` in the plugin's \
             registration, or the mount option `upstream=read-only`)"
            .to_owned())
    }
}

/// Why an exchange failed, before it is judged.
enum Failure {
    /// Our own deadline.
    TimedOut,
    /// The request could not even be made up.
    Local(&'static str),
    /// The answer broke off without the host saying why.
    Lost,
    /// The host's own word.
    Code(ErrorCode),
}

impl Failure {
    /// `egress` answers the sentence for the operator where the policy refuses the destination.
    fn judged(self, origin: &str, egress: impl FnOnce() -> Result<(), String>) -> HttpError {
        match self {
            Self::TimedOut => HttpError::TimedOut,
            Self::Local(what) => HttpError::NotSent(NotSent::Unsendable(what)),
            Self::Lost => HttpError::Lost(Loss::Closed),
            Self::Code(code) => http_error(&code, origin, egress),
        }
    }

    /// Of an answer that began: it has passed the egress policy, and the time ran out for its body.
    fn judged_of_body(self) -> HttpError {
        match self.judged("", || Ok(())) {
            HttpError::TimedOut => HttpError::BodyTimedOut,
            error => error,
        }
    }
}

/// Up to the head of the answer.
fn exchange(backend: &Backend, request: &HttpRequest) -> Result<StreamedResponse<'static>, Failure> {
    let ends = Deadline::after(request.total_timeout);
    let head_by = ends.or_sooner(request.timeout);
    let (outgoing, body) = outgoing_request(backend, request)?;
    let options = request_options(request.timeout);
    let future = outgoing_handler::handle(outgoing, Some(options)).map_err(Failure::Code)?;
    // Whether the body went through does not matter: an upstream may answer
    // without reading it, and why it failed is what the response future says.
    if let (Some(body), Some(bytes)) = (body, &request.body) {
        write_body(body, bytes, &head_by)?;
    }
    let response = wait_for_response(&future, &head_by)?;
    streamed(&response, request.timeout, ends)
}

/// A request without body must not even be asked for one: HTTP/1.1 would then
/// announce a body in chunks, which some gateways refuse of a DELETE.
fn outgoing_request(
    backend: &Backend,
    request: &HttpRequest,
) -> Result<(OutgoingRequest, Option<OutgoingBody>), Failure> {
    let authorization = Sensitive::new(format!("Bearer {}", request.bearer.expose()));
    let mut headers = vec![
        ("accept".to_owned(), b"application/json".to_vec()),
        ("authorization".to_owned(), authorization.expose().as_bytes().to_vec()),
        ("user-agent".to_owned(), user_agent(backend).into_bytes()),
    ];
    if let Some(body) = &request.body {
        headers.push(("content-type".to_owned(), b"application/json".to_vec()));
        headers.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    }
    let headers = Fields::from_list(&headers).map_err(|_| Failure::Local("a header holds what no header may"))?;
    let outgoing = OutgoingRequest::new(headers);
    let method = match request.method {
        HttpMethod::Get => Method::Get,
        HttpMethod::Post => Method::Post,
        HttpMethod::Delete => Method::Delete,
    };
    let (scheme, authority) = match request.origin.split_once("://") {
        Some(("https", authority)) => (Scheme::Https, authority),
        Some(("http", authority)) => (Scheme::Http, authority),
        _ => return Err(Failure::Local("the origin has no scheme that is known")),
    };
    let all_set = outgoing.set_method(&method).is_ok()
        && outgoing.set_scheme(Some(&scheme)).is_ok()
        && outgoing.set_authority(Some(authority)).is_ok()
        && outgoing.set_path_with_query(Some(&request.path_and_query)).is_ok();
    if !all_set {
        return Err(Failure::Local("the address cannot be requested"));
    }
    let body = request.body.as_ref().map(|_| outgoing.body()).transpose();
    let body = body.map_err(|()| Failure::Local("the request takes no body"))?;
    Ok((outgoing, body))
}

fn user_agent(backend: &Backend) -> String {
    format!("vault-plugin-secrets-{}/{}", backend.name, backend.version)
}

/// The host's own bounds of each phase; the deadline bounds the sum.
fn request_options(timeout: Duration) -> RequestOptions {
    let options = RequestOptions::new();
    // Only the host knows what a connection waits for, so the time of the host runs out first.
    let connect = timeout.saturating_sub(HOST_SPEAKS_FIRST.min(timeout / 5));
    // The host may not offer one of them; the deadline holds in any case.
    let _ = options.set_connect_timeout(Some(nanos(connect)));
    let _ = options.set_first_byte_timeout(Some(nanos(timeout)));
    let _ = options.set_between_bytes_timeout(Some(nanos(timeout)));
    options
}

fn write_body(body: OutgoingBody, bytes: &[u8], deadline: &Deadline) -> Result<(), Failure> {
    let Ok(stream) = body.write() else {
        return Err(Failure::Local("the request takes no body"));
    };
    let is_written = write_all(&stream, bytes, deadline)?;
    // The stream is a child of the body and goes first.
    drop(stream);
    if is_written {
        drop(OutgoingBody::finish(body, None));
    }
    Ok(())
}

/// Answers whether the host took all of it.
fn write_all(stream: &OutputStream, mut bytes: &[u8], deadline: &Deadline) -> Result<bool, Failure> {
    while !bytes.is_empty() {
        let Ok(room) = stream.check_write() else {
            return Ok(false);
        };
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len()).min(WRITE_BYTES_MAX);
        if room == 0 {
            deadline.wait(stream.subscribe())?;
            continue;
        }
        let (now, later) = bytes.split_at(room);
        if stream.write(now).is_err() {
            return Ok(false);
        }
        bytes = later;
    }
    Ok(stream.flush().is_ok())
}

fn wait_for_response(future: &FutureIncomingResponse, deadline: &Deadline) -> Result<IncomingResponse, Failure> {
    loop {
        match future.get() {
            Some(Ok(response)) => return response.map_err(Failure::Code),
            Some(Err(())) => return Err(Failure::Lost),
            None => deadline.wait(future.subscribe())?,
        }
    }
}

/// The head of the answer, and the body that is still to be read.
fn streamed(
    response: &IncomingResponse,
    between_reads: Duration,
    ends: Deadline,
) -> Result<StreamedResponse<'static>, Failure> {
    let headers = response.headers();
    let body = response.consume().map_err(|()| Failure::Lost)?;
    let stream = body.stream().map_err(|()| Failure::Lost)?;
    Ok(HttpResponse {
        status: response.status(),
        retry_after: header(&headers, "retry-after"),
        upstream_request_id: REQUEST_ID_HEADERS.iter().find_map(|name| header(&headers, name)),
        date: header(&headers, "date"),
        body: Box::new(Body { stream, _body: body, between_reads, ends }),
    })
}

/// The first value of a header, where it is short, printable text.
fn header(headers: &Fields, name: &str) -> Option<String> {
    let value = headers.get(name).into_iter().next()?;
    let is_plain = value.len() <= HEADER_BYTES_MAX && value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain { String::from_utf8(value).ok() } else { None }
}

/// The body of an answer. The host ends the exchange when both handles are dropped.
struct Body {
    /// A child of the body: fields are dropped in this order.
    stream: InputStream,
    _body: IncomingBody,
    between_reads: Duration,
    ends: Deadline,
}

impl HttpBody for Body {
    fn read(&mut self) -> Result<Sensitive<Vec<u8>>, HttpError> {
        self.next_piece().map_err(Failure::judged_of_body)
    }
}

impl Body {
    fn next_piece(&self) -> Result<Sensitive<Vec<u8>>, Failure> {
        let until = self.ends.or_sooner(self.between_reads);
        loop {
            match self.stream.read(READ_BYTES_MAX) {
                Ok(piece) if piece.is_empty() => until.wait(self.stream.subscribe())?,
                Ok(_) if self.ends.has_passed() => return Err(Failure::TimedOut),
                Ok(piece) => return Ok(Sensitive::new(piece)),
                Err(StreamError::Closed) => return Ok(Sensitive::new(Vec::new())),
                Err(StreamError::LastOperationFailed(error)) => {
                    let code = http_error_code(&error);
                    return Err(code.map_or(Failure::Lost, Failure::Code));
                }
            }
        }
    }
}

/// A time on the monotonic clock.
struct Deadline(u64);

impl Deadline {
    fn after(timeout: Duration) -> Self {
        Self(monotonic_clock::now().saturating_add(nanos(timeout)))
    }

    /// This one, or `timeout` from now where that is sooner.
    fn or_sooner(&self, timeout: Duration) -> Self {
        Self(self.0.min(Self::after(timeout).0))
    }

    fn has_passed(&self) -> bool {
        monotonic_clock::now() >= self.0
    }

    /// Waits until there is something to do.
    fn wait(&self, ready: Pollable) -> Result<(), Failure> {
        let end = monotonic_clock::subscribe_instant(self.0);
        let is_ready = poll(&[&ready, &end]).contains(&0);
        if is_ready { Ok(()) } else { Err(Failure::TimedOut) }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Names that upstreams and their gateways give the identifier of a request.
const REQUEST_ID_HEADERS: [&str; 3] = ["x-request-id", "x-correlation-id", "x-amzn-requestid"];
