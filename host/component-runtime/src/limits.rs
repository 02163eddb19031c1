//! Every limit of a guest, of an upstream and of the runtime: unit, value and reason.
//!
//! [`Limits`] holds them, with the constants as defaults. Only tests use other values.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Declares each limit once: the constant, and the field of the struct with the constant as its default.
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

    /// Requests at once, of all mounts. A request that waits for its upstream costs about 300 KiB (`make bench
    /// ONLY=memory`), which stay with its slot, and six memory mappings; Linux allows 65,530 mappings by default.
    pub const REQUESTS_IN_FLIGHT_MAX: usize = 1_000; => requests_in_flight_max,

    /// Requests at once to all modules that need a large slot: more core instances, memories or tables than one core module
    /// needs. A slot takes up to 16 GiB of addresses and 4 MiB of the host's memory, so these take 1 TiB and 256 MiB.
    pub const LARGE_REQUESTS_IN_FLIGHT_MAX: usize = 64; => large_requests_in_flight_max,

    /// Requests at once that a mount may have, as long as any permits are free, however many other mounts hold. Beyond
    /// these, a mount may have as many as are free.
    pub const REQUESTS_GUARANTEED_PER_MOUNT: usize = 16; => requests_guaranteed_per_mount,

    /// Requests of one mount that wait for a permit. Further ones are refused late.
    pub const REQUESTS_WAITING_PER_MOUNT_MAX: usize = 10_000; => requests_waiting_per_mount_max,

    /// Bytes held by the requests that wait for a permit of one mount, as [`request_weight`](crate::request_weight) counts
    /// them: two requests of the largest size.
    pub const WAITING_BYTES_PER_MOUNT_MAX: usize = 64 * MIB; => waiting_bytes_per_mount_max,

    /// Time that a request waits for a permit; then the client should retry.
    pub const PERMIT_WAIT: Duration = Duration::from_secs(5); => permit_wait,

    /// Time of one request. The server gives up after 90 s by default; this deadline is earlier, so that the server
    /// gets the reason.
    pub const REQUEST_DEADLINE: Duration = Duration::from_secs(60); => request_deadline,

    /// Time of `describe`, which has nothing to wait for.
    pub const DESCRIBE_DEADLINE: Duration = Duration::from_secs(5); => describe_deadline,

    /// Time to compile a component, from the begin of its turn: an hour holds [`COMPILE_PROCESSOR_TIME`] on a machine that
    /// leaves the lowest priority 2 % of one core, as two busy cores do. Only a machine that leaves less, and a fault, meet
    /// this limit. A component waits no longer than that for its turn.
    pub const COMPILE_DEADLINE: Duration = Duration::from_secs(3_600); => compile_deadline,

    /// Time in which a compiling process uses no processor time at all, so that it hangs: Linux gives every process some
    /// within seconds, however busy the machine and low the priority.
    pub const COMPILE_IDLE_MAX: Duration = Duration::from_secs(60); => compile_idle_max,

    /// Processor time of one request. A mint takes well under a millisecond, a full OpenAPI document some.
    pub const PROCESSOR_TIME: Duration = Duration::from_secs(1); => processor_time,

    /// Processor time that a request gains with each MiB of received answers, so that a long list does not end its
    /// request: several times the time that a MiB of JSON takes to parse.
    pub const PROCESSOR_TIME_PER_RECEIVED_MIB: Duration = Duration::from_millis(50); => processor_time_per_received_mib,

    /// Largest processor time of one request, for a list of 300 MB.
    pub const PROCESSOR_TIME_MAX: Duration = Duration::from_secs(15); => processor_time_max,

    /// Processor time that the requests of one mount may use before they take turns with those of other busy mounts.
    /// Fifty mints at once need less.
    pub const PROCESSOR_BURST_PER_MOUNT: Duration = Duration::from_millis(50); => processor_burst_per_mount,

    /// Percent of a core with which this processor time refills. A turn gives more than that, so a mount that uses more
    /// continues to take turns.
    pub const PROCESSOR_PERCENT_PER_MOUNT: u32 = 60; => processor_percent_per_mount,

    /// Percent of a core with which the processor time of a mount refills while all mounts together use more than
    /// [`PROCESSOR_PERCENT_PER_MOUNT`] for each turn: up to five mounts that together use so much of one core use more than
    /// that each.
    pub const PROCESSOR_PERCENT_PER_BUSY_MOUNT: u32 = 10; => processor_percent_per_busy_mount,

    /// Percent of the core of a machine with one core that all mounts together use before
    /// [`PROCESSOR_PERCENT_PER_BUSY_MOUNT`] counts. The server needs that core, too: mounts that took more ran among the
    /// requests of all others, and were never in debt.
    pub const PROCESSOR_PERCENT_OF_ALL_ON_ONE_CORE: u32 = 30; => processor_percent_of_all_on_one_core,

    /// Longest time until a mount that uses nothing any more has no debt: a long flood is forgiven soon after its end.
    pub const PROCESSOR_DEBT_MAX: Duration = Duration::from_secs(1); => processor_debt_max,

    /// Linear memory of one request, all memories together.
    pub const MEMORY_BYTES_MAX: usize = 64 * MIB; => memory_bytes_max,

    /// Memory of one request: its linear memory, and twice as much for the data that the host holds for it, because the
    /// host has checked data both as text and as parsed values.
    pub const REQUEST_MEMORY_BYTES_MAX: usize = 192 * MIB; => request_memory_bytes_max,

    /// Table elements of one request, all tables together. A Rust guest has about a thousand.
    pub const TABLE_ELEMENTS_MAX: usize = 20_000; => table_elements_max,

    /// Bytes that one host call may copy out of a guest: the server's own limit for a request body.
    pub const HOSTCALL_BYTES_MAX: usize = 32 * MIB; => hostcall_bytes_max,

    /// Resource handles (streams, transactions, locks …) at once.
    pub const HANDLES_MAX: usize = 1_024; => handles_max,

    /// Random bytes of one call; keys and IDs need 64 at the most.
    pub const RANDOM_BYTES_PER_CALL_MAX: usize = 4 * KIB; => random_bytes_per_call_max,

    /// Refused calls of one request; a guest that continues after so many errors is stopped.
    pub const REFUSALS_MAX: u32 = 100; => refusals_max,

    /// Storage calls of one request, those in transactions included.
    pub const STORAGE_CALLS_MAX: u32 = 10_000; => storage_calls_max,

    /// Names that all lists of one request return together: enough to scan a mount of 100,000 entries, and all names of
    /// some 40 bytes fit into the memory of one request several times.
    pub const STORAGE_KEYS_LISTED_MAX: usize = 250_000; => storage_keys_listed_max,

    /// Bytes that one request may read from and write to storage.
    pub const STORAGE_BYTES_MAX: usize = 64 * MIB; => storage_bytes_max,

    /// Storage calls of one mount in a second for each core of the machine, over time; a write outside a
    /// transaction, or a commit, counts as four. Server and plugin together take some 50 µs of a core for a call while
    /// many clients ask, so one mount leaves half of the machine to others.
    pub const STORAGE_CALLS_PER_SECOND_AND_CORE: u32 = 10_000; => storage_calls_per_second_and_core,

    /// Storage calls of all mounts together in a second for each core, while several mounts make calls. A mount that is
    /// alone may take half of the machine; mounts that share it leave three quarters to requests that make few calls.
    pub const STORAGE_CALLS_PER_SECOND_AND_CORE_OF_ALL: u32 = 5_000; => storage_calls_per_second_and_core_of_all,

    /// Storage calls of one mount while several mounts together make more than
    /// [`STORAGE_CALLS_PER_SECOND_AND_CORE_OF_ALL`].
    pub const STORAGE_CALLS_PER_SECOND_AND_CORE_OF_BUSY_MOUNT: u32 = 1_000; => storage_calls_per_second_and_core_of_busy_mount,

    /// Storage calls that one mount may make at once when it made few before: those of two requests.
    pub const STORAGE_CALLS_BURST: u32 = 20_000; => storage_calls_burst,

    /// The same of one mount, and of all mounts together, while several mounts make calls: the server needs some 0.1 s of one
    /// core for these.
    pub const STORAGE_CALLS_BURST_OF_BUSY_MOUNTS: u32 = 2_000; => storage_calls_burst_of_busy_mounts,

    /// Bytes of a storage key. Raft storage refuses more than 32 KiB; engines need a few hundred bytes.
    pub const STORAGE_KEY_BYTES_MAX: usize = 4 * KIB; => storage_key_bytes_max,

    /// Open transactions of one request at once; each holds resources in the server.
    pub const TRANSACTIONS_OPEN_MAX: usize = 4; => transactions_open_max,

    /// Open transactions of one mount at once; further ones wait as long as a request waits for a permit. Each has a
    /// state of its own in the server, and a mint has one for some milliseconds.
    pub const TRANSACTIONS_OPEN_PER_MOUNT_MAX: usize = 128; => transactions_open_per_mount_max,

    /// System view calls of one request.
    pub const SYSTEM_VIEW_CALLS_MAX: u32 = 1_000; => system_view_calls_max,

    /// Bytes of the name of what a request asks the system view for: the ID of an entity, which is a UUID of 36 bytes and is
    /// kept with the entity, or the name of a password policy, which a person wrote.
    pub const SYSTEM_VIEW_NAME_BYTES_MAX: usize = 256; => system_view_name_bytes_max,

    /// Time that a request waits for a lock; then the engine answers 503.
    pub const LOCK_WAIT: Duration = Duration::from_secs(10); => lock_wait,

    /// Locks that one request may hold at once.
    pub const LOCKS_HELD_MAX: usize = 16; => locks_held_max,

    /// Bytes of a lock's key: a storage key with a prefix.
    pub const LOCK_KEY_BYTES_MAX: usize = 4 * KIB; => lock_key_bytes_max,

    /// Bytes of a log line with its fields; longer ones are cut.
    pub const LOG_LINE_BYTES_MAX: usize = 8 * KIB; => log_line_bytes_max,

    /// Log lines of one request; further ones are counted and dropped.
    pub const LOG_LINES_MAX: u32 = 200; => log_lines_max,

    /// Log lines of one mount in a second, all its requests together; further ones are counted and dropped.
    pub const LOG_LINES_PER_SECOND_MAX: u32 = 1_000; => log_lines_per_second_max,

    /// Bytes that one mount may log in a second over time: some 200 lines.
    pub const LOG_BYTES_PER_SECOND: usize = 64 * KIB; => log_bytes_per_second,

    /// Bytes that one mount may log at once when it logged little before: a stack of errors after an outage.
    pub const LOG_BURST_BYTES: usize = MIB; => log_burst_bytes,

    /// The host's lines about requests of one mount in a second: of requests that failed, and of guests that logged or printed
    /// too much. A client causes one with each request; further ones are counted and dropped.
    pub const HOST_LOG_LINES_PER_SECOND_MAX: u32 = 100; => host_log_lines_per_second_max,

    /// Bytes that these lines may take in a second over time: some 30 lines.
    pub const HOST_LOG_BYTES_PER_SECOND: usize = 16 * KIB; => host_log_bytes_per_second,

    /// Bytes that these lines may take at once when there were few before: an eighth of the room that the queue of log lines
    /// keeps for the host.
    pub const HOST_LOG_BURST_BYTES: usize = 128 * KIB; => host_log_burst_bytes,

    /// Calls of one request that add to counters of the engine; further ones are dropped and counted.
    pub const COUNTS_PER_REQUEST_MAX: u32 = 100; => counts_per_request_max,

    /// Series of the engine's counters of one mount: some ten counters with a few values of their labels. Each takes some
    /// 300 bytes of the host and of each answer of `metrics`.
    pub const COUNTER_SERIES_PER_MOUNT_MAX: usize = 256; => counter_series_per_mount_max,

    /// Bytes of all texts of one response, with the memory beside each text of a list.
    pub const RESPONSE_BYTES_MAX: usize = 8 * MIB; => response_bytes_max,

    /// Bytes from which on a request or a response is large. Only long lists are larger.
    pub const LARGE_MESSAGE_BYTES: usize = 64 * KIB; => large_message_bytes,

    /// Bytes of the large requests and responses of one mount in a second: the server needs some 10 ms of processor time
    /// for each MiB.
    pub const LARGE_MESSAGE_BYTES_PER_SECOND: usize = 8 * MIB; => large_message_bytes_per_second,

    /// The same of one mount while several mounts together have more than [`LARGE_MESSAGE_BYTES_PER_SECOND`].
    pub const LARGE_MESSAGE_BYTES_PER_SECOND_OF_BUSY_MOUNT: usize = MIB; => large_message_bytes_per_second_of_busy_mount,

    /// Bytes of large messages that one mount may have at once when it had few before: two of the largest responses.
    pub const LARGE_MESSAGE_BURST_BYTES: usize = 16 * MIB; => large_message_burst_bytes,

    /// Bytes of a guest's error text.
    pub const ERROR_BYTES_MAX: usize = 64 * KIB; => error_bytes_max,

    /// Bytes of a component; the compiler takes about a second for each MiB.
    pub const WASM_BYTES_MAX: usize = 32 * MIB; => wasm_bytes_max,
}

limits! {
    /// Limits of outbound HTTP.
    EgressLimits {}

    /// Time for DNS, TCP and TLS together, and for the wait for a free connection.
    pub const EGRESS_CONNECT_TIMEOUT: Duration = Duration::from_secs(5); => connect_timeout,

    /// Pause before the next address of a name is tried, as RFC 8305 recommends.
    pub const ADDRESS_STAGGER: Duration = Duration::from_millis(250); => address_stagger,

    /// Time of one look-up of a name. It covers a second question after a lost packet (2.5 s in musl), and leaves a
    /// part of [`EGRESS_CONNECT_TIMEOUT`] to connect.
    pub const LOOKUP_DEADLINE: Duration = Duration::from_secs(4); => lookup_deadline,

    /// Look-ups of one mount at once, each of another name. Those that hang longer than their request waits count, too.
    pub const LOOKUPS_PER_MOUNT_MAX: usize = 8; => lookups_per_mount_max,

    /// Time from the end of a request to the head of its answer.
    pub const EGRESS_FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(30); => first_byte_timeout,

    /// Time between two pieces of an answer's body: ends slow-loris answers.
    pub const EGRESS_BETWEEN_BYTES_TIMEOUT: Duration = Duration::from_secs(10); => between_bytes_timeout,

    /// Time of one whole exchange.
    pub const EGRESS_TOTAL_TIMEOUT: Duration = Duration::from_secs(60); => total_timeout,

    /// Bytes of the head of a request or of an answer, and of trailers.
    pub const EGRESS_HEADER_BYTES_MAX: usize = 64 * KIB; => header_bytes_max,

    /// Bytes of the body of a request. The body is in memory until it is sent.
    pub const EGRESS_REQUEST_BODY_BYTES_MAX: usize = MIB; => request_body_bytes_max,

    /// Bytes of the body of an answer: Astra's list of 1,000,000 tokens has some 300 MB, and a guest that reads it as a
    /// stream needs no memory for it. The host holds only a window: at most [`EGRESS_HEADER_BYTES_MAX`] over HTTP/1 and
    /// 256 KiB over HTTP/2. An upstream waits for a guest that does not read.
    pub const EGRESS_RESPONSE_BODY_BYTES_MAX: usize = 512 * MIB; => response_body_bytes_max,

    /// HTTP requests of one mount at once, to all origins together; further ones wait for the connect timeout.
    pub const EGRESS_REQUESTS_PER_MOUNT_MAX: usize = 64; => requests_per_mount_max,

    /// Connections of one mount to one authority, idle ones included.
    pub const EGRESS_CONNECTIONS_PER_AUTHORITY_MAX: usize = 32; => connections_per_authority_max,

    /// Connections of one mount to all authorities together, idle ones included: with an origin like `*.example` a mount
    /// could otherwise use up the files of the process. Twice [`EGRESS_REQUESTS_PER_MOUNT_MAX`], so that a mount whose
    /// requests all change their host waits only for idle connections, which close within the connect timeout.
    pub const EGRESS_CONNECTIONS_PER_MOUNT_MAX: usize = 128; => connections_per_mount_max,

    /// Time that an idle connection is kept; twice as much at most. Its buffers hold the last request and answer, and
    /// so an admin token and perhaps a new token, which have to leave the memory within 5 s. A mount that makes a token
    /// every second or two keeps its connections; another one pays for a new connection, with a resumed TLS session.
    pub const EGRESS_IDLE_TIMEOUT: Duration = Duration::from_secs(2); => idle_timeout,
}

/// Lowest limit of the memory of all requests: half of it, the part of one mount, is then the linear memory of one
/// request.
pub const MEMORY_CEILING_BYTES_MIN: usize = 128 * MIB;

/// Bytes of memory of a list, a table or a header beside the bytes of each of its texts.
pub(crate) const TEXT_FRAME_BYTES: usize = 128;

/// Core instances of one request. Python with its libraries has more than 32.
pub const CORE_INSTANCES_PER_REQUEST_MAX: usize = 128;

/// Tables of one request: each takes 160 KiB of addresses in a slot.
pub const TABLES_PER_REQUEST_MAX: usize = 64;

/// Memories of one request: a composed component has one for each of its parts, and each memory takes 4 GiB of addresses.
pub const MEMORIES_PER_REQUEST_MAX: usize = 4;

/// Memory of a compiler process: the largest component takes about half.
pub const COMPILE_MEMORY_BYTES_MAX: usize = 2048 * MIB;

/// Bytes that a compiling process may write: 16 times the largest component, so that a process that a component took over
/// cannot fill the machine's memory.
pub(crate) const COMPILED_BYTES_MAX: u64 = 16 * WASM_BYTES_MAX as u64;

/// Processor time to compile a component, of all threads of the compiling process: an engine in Python, with its
/// interpreter, takes some 20 s, and one file must not keep the machine busy for longer than a minute. The time that the
/// process waits for a busy machine does not count.
pub const COMPILE_PROCESSOR_TIME: Duration = Duration::from_secs(60);

/// Processor time after [`COMPILE_PROCESSOR_TIME`] in which the signal of that limit ends the process. Without this time
/// the kernel would send the signal that also ends processes without memory, and the reason would be lost.
pub(crate) const COMPILE_PROCESSOR_TIME_TO_END: Duration = Duration::from_secs(5);

/// Least time after which a request that waits for the end of a debt looks again: requests in the queue for turns make the
/// debt last longer than its budget tells.
pub(crate) const DEBT_LOOK_PAUSE: Duration = Duration::from_millis(100);

/// Reads of one `get-many` in progress at once, so that one request does not fill the connection of its mount.
pub const READS_AT_ONCE: usize = 32;

/// Reads of one `get-many` that the budget of its mount admits at once, so that a mount in debt makes its reads at the
/// rate of its budget, and not thousands after each wait.
pub const READS_ADMITTED_AT_ONCE: usize = 64;

/// Modules of a mount whose rules for secrets are kept: the active one, the previous one, a candidate that is tried, and
/// one to spare.
pub(crate) const MODULES_WITH_RULES_MAX: usize = 4;

/// Lists that one request keeps on a server without pages: a scan within a scan, and some to spare.
pub(crate) const KEPT_LISTS_MAX: usize = 4;

/// Bytes of the names in the kept lists: some 400,000 names of 40 bytes, more than a request may list
/// ([`STORAGE_KEYS_LISTED_MAX`]). Beyond that, each page is read from the server.
pub(crate) const KEPT_LIST_BYTES_MAX: usize = 16 * MIB;

/// Bytes of the name of an engine's counter, of a label, and of a label's value. A name has a few words.
pub(crate) const METRIC_NAME_BYTES_MAX: usize = 64;

/// Labels of one counter of an engine. Each multiplies the number of series.
pub(crate) const METRIC_LABELS_MAX: usize = 4;

/// Bytes of the help text of an engine's counter: one sentence.
pub(crate) const METRIC_HELP_BYTES_MAX: usize = 256;

/// Time that the server's answer about an identity entity is kept for a mount. A new name is seen after that time.
pub(crate) const ENTITY_KEPT: Duration = Duration::from_secs(60);

/// Time that the lifetimes of leases are kept for a mount: short enough that a tune seems to take effect at once.
pub(crate) const LIFETIMES_KEPT: Duration = Duration::from_secs(5);

/// Entities that are kept for a mount, each with metadata of up to some 40 KiB.
pub(crate) const ENTITIES_KEPT_MAX: usize = 256;

/// Addresses of one name that are tried. With [`ADDRESS_STAGGER`] between them, all attempts begin within the connect
/// timeout.
pub(crate) const ADDRESSES_MAX: usize = 8;

/// Look-ups of all mounts at once, each with a thread of its own. All look-ups of 32 mounts may hang.
pub(crate) const LOOKUPS_MAX: usize = 256;

/// Bytes of the stack of a look-up's thread: glibc's resolver and its modules need the most, some 100 KiB.
pub(crate) const LOOKUP_STACK_BYTES: usize = 512 * KIB;

/// Time of a name's look-up on a system that names no DNS server: the hosts file answers at once, and musl's resolver
/// would wait for a missing server until [`EGRESS_CONNECT_TIMEOUT`] ends the attempt without a reason.
pub const LOOKUP_WITHOUT_RESOLVER: Duration = Duration::from_secs(1);

/// TLS sessions that one mount keeps; the oldest is dropped first. A mount has few upstreams, and a session takes some
/// KiB.
pub(crate) const TLS_SESSIONS_PER_MOUNT_MAX: usize = 32;

/// Bytes of the head of a proxy's answer to `CONNECT`: a status line and some headers.
pub(crate) const PROXY_HEAD_BYTES_MAX: usize = 16 * KIB;

/// Header fields of a proxy's answer to `CONNECT`.
pub(crate) const PROXY_HEAD_FIELDS_MAX: usize = 64;

/// Paths for which a component may declare an existence check. The host compares each write with each of them.
pub(crate) const CHECKED_PATHS_MAX: usize = 1_000;

/// Bytes of such a path, as long as a storage key of the engine.
pub(crate) const CHECKED_PATH_BYTES_MAX: usize = 1_024;

/// Bytes of standard output, and of standard error, that are kept for the log of a request: room for a long traceback.
/// The budget of log lines limits how many are written.
pub(crate) const OUTPUT_BYTES_MAX: usize = 64 * KIB;

/// A number of bytes, for people.
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
    fn sizes_have_the_largest_unit_that_fits() {
        assert_eq!(bytes_text(64 * MIB), "64 MiB");
        assert_eq!(bytes_text(4 * KIB), "4 KiB");
        assert_eq!(bytes_text(1500), "1500 bytes");
        assert_eq!(bytes_text(0), "0 bytes");
    }

    #[test]
    fn the_pool_uses_less_than_half_of_the_mappings_that_linux_allows() {
        // Six for each request, as the docs of that limit say; `vm.max_map_count` is 65,530 by default.
        assert!(Limits::default().requests_in_flight_max * 6 < 65_530 / 2);
    }

    #[test]
    fn one_mount_has_no_guarantee_of_half_of_all_permits() {
        let limits = Limits::default();
        assert!(limits.requests_guaranteed_per_mount < limits.requests_in_flight_max / 2);
    }
}
