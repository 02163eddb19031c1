//! The finished program as a file: what it carries, and what it needs of the system that it starts on.

use std::fs;

#[cfg(target_env = "musl")]
use object::elf::{DT_NEEDED, FileHeader64, PT_INTERP};
#[cfg(target_env = "musl")]
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};

use crate::program::{plugin, run};

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
