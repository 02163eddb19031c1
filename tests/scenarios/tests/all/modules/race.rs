//! A file that is swapped all the time, also between its check and its use: the bytes that run are the checked ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use harness::limits::ROLLBACK_DEADLINE;
use harness::modules::{ModuleFile, SigningKey};
use serde_json::Value;

use super::load::{Load, assert_switched};
use super::{Toys, full, good, reason, server, toy};

/// The text of a reload if the read bytes differ from the listed ones.
const SWAPPED: &str = "changed since it was listed";
/// Minimum number of real swaps in between.
const SWAPS_SEEN: usize = 5;

/// Moves two files to the same path in turns, as fast as it can.
struct Swapper {
    stop: Arc<AtomicBool>,
    work: Option<JoinHandle<()>>,
}

impl Swapper {
    fn start(place: PathBuf, modules: [&ModuleFile; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let aside = |name: &str| place.with_file_name("..").join(name);
        let files = [aside("one"), aside("other")];
        for (file, module) in files.iter().zip(modules) {
            fs::write(file, &module.wasm).unwrap();
        }
        let (stopped, next) = (Arc::clone(&stop), aside("next"));
        let swap = move |file: &Path| {
            fs::hard_link(file, &next).unwrap();
            fs::rename(&next, &place).unwrap();
        };
        let work = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                files.iter().for_each(|file| swap(file));
            }
        });
        Self { stop, work: Some(work) }
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.work.take().map(JoinHandle::join);
    }
}

/// The trusted bytes never serve either, because their probe fails: so the race can go on, and the old module must
/// serve all the time. The other bytes would serve, and answer that they do.
fn swapped(toys: &Toys, trusted: &ModuleFile, impostor: &ModuleFile) {
    let swapper = Swapper::start(toys.folder.path().join(trusted.name()), [trusted, impostor]);
    let deadline = Instant::now() + ROLLBACK_DEADLINE;
    let mut seen = 0;
    while seen < SWAPS_SEEN {
        let looked = toys.write("module/reload", Value::Null);
        assert!(looked.status < 300, "{looked:#?}");
        seen += usize::from(reason(&looked.data, &trusted.version).contains(SWAPPED));
        toys.assert_serves(30);
        assert!(Instant::now() < deadline, "only {seen} swaps hit the moment");
    }
    drop(swapper);
    toys.folder.drop_in(impostor);
    toys.reload();
    toys.assert_serves(30);
}

#[test]
fn a_file_swapped_between_check_and_use_never_serves() {
    let key = SigningKey::generate();
    let (trusted, impostor, last) = (toy("fails_its_probe", 31), toy("impostor", 31), good(32));
    let pinned = Toys::pinned(server(), &[&trusted, &last]);
    let signed = Toys::mount(server(), vec![key.trust()], |folder| {
        folder.drop_in_signed(&good(30), &[&key]);
        let signatures = SigningKey::signatures_as("toy", &trusted.version, &trusted.wasm, &[&key]);
        folder.put(&format!("{}.sig", trusted.name()), &signatures);
    });
    for (toys, why) in [(&pinned, "not pinned"), (&signed, "its signature file is for")] {
        let load = Load::start(toys, 2);
        swapped(toys, &trusted, &impostor);
        toys.wait_for_refusal(31, &[why]);
        toys.folder.drop_in_signed(&last, &[&key]);
        toys.wait_for(32);
        let told = Instant::now();
        load.go_on(toys);
        assert_switched(&load.end(), &full(30), told, &full(32));
    }
}
