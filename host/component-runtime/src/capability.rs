//! The interfaces that the host offers to guests, where they need more than the traits of [`envelope`].
//!
//! Only `bindings` knows the WIT of a version.

mod counters;
mod entities;
mod kept_lists;
mod lifetimes;
mod locks;
mod logging;
mod nothing;
mod quota;
mod read_only;
mod reserved;
mod shared_view;

pub use counters::{CountedSeries, HOST_METRIC_PREFIX, is_metric_name};
pub use nothing::Nothing;
pub use reserved::{METRICS_PATH, RESERVED_PATH, RESERVED_PREFIX};

pub(crate) use counters::{Count, EngineCounters};
pub(crate) use entities::Entities;
pub(crate) use kept_lists::KeptLists;
pub(crate) use lifetimes::Lifetimes;
pub(crate) use locks::{LockGuard, LockTable};
pub(crate) use logging::{LogBudget, LogLevel, LogLine, LogRate, RatedLines};
pub(crate) use quota::{LimitReached, Quota, QuotaError};
pub(crate) use read_only::ReadOnly;
pub(crate) use reserved::{is_reserved, list_visible};
pub(crate) use shared_view::SharedView;
