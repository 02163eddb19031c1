//! Plays the rows of a fault walk at the same time.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::Note;
use crate::limits::{ROWS_AT_ONCE, ROWS_IN_ALL_MAX};

/// Number of rows that may begin, and the signal that one ended.
static FREE: (Mutex<usize>, Condvar) = (Mutex::new(ROWS_IN_ALL_MAX), Condvar::new());

/// The right to play one row, until its drop.
struct Turn;

impl Turn {
    fn wait() -> Self {
        let (free, ended) = &FREE;
        let free = free.lock().unwrap_or_else(PoisonError::into_inner);
        *ended.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner) -= 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (free, ended) = &FREE;
        *free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        ended.notify_one();
    }
}

/// Plays each row, several at a time: most rows wait for a slow fault, and use no processor time meanwhile. `name`
/// names a failed row.
///
/// # Panics
/// When a row panics, after the rows that run at the same time have ended.
pub fn play_rows<T: Send>(rows: Vec<T>, name: impl Fn(&T) -> String + Sync, play: impl Fn(T) + Sync) {
    let rows = Mutex::new(rows.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..ROWS_AT_ONCE {
            scope.spawn(|| {
                while let Some(row) = next(&rows) {
                    let _turn = Turn::wait();
                    let _note = Note::new(&name(&row));
                    play(row);
                }
            });
        }
    });
}

/// The lock is held for this call only, not while a row is played.
fn next<T>(rows: &Mutex<std::vec::IntoIter<T>>) -> Option<T> {
    rows.lock().unwrap_or_else(PoisonError::into_inner).next()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn each_row_is_played_once() {
        let sum = AtomicUsize::new(0);
        play_rows((0..100).collect(), usize::to_string, |row| {
            sum.fetch_add(row, Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 4950);
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_row_that_fails_fails_the_walk() {
        play_rows(vec![1, 2, 3], i32::to_string, |row| assert_ne!(row, 2));
    }
}
