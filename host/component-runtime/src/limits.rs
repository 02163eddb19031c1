//! Every limit that the runtime holds a guest, an upstream or itself to: unit, value and reason.
//!
//! [`Limits`] carries them; its default is the constants. Only tests give others.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Declares limits, each once: the constant, and the field of the struct with the constant as its default.
macro_rules! limits {
    (
        $(#[$about:meta])* $name:ident { $($more:ident: $kind_of_more:ty)? }
        $($(#[$reason:meta])* pub const $constant:ident: $kind:ty = $value:expr; => $field:ident,)*
    ) => {
        $($(#[$reason])* pub const $constant: $kind = $value;)*

        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$reason])* pub $field: $kind,)*
            $(#[expect(missing_docs, reason = "the type says it")] pub $more: $kind_of_more,)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $constant,)* $($more: <$kind_of_more>::default(),)? }
            }
        }
    };
}

limits! {
    /// All limits, with the constants of this module as default.
    Limits { egress: EgressLimits }

    /// Requests at once, of all mounts. A waiting request costs about 50 KiB and six memory mappings; Linux
    /// allows 65,530 mappings by default.
    pub const REQUESTS_IN_FLIGHT_MAX: usize = 1_000; => requests_in_flight_max,

    /// Requests at once of one mount: half of all, so that no mount can starve the others.
    pub const REQUESTS_IN_FLIGHT_PER_MOUNT_MAX: usize = 500; => requests_in_flight_per_mount_max,

    /// How long a request may wait for its turn; longer, and the client is better told to come back.
    pub const PERMIT_WAIT: Duration = Duration::from_secs(5); => permit_wait,

    /// One request as a whole. The server gives up after 90 s by default; ours comes first, so that it is told why.
    pub const REQUEST_DEADLINE: Duration = Duration::from_secs(60); => request_deadline,

    /// Loading calls `describe`, which has nothing to wait for.
    pub const DESCRIBE_DEADLINE: Duration = Duration::from_secs(5); => describe_deadline,

    /// Compiling a component, waiting for those before it included: 20 modules of a megabyte on a busy machine.
    pub const COMPILE_DEADLINE: Duration = Duration::from_secs(120); => compile_deadline,

    /// Processor time of one request. A mint takes well under a millisecond, a full OpenAPI document some.
    pub const PROCESSOR_TIME: Duration = Duration::from_secs(1); => processor_time,

    /// Processor time that a request earns with each MiB of answers that it receives, so that a long list is not ended for
    /// its length: several times what parsing that much JSON takes.
    pub const PROCESSOR_TIME_PER_RECEIVED_MIB: Duration = Duration::from_millis(50); => processor_time_per_received_mib,

    /// Processor time of one request, however much it receives: what a list of 300 MB earns.
    pub const PROCESSOR_TIME_MAX: Duration = Duration::from_secs(15); => processor_time_max,

    /// Linear memory of one request, all memories together.
    pub const MEMORY_BYTES_MAX: usize = 64 * MIB; => memory_bytes_max,

    /// Table elements of one request, all tables together. A Rust guest has about a thousand.
    pub const TABLE_ELEMENTS_MAX: usize = 20_000; => table_elements_max,

    /// Bytes that one host call may copy out of a guest: the server's own limit for a request body.
    pub const HOSTCALL_BYTES_MAX: usize = 32 * MIB; => hostcall_bytes_max,

    /// Resource handles (streams, transactions, locks …) at once.
    pub const HANDLES_MAX: usize = 1_024; => handles_max,

    /// Random bytes of one call; keys and IDs need 64 at the most.
    pub const RANDOM_BYTES_PER_CALL_MAX: usize = 4 * KIB; => random_bytes_per_call_max,

    /// Calls a guest may make after it was told that it met a limit; one that does not listen is stopped.
    pub const REFUSALS_MAX: u32 = 100; => refusals_max,

    /// Storage calls of one request, those in transactions included.
    pub const STORAGE_CALLS_MAX: u32 = 10_000; => storage_calls_max,

    /// Names that all lists of one request may return together: a mount of 100,000 entries can be walked whole, and all
    /// names of some 40 bytes fit the memory of one request several times.
    pub const STORAGE_KEYS_LISTED_MAX: usize = 250_000; => storage_keys_listed_max,

    /// Bytes that one request may read from and write to storage.
    pub const STORAGE_BYTES_MAX: usize = 64 * MIB; => storage_bytes_max,

    /// A storage key. Raft storage refuses more than 32 KiB; engines need a few hundred bytes.
    pub const STORAGE_KEY_BYTES_MAX: usize = 4 * KIB; => storage_key_bytes_max,

    /// Open transactions at once; each holds resources in the server.
    pub const TRANSACTIONS_OPEN_MAX: usize = 4; => transactions_open_max,

    /// Questions to the server about mount, node and entities, of one request.
    pub const SYSTEM_VIEW_CALLS_MAX: u32 = 1_000; => system_view_calls_max,

    /// How long to wait for a lock: as `engine-api` promises, 503 afterwards.
    pub const LOCK_WAIT: Duration = Duration::from_secs(10); => lock_wait,

    /// Locks that one request may hold at once.
    pub const LOCKS_HELD_MAX: usize = 16; => locks_held_max,

    /// A lock's key: a storage key with a prefix.
    pub const LOCK_KEY_BYTES_MAX: usize = 4 * KIB; => lock_key_bytes_max,

    /// A log line with its fields; longer ones are cut.
    pub const LOG_LINE_BYTES_MAX: usize = 8 * KIB; => log_line_bytes_max,

    /// Log lines of one request; further ones are counted and dropped.
    pub const LOG_LINES_MAX: u32 = 200; => log_lines_max,

    /// Log lines of one mount in a second, all its requests together; further ones are counted and dropped.
    pub const LOG_LINES_PER_SECOND_MAX: u32 = 1_000; => log_lines_per_second_max,

    /// All text of one response.
    pub const RESPONSE_BYTES_MAX: usize = 8 * MIB; => response_bytes_max,

    /// A guest's error text.
    pub const ERROR_BYTES_MAX: usize = 64 * KIB; => error_bytes_max,

    /// A component's size; compiling takes about a second for each MiB.
    pub const WASM_BYTES_MAX: usize = 32 * MIB; => wasm_bytes_max,
}

limits! {
    /// Limits of outbound HTTP.
    EgressLimits {}

    /// DNS, TCP and TLS together, and the wait for a free connection.
    pub const EGRESS_CONNECT_TIMEOUT: Duration = Duration::from_secs(5); => connect_timeout,

    /// From a request sent to the head of its answer.
    pub const EGRESS_FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(30); => first_byte_timeout,

    /// Between two pieces of an answer's body: ends slow-loris answers.
    pub const EGRESS_BETWEEN_BYTES_TIMEOUT: Duration = Duration::from_secs(10); => between_bytes_timeout,

    /// One exchange as a whole.
    pub const EGRESS_TOTAL_TIMEOUT: Duration = Duration::from_secs(60); => total_timeout,

    /// Head of a request or of an answer, and trailers.
    pub const EGRESS_HEADER_BYTES_MAX: usize = 64 * KIB; => header_bytes_max,

    /// Body of a request. It is held in memory until sent.
    pub const EGRESS_REQUEST_BODY_BYTES_MAX: usize = MIB; => request_body_bytes_max,

    /// Body of an answer: Astra's list of 1,000,000 tokens has some 300 MB, and a guest that reads it as a stream needs no
    /// memory for it. The host holds a window of it only: at most [`EGRESS_HEADER_BYTES_MAX`] over HTTP/1 and 256 KiB over
    /// HTTP/2, and an upstream waits for a guest that does not read.
    pub const EGRESS_RESPONSE_BODY_BYTES_MAX: usize = 512 * MIB; => response_body_bytes_max,

    /// HTTP requests of one mount at once, to whatever origin; further ones wait for the connect timeout.
    pub const EGRESS_REQUESTS_PER_MOUNT_MAX: usize = 64; => requests_per_mount_max,

    /// Connections of one mount to one authority, idle ones included.
    pub const EGRESS_CONNECTIONS_PER_AUTHORITY_MAX: usize = 32; => connections_per_authority_max,

    /// An idle connection is kept so long: less than load balancers do (60 s), so that we close first.
    pub const EGRESS_IDLE_TIMEOUT: Duration = Duration::from_secs(30); => idle_timeout,
}

/// What a process that compiles may have of memory: the largest component takes about half of it.
pub const COMPILE_MEMORY_BYTES_MAX: usize = 2048 * MIB;

/// Reads of one `get-many` that are on their way at once: beyond it they take turns, so that one request does not
/// fill the connection that its mount shares.
pub const READS_AT_ONCE: usize = 32;

/// A name's look-up on a system that names no DNS server: the hosts file answers at once, and musl's resolver would wait
/// for a server that is not there until [`EGRESS_CONNECT_TIMEOUT`] ends the attempt without a reason.
pub const LOOKUP_WITHOUT_RESOLVER: Duration = Duration::from_secs(1);

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
