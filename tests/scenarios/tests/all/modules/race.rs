//! A file that is swapped all the time, between the check and the use of it, too: what was checked is what runs.

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

/// What a reload says where the bytes that were read are not the bytes that were listed.
const SWAPPED: &str = "changed since it was listed";
/// So often must it have happened in earnest.
const SWAPS_SEEN: usize = 5;

/// Puts one file and the other into the same place, as fast as it can.
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

/// The trusted bytes never serve either, as they fail their probe: so the race goes on for as long as the test likes,
/// and the old module must serve all the time. The others would serve, and say that they did.
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
