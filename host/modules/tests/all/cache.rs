//! Compiled modules across restarts, also with a cache that another user can write.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests lay out directories")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use modules::limits::CACHE_ENTRIES_MAX;
use modules::{LoadedModule, ModuleRegistry, Source as _};

use crate::support::{Stage, candidate, wasm};

/// A stage with one module, loaded once, and its entry.
async fn cached() -> (Stage, PathBuf) {
    let stage = Stage::new();
    let registry = stage.library_with_cache(1);
    stage.drop_in("good-0.0.0.wasm", &wasm("good"));
    load(&registry).await;
    let [entry] = entries(&stage).try_into().unwrap();
    (stage, entry)
}

async fn load(registry: &ModuleRegistry) -> Arc<LoadedModule> {
    let loaded = registry.load(&candidate(registry, "good-0.0.0.wasm").await).await.unwrap();
    assert_eq!(loaded.module.description().name, "good");
    loaded
}

fn entries(stage: &Stage) -> Vec<PathBuf> {
    fs::read_dir(stage.cache_path()).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Time of the entry's last write: a usable entry is not written again.
fn written(entry: &PathBuf) -> std::time::SystemTime {
    fs::metadata(entry).unwrap().modified().unwrap()
}

#[tokio::test]
async fn the_next_process_loads_the_cached_module() {
    let (stage, entry) = cached().await;
    let before = written(&entry);
    load(&stage.library_with_cache(1)).await;
    assert_eq!((written(&entry), entries(&stage)), (before, vec![entry]));
}

#[tokio::test]
async fn an_unusable_cache_entry_is_replaced() {
    let (stage, entry) = cached().await;
    let good = fs::read(&entry).unwrap();
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for wrong in [b"".to_vec(), b"\x7fELF of somebody else".to_vec(), good[..good.len() / 2].to_vec(), damaged] {
        fs::write(&entry, &wrong).unwrap();
        load(&stage.library_with_cache(1)).await;
        let now = fs::read(&entry).unwrap();
        assert!(now.len() == good.len() && now != wrong, "it was compiled and kept again");
    }
}

#[tokio::test]
async fn an_entry_under_another_key_is_not_loaded() {
    let (stage, entry) = cached().await;
    let before = fs::read(&entry).unwrap();
    load(&stage.library_with_cache(2)).await;
    assert_ne!(fs::read(&entry).unwrap(), before);
}

#[tokio::test]
async fn the_entry_of_another_module_is_not_loaded() {
    let (stage, entry) = cached().await;
    stage.drop_in("trap-0.0.0.wasm", &wasm("trap"));
    let registry = stage.library_with_cache(1);
    registry.load(&candidate(&registry, "trap-0.0.0.wasm").await).await.unwrap();
    let other = entries(&stage).into_iter().find(|path| *path != entry).unwrap();
    fs::copy(other, &entry).unwrap();
    load(&stage.library_with_cache(1)).await;
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_or_read_costs_nothing_but_time() {
    let (stage, entry) = cached().await;
    // A file at the path of the directory: nothing can be created below it, as on a full disk.
    fs::remove_dir_all(stage.cache_path()).unwrap();
    fs::write(stage.cache_path(), "").unwrap();
    load(&stage.library_with_cache(1)).await;
    fs::remove_file(stage.cache_path()).unwrap();
    // A directory at the path of the entry: the temporary file cannot be renamed, and is removed.
    fs::create_dir_all(entry.join("in the way")).unwrap();
    load(&stage.library_with_cache(1)).await;
    assert_eq!(entries(&stage), [entry]);
}

#[tokio::test]
async fn the_oldest_entries_make_room() {
    let (stage, entry) = cached().await;
    fs::remove_file(&entry).unwrap();
    for number in 0..=CACHE_ENTRIES_MAX {
        fs::write(stage.cache_path().join(format!("{number}.sealed")), "").unwrap();
    }
    fs::write(stage.cache_path().join("of somebody else"), "").unwrap();
    load(&stage.library_with_cache(1)).await;
    assert_eq!(entries(&stage).len(), CACHE_ENTRIES_MAX + 1);
    assert!(entry.exists() && stage.cache_path().join("of somebody else").exists());
}
