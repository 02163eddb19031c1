//! Every limit that the runtime holds a guest, an upstream or itself to: unit, value and reason.
//!
//! [`Limits`] carries them; its default is the constants. Only tests give others.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Requests at once, of all mounts. A waiting request costs about 50 KiB and six memory mappings; Linux
/// allows 65,530 mappings by default.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 1_000;
/// Requests at once of one mount: half of all, so that no mount can starve the others.
pub const REQUESTS_IN_FLIGHT_PER_MOUNT_MAX: usize = 500;
/// How long a request may wait for its turn; longer, and the client is better told to come back.
pub const PERMIT_WAIT: Duration = Duration::from_secs(5);
/// One request as a whole. The server gives up after 90 s by default; ours comes first, so that it is told why.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(60);
/// Loading calls `describe`, which has nothing to wait for.
pub const DESCRIBE_DEADLINE: Duration = Duration::from_secs(5);
/// Compiling a component, waiting for those before it included: 20 modules of a megabyte on a busy machine.
pub const COMPILE_DEADLINE: Duration = Duration::from_secs(120);
/// What a process that compiles may have of memory: the largest component takes about half of it.
pub const COMPILE_MEMORY_BYTES_MAX: usize = 2048 * MIB;
/// Processor time of one request. A mint takes well under a millisecond, a full OpenAPI document some.
pub const PROCESSOR_TIME: Duration = Duration::from_secs(1);
/// Processor time that a request earns with each MiB of answers that it receives, so that a long list is not ended for
/// its length: several times what parsing that much JSON takes.
pub const PROCESSOR_TIME_PER_RECEIVED_MIB: Duration = Duration::from_millis(50);
/// Processor time of one request, however much it receives: what a list of 300 MB earns.
pub const PROCESSOR_TIME_MAX: Duration = Duration::from_secs(15);

/// Linear memory of one request, all memories together.
pub const MEMORY_BYTES_MAX: usize = 64 * MIB;
/// Table elements of one request, all tables together. A Rust guest has about a thousand.
pub const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Bytes that one host call may copy out of a guest: the server's own limit for a request body.
pub const HOSTCALL_BYTES_MAX: usize = 32 * MIB;
/// Resource handles (streams, transactions, locks …) at once.
pub const HANDLES_MAX: usize = 1_024;
/// Random bytes of one call; keys and IDs need 64 at the most.
pub const RANDOM_BYTES_PER_CALL_MAX: usize = 4 * KIB;
/// Calls a guest may make after it was told that it met a limit; one that does not listen is stopped.
pub const REFUSALS_MAX: u32 = 100;

/// Storage calls of one request, those in transactions included.
pub const STORAGE_CALLS_MAX: u32 = 10_000;
/// Reads of one `get-many` that are on their way at once: beyond it they take turns, so that one request does not
/// fill the connection that its mount shares.
pub const READS_AT_ONCE: usize = 32;
/// Names that all lists of one request may return together: a mount of 100,000 entries can be walked whole, and all
/// names of some 40 bytes fit the memory of one request several times.
pub const STORAGE_KEYS_LISTED_MAX: usize = 250_000;
/// Bytes that one request may read from and write to storage.
pub const STORAGE_BYTES_MAX: usize = 64 * MIB;
/// A storage key. Raft storage refuses more than 32 KiB; engines need a few hundred bytes.
pub const STORAGE_KEY_BYTES_MAX: usize = 4 * KIB;
/// Open transactions at once; each holds resources in the server.
pub const TRANSACTIONS_OPEN_MAX: usize = 4;

/// Questions to the server about mount, node and entities, of one request.
pub const SYSTEM_VIEW_CALLS_MAX: u32 = 1_000;

/// How long to wait for a lock: as `engine-api` promises, 503 afterwards.
pub const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Locks that one request may hold at once.
pub const LOCKS_HELD_MAX: usize = 16;
/// A lock's key: a storage key with a prefix.
pub const LOCK_KEY_BYTES_MAX: usize = 4 * KIB;

/// A log line with its fields; longer ones are cut.
pub const LOG_LINE_BYTES_MAX: usize = 8 * KIB;
/// Log lines of one request; further ones are counted and dropped.
pub const LOG_LINES_MAX: u32 = 200;
/// Log lines of one mount in a second, all its requests together; further ones are counted and dropped.
pub const LOG_LINES_PER_SECOND_MAX: u32 = 1_000;

/// All text of one response.
pub const RESPONSE_BYTES_MAX: usize = 8 * MIB;
/// A guest's error text.
pub const ERROR_BYTES_MAX: usize = 64 * KIB;
/// A component's size; compiling takes about a second for each MiB.
pub const WASM_BYTES_MAX: usize = 32 * MIB;

/// DNS, TCP and TLS together, and the wait for a free connection.
pub const EGRESS_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried: with [`ADDRESS_STAGGER`] between them, all have begun within the connect timeout.
pub(crate) const ADDRESSES_MAX: usize = 8;
/// The next address of a name is tried so long after the last one: what RFC 8305 recommends.
pub const ADDRESS_STAGGER: Duration = Duration::from_millis(250);
/// One look-up of a name: time for a second question after a lost packet (2.5 s in musl), and some of
/// [`EGRESS_CONNECT_TIMEOUT`] is left to connect.
pub const LOOKUP_DEADLINE: Duration = Duration::from_secs(4);
/// Look-ups of one mount at once, each of another name: those that hang for longer than a request waits count, too.
pub const LOOKUPS_PER_MOUNT_MAX: usize = 8;
/// Look-ups of all mounts at once. Each has a thread of its own; 32 mounts may have all of their names hang.
pub(crate) const LOOKUPS_MAX: usize = 256;
/// Stack of the thread of a look-up: glibc's resolver and its modules need the most, some 100 KiB.
pub(crate) const LOOKUP_STACK_BYTES: usize = 512 * KIB;
/// A name's look-up on a system that names no DNS server: the hosts file answers at once, and musl's resolver would wait
/// for a server that is not there until [`EGRESS_CONNECT_TIMEOUT`] ends the attempt without a reason.
pub const LOOKUP_WITHOUT_RESOLVER: Duration = Duration::from_secs(1);
/// Head of a proxy's answer to `CONNECT`: a status line and some headers.
pub(crate) const PROXY_HEAD_BYTES_MAX: usize = 16 * KIB;
/// Header fields of that answer.
pub(crate) const PROXY_HEAD_FIELDS_MAX: usize = 64;
/// From a request sent to the head of its answer.
pub const EGRESS_FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two pieces of an answer's body: ends slow-loris answers.
pub const EGRESS_BETWEEN_BYTES_TIMEOUT: Duration = Duration::from_secs(10);
/// One exchange as a whole.
pub const EGRESS_TOTAL_TIMEOUT: Duration = Duration::from_secs(60);
/// Head of a request or of an answer, and trailers.
pub const EGRESS_HEADER_BYTES_MAX: usize = 64 * KIB;
/// Body of a request. It is held in memory until sent.
pub const EGRESS_REQUEST_BODY_BYTES_MAX: usize = MIB;
/// Body of an answer: Astra's list of 1,000,000 tokens has some 300 MB, and a guest that reads it as a stream needs no
/// memory for it. The host holds a window of it only: at most [`EGRESS_HEADER_BYTES_MAX`] over HTTP/1 and 256 KiB over
/// HTTP/2, and an upstream waits for a guest that does not read.
pub const EGRESS_RESPONSE_BODY_BYTES_MAX: usize = 512 * MIB;
/// HTTP requests of one mount at once, to whatever origin; further ones wait for the connect timeout.
pub const EGRESS_REQUESTS_PER_MOUNT_MAX: usize = 64;
/// Connections of one mount to one authority, idle ones included.
pub const EGRESS_CONNECTIONS_PER_AUTHORITY_MAX: usize = 32;
/// An idle connection is kept so long: less than load balancers do (60 s), so that we close first.
pub const EGRESS_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// All limits, with the constants of this module as default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is documented at the constant of its name")]
pub struct Limits {
    pub requests_in_flight_max: usize,
    pub requests_in_flight_per_mount_max: usize,
    pub permit_wait: Duration,
    pub request_deadline: Duration,
    pub describe_deadline: Duration,
    pub compile_deadline: Duration,
    pub processor_time: Duration,
    pub processor_time_per_received_mib: Duration,
    pub processor_time_max: Duration,
    pub memory_bytes_max: usize,
    pub table_elements_max: usize,
    pub hostcall_bytes_max: usize,
    pub handles_max: usize,
    pub random_bytes_per_call_max: usize,
    pub refusals_max: u32,
    pub storage_calls_max: u32,
    pub storage_keys_listed_max: usize,
    pub storage_bytes_max: usize,
    pub storage_key_bytes_max: usize,
    pub transactions_open_max: usize,
    pub system_view_calls_max: u32,
    pub lock_wait: Duration,
    pub locks_held_max: usize,
    pub lock_key_bytes_max: usize,
    pub log_line_bytes_max: usize,
    pub log_lines_max: u32,
    pub log_lines_per_second_max: u32,
    pub response_bytes_max: usize,
    pub error_bytes_max: usize,
    pub wasm_bytes_max: usize,
    pub egress: EgressLimits,
}

/// Limits of outbound HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is documented at the constant of its name")]
pub struct EgressLimits {
    pub connect_timeout: Duration,
    pub address_stagger: Duration,
    pub lookup_deadline: Duration,
    pub lookups_per_mount_max: usize,
    pub first_byte_timeout: Duration,
    pub between_bytes_timeout: Duration,
    pub total_timeout: Duration,
    pub header_bytes_max: usize,
    pub request_body_bytes_max: usize,
    pub response_body_bytes_max: usize,
    pub requests_per_mount_max: usize,
    pub connections_per_authority_max: usize,
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_in_flight_max: REQUESTS_IN_FLIGHT_MAX,
            requests_in_flight_per_mount_max: REQUESTS_IN_FLIGHT_PER_MOUNT_MAX,
            permit_wait: PERMIT_WAIT,
            request_deadline: REQUEST_DEADLINE,
            describe_deadline: DESCRIBE_DEADLINE,
            compile_deadline: COMPILE_DEADLINE,
            processor_time: PROCESSOR_TIME,
            processor_time_per_received_mib: PROCESSOR_TIME_PER_RECEIVED_MIB,
            processor_time_max: PROCESSOR_TIME_MAX,
            memory_bytes_max: MEMORY_BYTES_MAX,
            table_elements_max: TABLE_ELEMENTS_MAX,
            hostcall_bytes_max: HOSTCALL_BYTES_MAX,
            handles_max: HANDLES_MAX,
            random_bytes_per_call_max: RANDOM_BYTES_PER_CALL_MAX,
            refusals_max: REFUSALS_MAX,
            storage_calls_max: STORAGE_CALLS_MAX,
            storage_keys_listed_max: STORAGE_KEYS_LISTED_MAX,
            storage_bytes_max: STORAGE_BYTES_MAX,
            storage_key_bytes_max: STORAGE_KEY_BYTES_MAX,
            transactions_open_max: TRANSACTIONS_OPEN_MAX,
            system_view_calls_max: SYSTEM_VIEW_CALLS_MAX,
            lock_wait: LOCK_WAIT,
            locks_held_max: LOCKS_HELD_MAX,
            lock_key_bytes_max: LOCK_KEY_BYTES_MAX,
            log_line_bytes_max: LOG_LINE_BYTES_MAX,
            log_lines_max: LOG_LINES_MAX,
            log_lines_per_second_max: LOG_LINES_PER_SECOND_MAX,
            response_bytes_max: RESPONSE_BYTES_MAX,
            error_bytes_max: ERROR_BYTES_MAX,
            wasm_bytes_max: WASM_BYTES_MAX,
            egress: EgressLimits::default(),
        }
    }
}

impl Default for EgressLimits {
    fn default() -> Self {
        Self {
            connect_timeout: EGRESS_CONNECT_TIMEOUT,
            address_stagger: ADDRESS_STAGGER,
            lookup_deadline: LOOKUP_DEADLINE,
            lookups_per_mount_max: LOOKUPS_PER_MOUNT_MAX,
            first_byte_timeout: EGRESS_FIRST_BYTE_TIMEOUT,
            between_bytes_timeout: EGRESS_BETWEEN_BYTES_TIMEOUT,
            total_timeout: EGRESS_TOTAL_TIMEOUT,
            header_bytes_max: EGRESS_HEADER_BYTES_MAX,
            request_body_bytes_max: EGRESS_REQUEST_BODY_BYTES_MAX,
            response_body_bytes_max: EGRESS_RESPONSE_BODY_BYTES_MAX,
            requests_per_mount_max: EGRESS_REQUESTS_PER_MOUNT_MAX,
            connections_per_authority_max: EGRESS_CONNECTIONS_PER_AUTHORITY_MAX,
            idle_timeout: EGRESS_IDLE_TIMEOUT,
        }
    }
}

/// A number of bytes as people say it.
pub(crate) fn bytes_text(bytes: usize) -> String {
    if bytes >= MIB && bytes.is_multiple_of(MIB) {
        format!("{} MiB", bytes / MIB)
    } else if bytes >= KIB && bytes.is_multiple_of(KIB) {
        format!("{} KiB", bytes / KIB)
    } else {
        format!("{bytes} bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_as_people_say_them() {
        assert_eq!(bytes_text(64 * MIB), "64 MiB");
        assert_eq!(bytes_text(4 * KIB), "4 KiB");
        assert_eq!(bytes_text(1500), "1500 bytes");
        assert_eq!(bytes_text(0), "0 bytes");
    }

    #[test]
    fn the_pool_stays_well_under_the_mappings_that_linux_allows() {
        let limits = Limits::default();
        assert!(limits.requests_in_flight_max <= 4_000);
        assert!(limits.requests_in_flight_per_mount_max < limits.requests_in_flight_max);
    }
}
