//! Priorities of threads that give way to requests.

/// The highest nice value, which is the lowest priority of a thread.
pub(crate) const NICE_MAX: i32 = 19;

/// Lowers the priority of this thread and of the threads that it starts. On Linux the rest of the process keeps its
/// priority.
pub(crate) fn lower_priority() {
    lower_priority_by(NICE_MAX);
}

/// As [`lower_priority`], by this nice value.
pub(crate) fn lower_priority_by(nice: i32) {
    if let Err(error) = rustix::process::nice(nice) {
        tracing::debug!(%error, nice, "failed to lower the priority of a thread");
    }
}
