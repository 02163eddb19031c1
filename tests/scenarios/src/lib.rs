//! The scenarios, on every driver, and the tidy checks: all in `tests/all`.
