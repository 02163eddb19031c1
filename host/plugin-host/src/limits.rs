//! Limits of the files and requests that the program itself reads; component-runtime has those of modules.

/// Bytes of stdin or of a file of fields: the server's own limit for a request body.
pub(crate) const RUN_INPUT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of a file of certificates; the bundle of all public authorities takes some 220 KiB.
pub(crate) const CA_FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a file with a private key; one takes 119.
pub(crate) const KEY_FILE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of an engine's answer to `metrics`: 256 series with long names take some 60 KiB. The host parses the answer when the
/// engine has given back permit and memory account, and prints it a second time.
pub(crate) const ENGINE_METRICS_BYTES_MAX: usize = 256 * 1024;

/// Bytes of the path of a request in the log; longer ones are cut. The longest path of an engine has some 200.
pub(crate) const LOG_PATH_BYTES_MAX: usize = 1024;

/// Bytes of the data of a request to a path of the host: the longest takes some 1,000. Such a request has no permit and no
/// place on a memory account, and parsed JSON takes up to fifty times its bytes.
pub(crate) const HOST_PATH_DATA_BYTES_MAX: usize = 64 * 1024;
