//! Faults between the host and a guest, in two wordings: for the log and for the caller.

use std::time::Duration;

use thiserror::Error;

use crate::SealError;
use crate::memory_account::MemoryLimit;

/// A request got no answer of the guest, or an error as its answer. `Display` is for the log, [`InvokeError::to_error`]
/// for the client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// The guest answered with an error.
    #[error(transparent)]
    Guest(#[from] envelope::Error),
    /// Too many requests were in progress for the whole wait: 503.
    #[error("no free slot: {0}")]
    Busy(&'static str),
    /// The guest reached a limit: 500, with the limit.
    #[error("the component met its limit of {limit}")]
    Limit {
        /// Value and name of the limit, such as `64 MiB of memory`.
        limit: String,
    },
    /// The requests of the mount, or of all mounts, held too much memory: 503. The text names the owner of the limit.
    #[error("the request was refused for the limit of {0}")]
    Memory(MemoryLimit),
    /// The guest used up its processor time.
    #[error("the component used its {0:?} of processor time")]
    ProcessorTime(Duration),
    /// The request's deadline passed.
    #[error("the request took longer than {0:?}")]
    Deadline(Duration),
    /// The guest trapped or panicked. The text has only names of wasm functions; a panic's message is in the guest's
    /// own log line.
    #[error("the component trapped: {0}")]
    Trap(String),
    /// The guest's answer breaks the contract, for example by text that is not JSON or a code out of range.
    #[error("the component broke its contract: {0}")]
    Contract(String),
    /// A mistake of the client that the host found before the guest saw the request: 400.
    #[error("the request was refused: {0}")]
    Refused(String),
    /// The guest put a secret in a place that its declaration does not allow. The text names the class of the secret
    /// and the place.
    #[error("the component tried to take a secret out of its place: {0}")]
    Sealed(String),
    /// A fault of the host.
    #[error("host error: {0}")]
    Host(String),
}

impl InvokeError {
    /// The error for the server. Only the guest's own errors keep their kind and text. For all others the client gets a
    /// short, stable text without secrets, which names the limit and the request ID.
    #[must_use]
    pub fn to_error(&self, request_id: Option<&str>) -> envelope::Error {
        let text = match self {
            Self::Guest(error) => return error.clone(),
            Self::Refused(text) => return envelope::Error::BadRequest(text.clone()),
            Self::Busy(what) => format!(
                "too many {what} for as long as a request waits: try again later; if it stays so, look into the server's \
                 log for requests that take long"
            ),
            Self::Memory(limit) => format!(
                "the plugin met its limit of {limit}: try again later; if it stays so, look into the server's log for \
                 requests that take long or ask for much, or register the plugin with a larger --memory-limit"
            ),
            Self::Limit { limit } => format!("plugin component failed: it met its limit of {limit}"),
            Self::ProcessorTime(limit) => {
                format!("plugin component failed: it met its limit of {limit:?} of processor time")
            }
            Self::Deadline(limit) => format!("plugin component failed: it met its limit of {limit:?} for one request"),
            Self::Trap(_) | Self::Contract(_) => "plugin component failed".to_owned(),
            Self::Sealed(_) => {
                "plugin component failed: it put a secret where its declaration does not let the secret go; \
                                the server's log names the place"
                    .to_owned()
            }
            Self::Host(_) => "internal error of the plugin".to_owned(),
        };
        let text = request_id.map_or(text.clone(), |id| format!("{text} (request ID {id})"));
        match self {
            Self::Busy(_) | Self::Memory(_) => envelope::Error::Coded { code: 503, message: text },
            _ => envelope::Error::Internal(text),
        }
    }
}

impl From<MemoryLimit> for InvokeError {
    /// A request over its own limit must not come again; the others may.
    fn from(limit: MemoryLimit) -> Self {
        match limit {
            MemoryLimit::Request(_) => Self::Limit { limit: limit.to_string() },
            MemoryLimit::Mount(_) | MemoryLimit::Process(_) => Self::Memory(limit),
        }
    }
}

/// A module cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// This machine lacks something that the engine needs.
    #[error("this machine lacks something that the engine needs: {0}")]
    Engine(String),
    /// The system does not let memory become executable, which compiled code needs.
    #[error(
        "this system lets no memory of the plugin become executable, which compiled code needs ({0}): remove \
         `MemoryDenyWriteExecute=` from the systemd unit of the server, or allow the server `execmem` in SELinux"
    )]
    ExecutableMemory(String),
    /// The compiler was busy with other components for too long.
    #[error("it waited for its turn to be compiled for longer than {0:?}")]
    Turn(Duration),
    /// The machine is too busy, or too slow for this component.
    #[error("compiling it took longer than {0:?}")]
    Deadline(Duration),
    /// The compiling process hung, or the machine gave it nothing.
    #[error("compiling it made no progress: its process used no processor time for {0:?}")]
    Idle(Duration),
    /// The compiler used up its processor time.
    #[error("compiling it took more than {0:?} of processor time")]
    ProcessorTime(Duration),
    /// Sealed code has another seal, or belongs to another module or engine.
    #[error("its precompiled code is not loaded: {0}")]
    Sealed(#[from] SealError),
    /// The bytes are not a component, or do not compile.
    #[error("not a component that can run here: {0}")]
    Invalid(String),
    /// The component has an import that no guest gets, or no export of a known version.
    #[error("not of the world `secrets-engine:world/engine`: {0}")]
    World(String),
    /// `describe` failed.
    #[error("the component could not describe itself: {0}")]
    Describe(#[from] InvokeError),
}

impl LoadError {
    /// Would the same bytes fail again in this process, whatever the load of the machine?
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::World(_) => true,
            Self::Describe(error) => match error {
                InvokeError::Guest(_)
                | InvokeError::Limit { .. }
                | InvokeError::ProcessorTime(_)
                | InvokeError::Trap(_)
                | InvokeError::Contract(_)
                | InvokeError::Refused(_)
                | InvokeError::Sealed(_) => true,
                InvokeError::Busy(_) | InvokeError::Memory(_) | InvokeError::Deadline(_) | InvokeError::Host(_) => {
                    false
                }
            },
            Self::Engine(_)
            | Self::ExecutableMemory(_)
            | Self::Turn(_)
            | Self::Deadline(_)
            | Self::Idle(_)
            | Self::ProcessorTime(_)
            | Self::Sealed(_) => false,
        }
    }

    /// Is this machine the cause, so that the error says nothing about the bytes?
    #[must_use]
    pub fn is_of_the_machine(&self) -> bool {
        matches!(self, Self::Engine(_) | Self::ExecutableMemory(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_see_limit_and_request_id_and_nothing_else() {
        let rows = [
            (
                InvokeError::Busy("requests in flight"),
                "too many requests in flight for as long as a request waits: try again later; if it stays so, look into \
                 the server's log for requests that take long (request ID r1)",
            ),
            (
                InvokeError::Limit { limit: "64 MiB of memory".into() },
                "plugin component failed: it met its limit of 64 MiB of memory (request ID r1)",
            ),
            (
                MemoryLimit::Mount(512 * 1024 * 1024).into(),
                "the plugin met its limit of 512 MiB of memory for all requests of one mount together: try again later; if \
                 it stays so, look into the server's log for requests that take long or ask for much, or register the \
                 plugin with a larger --memory-limit (request ID r1)",
            ),
            (
                MemoryLimit::Request(192 * 1024 * 1024).into(),
                "plugin component failed: it met its limit of 192 MiB of memory, with what the host holds for the request \
                 (request ID r1)",
            ),
            (
                InvokeError::ProcessorTime(Duration::from_secs(1)),
                "plugin component failed: it met its limit of 1s of processor time (request ID r1)",
            ),
            (
                InvokeError::Deadline(Duration::from_secs(60)),
                "plugin component failed: it met its limit of 60s for one request (request ID r1)",
            ),
            (InvokeError::Trap("unreachable in f".into()), "plugin component failed (request ID r1)"),
            (InvokeError::Contract("`data` is no JSON".into()), "plugin component failed (request ID r1)"),
            (InvokeError::Host("pool".into()), "internal error of the plugin (request ID r1)"),
        ];
        for (error, expected) in rows {
            assert_eq!(error.to_error(Some("r1")).to_string(), expected);
        }
    }

    #[test]
    fn each_text_stands_in_the_table_of_errors() {
        let page = include_str!("../../../docs/operations.md").replace('`', "");
        let (_, table) = page.split_once("\n## Errors\n").unwrap_or_default();
        for (status, text) in [
            (503, "too many requests in flight to this mount for as long as"),
            (503, "too many requests in flight for as long as"),
            (503, "of memory for all requests of one mount together"),
            (503, "of memory for all requests of the plugin process together"),
            (500, "plugin component failed: it met its limit of"),
            (500, "plugin component failed"),
            (500, "internal error of the plugin"),
        ] {
            let is_row = |line: &&str| line.starts_with(&format!("| {status} |")) && line.contains(text);
            assert!(
                table.lines().any(|line| is_row(&line)),
                "docs/operations.md, section Errors, lacks {status} {text}"
            );
        }
    }

    #[test]
    fn each_failure_has_its_kind_on_the_wire() {
        let coded = envelope::Error::Coded { code: 409, message: "taken".to_owned() };
        for error in [envelope::Error::UnsupportedPath, envelope::Error::Plain("text".to_owned()), coded] {
            assert_eq!(InvokeError::Guest(error.clone()).to_error(Some("r1")), error);
        }
        for later in [InvokeError::Busy("mount"), MemoryLimit::Process(1).into()] {
            assert!(matches!(later.to_error(Some("r1")), envelope::Error::Coded { code: 503, .. }));
        }
        let ours = [
            InvokeError::Limit { limit: "64 MiB of memory".to_owned() },
            InvokeError::ProcessorTime(Duration::from_secs(1)),
            InvokeError::Deadline(Duration::from_secs(90)),
            InvokeError::Trap("wasm unreachable at astra_secrets::mint".to_owned()),
            InvokeError::Contract("data is not JSON".to_owned()),
            InvokeError::Host("pool".to_owned()),
        ];
        for failure in ours {
            let error = failure.to_error(Some("request-1"));
            assert!(matches!(&error, envelope::Error::Internal(text) if text.contains("request-1")), "{error:?}");
        }
    }

    #[test]
    fn an_error_of_the_bytes_is_lasting_and_one_of_the_machine_is_not() {
        let deadline = Duration::from_secs(1);
        let lasting = [
            LoadError::Invalid(String::new()),
            LoadError::World(String::new()),
            LoadError::Describe(InvokeError::Trap(String::new())),
            LoadError::Describe(InvokeError::ProcessorTime(deadline)),
        ];
        let passing = [
            LoadError::Engine(String::new()),
            LoadError::ExecutableMemory(String::new()),
            LoadError::Turn(deadline),
            LoadError::Deadline(deadline),
            LoadError::ProcessorTime(deadline),
            LoadError::Describe(InvokeError::Busy("instances")),
            LoadError::Describe(MemoryLimit::Process(1).into()),
            LoadError::Describe(InvokeError::Deadline(deadline)),
        ];
        assert!(lasting.iter().all(LoadError::is_lasting));
        assert!(!passing.iter().any(LoadError::is_lasting));
    }

    #[test]
    fn the_error_of_an_internal_request_names_no_id() {
        assert_eq!(InvokeError::Trap(String::new()).to_error(None).to_string(), "plugin component failed");
    }
}
