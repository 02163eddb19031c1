//! The key that seals compiled modules, which comes with the environment and does not stay there. This file alone has
//! `unsafe` of this crate.

use std::ffi::{CStr, c_char};
use std::ptr;

use zeroize::Zeroizing;

/// The environment variable of the key that seals compiled modules. The registration has the key in `env`: `ps` shows
/// arguments, but not the environment.
pub const CACHE_KEY_VARIABLE: &str = "MODULE_CACHE_KEY";

#[expect(unsafe_code, reason = "a declaration: the name is POSIX's")]
unsafe extern "C" {
    /// The environment as the C library has it: pointers to `NAME=value`, the last of them null.
    static environ: *const *mut c_char;
}

/// Takes the key out of the environment: no child inherits it, and `/proc/PID/environ` does not show it. To be called
/// before the process starts its first thread.
#[expect(clippy::disallowed_methods, reason = "part of the configuration, read once at the start")]
pub(crate) fn take() -> Option<Zeroizing<String>> {
    let key = std::env::var_os(CACHE_KEY_VARIABLE)?;
    // SAFETY: the process has one thread (`run` makes the others after it has its settings), so nobody else reads or
    // changes the environment or the texts that it points to. The C library keeps `environ` as its comment says, and the
    // texts are memory of the process that may be written (POSIX lets a program change them).
    #[expect(unsafe_code, reason = "see SAFETY")]
    unsafe {
        wipe_values(environ);
        std::env::remove_var(CACHE_KEY_VARIABLE);
    }
    // A value that is no text becomes an empty key, which is refused.
    Some(Zeroizing::new(key.into_string().unwrap_or_default()))
}

/// Overwrites the values of the variable where they stand: its removal only drops the pointer.
///
/// # Safety
/// `variables` is null, or points to texts that end with a zero byte and may be written, and to a null pointer after them.
#[expect(unsafe_code, reason = "see Safety")]
unsafe fn wipe_values(mut variables: *const *mut c_char) {
    // SAFETY: the caller's promise: each pointer up to the null pointer is valid, and each text ends with a zero byte.
    unsafe {
        while !variables.is_null() && !(*variables).is_null() {
            let text = CStr::from_ptr(*variables).to_bytes();
            let name = text.strip_prefix(CACHE_KEY_VARIABLE.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            if let Some(value) = name {
                let begin = text.len() - value.len();
                for at in begin..text.len() {
                    ptr::write_volatile((*variables).add(at), 0);
                }
            }
            variables = variables.add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(unsafe_code, reason = "texts of the test's own")]
    use super::*;

    #[test]
    fn the_value_is_overwritten_and_other_variables_are_not() {
        let mut texts =
            [&b"PATH=/bin\0"[..], b"MODULE_CACHE_KEY=secret\0", b"MODULE_CACHE_KEY_=x\0"].map(<[u8]>::to_vec);
        let pointers = texts.each_mut().map(|text| text.as_mut_ptr().cast::<c_char>());
        let variables = [pointers[0], pointers[1], pointers[2], ptr::null_mut()];
        // SAFETY: the texts live and end with a zero byte, and the last pointer is null.
        unsafe {
            wipe_values(variables.as_ptr());
            wipe_values(ptr::null());
        }
        assert_eq!(texts[0], b"PATH=/bin\0");
        assert_eq!(texts[1], b"MODULE_CACHE_KEY=\0\0\0\0\0\0\0");
        assert_eq!(texts[2], b"MODULE_CACHE_KEY_=x\0");
    }
}
