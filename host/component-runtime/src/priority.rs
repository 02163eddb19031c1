//! The priority of the compiler: the lowest, so that requests are not slower.

/// The highest nice value, which is the lowest priority of a thread.
pub(crate) const NICE_MAX: i32 = 19;

/// Lowers the priority of this thread and of the threads that it starts. On Linux the rest of the process keeps its
/// priority.
pub(crate) fn lower_priority() {
    if let Err(error) = rustix::process::nice(NICE_MAX) {
        tracing::debug!(%error, "cannot lower the priority of compiling");
    }
}
