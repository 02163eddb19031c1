//! Runs secrets engines as sandboxed components: one fresh instance for each request.
