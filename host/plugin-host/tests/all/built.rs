//! The finished program as a file: what it carries, and what it needs of the system that it starts on.

use std::fs;
use std::path::Path;

#[cfg(target_env = "musl")]
use object::elf::{DT_NEEDED, FileHeader64, PT_INTERP};
#[cfg(target_env = "musl")]
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};

use crate::program::{plugin, run, run_program};

#[test]
fn the_finished_program_carries_its_precompiled_code() {
    let program = fs::read(plugin()).unwrap();
    let code = plugin_host::precompiled_code_of(&program).unwrap();
    // Precompiled code is an ELF file of its own.
    assert!(code.starts_with(b"\x7fELF"), "{} bytes of code", code.len());
    let folder = tempfile::tempdir().unwrap();
    let used = run(folder.path(), &["run", "read", "info"]).expect(0);
    assert_eq!(used.stderr, "", "a program that had to compile its component says so");
}

/// Such a program starts on every Linux system, whatever C library the system has, or none.
#[cfg(target_env = "musl")]
#[test]
fn the_static_program_needs_no_interpreter_and_no_library() {
    let program = fs::read(plugin()).unwrap();
    let header = FileHeader64::<object::Endianness>::parse(program.as_slice()).unwrap();
    let endian = header.endian().unwrap();
    let mut dynamic_entries = 0;
    for segment in header.program_headers(endian, program.as_slice()).unwrap() {
        assert_ne!(segment.p_type(endian), PT_INTERP, "an interpreter");
        for entry in segment.dynamic(endian, program.as_slice()).unwrap().unwrap_or_default() {
            dynamic_entries += 1;
            assert_ne!(entry.d_tag(endian), DT_NEEDED, "a library");
        }
    }
    // A static program that can lie at any address relocates itself by this table.
    assert!(dynamic_entries > 0, "no dynamic section was looked at");
}

/// Starts its arguments where the kernel refuses to make memory executable, as for `MemoryDenyWriteExecute=` of systemd.
const WITHOUT_EXECUTABLE_MEMORY: &str = r#"
import ctypes, os, platform, struct, sys
mprotect = 226 if platform.machine() == "aarch64" else 10
rows = [(0x20, 0, 0, 0), (0x15, 0, 3, mprotect), (0x20, 0, 0, 32), (0x45, 0, 1, 4), (0x06, 0, 0, 0x5000d), (0x06, 0, 0, 0x7fff0000)]
filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(rows), ctypes.addressof(filters)))
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
assert libc.prctl(38, 1, 0, 0, 0) == 0, ctypes.get_errno()
assert libc.prctl(22, 2, ctypes.addressof(program), 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn a_system_that_lets_no_memory_become_executable_is_named_in_the_error_and_nothing_is_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = plugin().display().to_string();
    let arguments = ["-c", WITHOUT_EXECUTABLE_MEMORY, &plugin, "run", "read", "info"];
    let failed = run_program(Path::new("python3"), folder.path(), &arguments, "");
    assert_ne!(failed.code, 0, "stdout: {}\nstderr: {}", failed.stdout, failed.stderr);
    let failed = failed.says("`MemoryDenyWriteExecute=`").says("`execmem`").says("Permission denied");
    for wrong in ["does not fit", "is compiled now", "not a component"] {
        assert!(!failed.stderr.contains(wrong), "{wrong}: {}", failed.stderr);
    }
}
