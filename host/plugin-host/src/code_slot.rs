//! The slot in this binary that holds the precompiled code of the embedded component.
//!
//! The program is linked once, with an empty slot. It then compiles its own component and writes a copy of itself whose
//! slot is filled, so no second program has to link the compiler. The code is part of the file whose SHA-256 the server
//! checks, and nothing is read from a disk at run time.

mod layout;

use std::hint::black_box;
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;

use component_runtime::Runtime;
use memchr::memmem;

use self::layout::{MARK_BYTES, SLOT_BYTES, mark};

/// The slot as the linker wrote it. The running program must not take these bytes for constants.
static SLOT: &[u8; SLOT_BYTES] = include_bytes!(concat!(env!("OUT_DIR"), "/code_slot"));

/// The length of the code, little endian, after the mark.
const LENGTH_BYTES: usize = size_of::<u64>();
const CODE_AT: usize = MARK_BYTES + LENGTH_BYTES;

/// The precompiled code of the embedded component; empty if the slot was not filled.
pub(crate) fn code() -> &'static [u8] {
    code_in(black_box(SLOT.as_slice())).unwrap_or_default()
}

fn code_in(slot: &[u8]) -> Option<&[u8]> {
    let length = slot.get(MARK_BYTES..CODE_AT)?;
    let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    slot.get(CODE_AT..CODE_AT.checked_add(length)?)
}

/// Writes a copy of the running program whose slot holds the code of this component: a step of the build.
#[must_use]
pub(crate) fn fill(wasm: &[u8], copy: &Path) -> ExitCode {
    match try_fill(wasm, copy) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => crate::failure::fail(&format!("failed to write `{}`: {reason}", copy.display())),
    }
}

#[expect(clippy::disallowed_methods, reason = "a step of the build has files")]
fn try_fill(wasm: &[u8], copy: &Path) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut bytes = std::fs::read(&program).map_err(|error| error.to_string())?;
    let code = Runtime::precompile(wasm).map_err(|error| error.to_string())?;
    write_into(&mut bytes, &code)?;
    // The copy has the program's mode. The rename comes last, so that an interrupted build leaves no unfinished
    // program.
    let unfinished = copy.with_extension("unfinished");
    std::fs::copy(&program, &unfinished).map_err(|error| error.to_string())?;
    std::fs::write(&unfinished, bytes).map_err(|error| error.to_string())?;
    std::fs::rename(&unfinished, copy).map_err(|error| error.to_string())
}

/// Writes the code into the one slot of a program.
fn write_into(program: &mut [u8], code: &[u8]) -> Result<(), String> {
    let room = SLOT_BYTES - CODE_AT;
    if code.len() > room {
        return Err(format!("the precompiled code has {} bytes, the slot has {room}: raise `SLOT_BYTES`", code.len()));
    }
    let at = slot_of(program)?;
    let slot = program.get_mut(at).ok_or(CUT_OFF)?;
    let length = (code.len() as u64).to_le_bytes();
    let rest = length.iter().chain(code).copied().chain(std::iter::repeat(0));
    slot.iter_mut().skip(MARK_BYTES).zip(rest).for_each(|(byte, filled)| *byte = filled);
    Ok(())
}

/// Finds the precompiled code in the file of a program; empty if the slot is not filled.
///
/// # Errors
/// When the file does not hold exactly one slot, or only a part of the slot.
pub fn code_of(program: &[u8]) -> Result<&[u8], String> {
    let slot = program.get(slot_of(program)?).ok_or(CUT_OFF)?;
    Ok(code_in(slot).ok_or(CUT_OFF)?)
}

const CUT_OFF: &str = "the slot for precompiled code is cut off";

fn slot_of(program: &[u8]) -> Result<Range<usize>, String> {
    let mark = mark();
    let mut found = memmem::find_iter(program, &mark);
    match (found.next(), found.next()) {
        (Some(at), None) => Ok(at..at + SLOT_BYTES),
        _ => Err("the program does not hold exactly one slot for precompiled code".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn program(slots: usize) -> Vec<u8> {
        let mut program = b"head".to_vec();
        program.extend_from_slice(&mark().map(|byte| !byte));
        for _ in 0..slots {
            program.extend_from_slice(SLOT.as_slice());
        }
        program.extend_from_slice(b"tail");
        program
    }

    #[test]
    fn a_filled_slot_holds_the_code_and_the_rest_of_the_program_stays() {
        let mut filled = program(1);
        write_into(&mut filled, &[7; 1000]).unwrap();
        let at = 4 + MARK_BYTES;
        assert_eq!(code_in(&filled[at..at + SLOT_BYTES]), Some([7; 1000].as_slice()));
        assert_eq!(filled.len(), program(1).len());
        assert!(filled.starts_with(b"head") && filled.ends_with(b"tail"));
    }

    #[test]
    fn the_code_is_found_in_the_file_of_a_program() {
        let mut filled = program(1);
        assert_eq!(code_of(&filled), Ok([].as_slice()));
        write_into(&mut filled, &[7; 1000]).unwrap();
        assert_eq!(code_of(&filled), Ok([7; 1000].as_slice()));
        filled.truncate(SLOT_BYTES);
        assert_eq!(code_of(&filled), Err(CUT_OFF.to_owned()));
    }

    #[test]
    fn an_empty_slot_holds_no_code() {
        assert_eq!(code_in(SLOT.as_slice()), Some([].as_slice()));
    }

    #[test]
    fn filling_a_slot_again_replaces_its_code() {
        let mut filled = program(1);
        write_into(&mut filled, &[7; 1000]).unwrap();
        let once = filled.clone();
        write_into(&mut filled, &[8; 2000]).unwrap();
        write_into(&mut filled, &[7; 1000]).unwrap();
        assert!(filled == once, "no byte of the longer code is left");
    }

    #[test]
    fn code_larger_than_the_slot_and_a_program_without_exactly_one_slot_are_refused() {
        let too_large = write_into(&mut program(1), &vec![7; SLOT_BYTES - CODE_AT + 1]).unwrap_err();
        assert!(too_large.contains("raise `SLOT_BYTES`"), "{too_large}");
        for slots in [0, 2] {
            let refused = write_into(&mut program(slots), &[7]).unwrap_err();
            assert!(refused.contains("exactly one slot"), "{refused}");
        }
    }
}
