//! What an operator names.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use modules::binding::{Done, Naming};
use modules::{Approval, Refusal};
use serde_json::Value;

use crate::support::{World, digest, naming, reason, reported, version};

fn accepting(version: &str, words: &[&str]) -> Naming {
    Naming { accepted: words.iter().map(|&word| word.to_owned()).collect(), ..naming(version) }
}

#[tokio::test]
async fn what_asks_for_more_goes_live_when_exactly_that_is_accepted() {
    let world = World::new();
    world.shelf.put("tiny_2_more_capabilities");
    let binding = world.load().await;
    assert!(reason(&binding, "tiny_2_more_capabilities").contains("accept_capabilities=random"));
    for wrong in [&[][..], &["clock"], &["random", "clock"]] {
        let refused = binding.use_module(accepting("2.0.0", wrong)).await.unwrap_err().to_string();
        assert!(refused.contains("random"), "{refused}");
        assert_eq!(version(&binding).await, "1.0.0");
    }
    binding.use_module(accepting("2.0.0", &["random"])).await.unwrap();
    assert_eq!(version(&binding).await, "2.0.0");
    // What was accepted is what runs: a restart asks for nothing.
    assert_eq!(version(&world.load().await).await, "2.0.0");
    let refused = binding.use_module(accepting("2.0.0", &["random"])).await.unwrap_err().to_string();
    assert!(refused.contains("leave `accept_capabilities` out"), "{refused}");
}

#[tokio::test]
async fn what_is_named_is_held_until_the_latest_is_named() {
    let world = World::new();
    world.shelf.put("tiny_2");
    let binding = world.load().await;
    assert_eq!(version(&binding).await, "2.0.0");
    binding.use_module(naming("1.0.0")).await.unwrap();
    assert_eq!(version(&binding).await, "1.0.0");
    binding.reload().await.unwrap();
    assert_eq!(version(&binding).await, "1.0.0");
    assert_eq!(binding.report().held.unwrap(), ("1.0.0".to_owned(), digest("tiny_1")));
    let candidate = reported(&binding, "tiny_2");
    assert!(candidate.acceptable && candidate.reason.unwrap().contains("`module/use` holds 1.0.0"));
    assert_eq!(version(&world.load().await).await, "1.0.0");
    binding.use_module(naming("latest")).await.unwrap();
    assert_eq!(version(&binding).await, "2.0.0");
    assert_eq!(binding.report().held, None);
}

#[tokio::test]
async fn other_bytes_of_one_version_must_be_named_by_their_digest() {
    let world = World::new();
    world.shelf.put("tiny_2");
    let binding = world.load().await;
    world.shelf.put("tiny_2_traps");
    binding.reload().await.unwrap();
    assert_eq!(binding.report().serving.unwrap().digest, digest("tiny_2"));
    assert!(reason(&binding, "tiny_2_traps").contains("no update"));
    let refused = binding.use_module(naming("2.0.0")).await.unwrap_err().to_string();
    assert!(refused.contains(&digest("tiny_2_traps").to_string()), "{refused}");
    let named = |name| Naming { digest: Some(digest(name)), force: true, ..naming("2.0.0") };
    // That it is named makes nothing good that is wrong with it.
    for (name, expected) in [("tiny_2_drops_a_secret_kind", "`token`"), ("tiny_2_fails_its_probe", "its probe failed")]
    {
        world.shelf.put(name);
        let refused = binding.use_module(named(name)).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert_eq!(binding.report().serving.unwrap().digest, digest("tiny_2"));
    }
    binding.use_module(named("tiny_2_traps")).await.unwrap();
    assert_eq!(binding.report().serving.unwrap().digest, digest("tiny_2_traps"));
}

#[tokio::test]
async fn naming_does_not_replace_trust() {
    let world = World::new();
    world.shelf.put_as("tiny_2", Err(Refusal("no trusted key signed it".into())));
    let binding = world.load().await;
    let forced = Naming { force: true, digest: Some(digest("tiny_2")), accepted: BTreeSet::new(), ..naming("2.0.0") };
    let refused = binding.use_module(forced).await.unwrap_err().to_string();
    assert_eq!(refused, "no trusted key signed it");
    let refused = binding.use_module(naming("7.0.0")).await.unwrap_err().to_string();
    assert!(refused.contains("no version 7.0.0 of the engine `tiny`"), "{refused}");
    world.shelf.put_as("tiny_2", Ok(Approval::Pinned));
    let held = World::new().option("module_version", "1.0.0");
    held.shelf.put("tiny_2");
    let refused = held.load().await.use_module(naming("2.0.0")).await.unwrap_err().to_string();
    assert!(refused.contains("`module_version` holds 1.0.0"), "{refused}");
}

#[tokio::test]
async fn a_module_with_other_special_paths_is_named_now_and_goes_live_with_a_reload() {
    let world = World::new();
    let binding = world.load().await;
    world.shelf.put("tiny_2_other_special_paths");
    let done = binding.use_module(naming("2.0.0")).await.unwrap();
    assert!(matches!(done, Done::TakesReload(_)));
    assert_eq!(version(&binding).await, "1.0.0");
    let reloaded = world.load().await;
    assert_eq!(version(&reloaded).await, "2.0.0");
    assert_eq!(reloaded.report().held.unwrap().0, "2.0.0");
}

#[tokio::test]
async fn what_is_held_is_let_go_whatever_comes_of_the_highest() {
    let world = World::new();
    let binding = world.load().await;
    binding.use_module(naming("1.0.0")).await.unwrap();
    world.shelf.put("tiny_2_more_capabilities");
    let refused = binding.use_module(accepting("latest", &["clock"])).await.unwrap_err().to_string();
    assert!(refused.starts_with("nothing is held any more, but `accept_capabilities` must name"), "{refused}");
    assert_eq!((binding.report().held, world.state()["held"].clone()), (None, Value::Null));
    binding.use_module(naming("1.0.0")).await.unwrap();
    let Done::Free { serves, passed_over } = binding.use_module(naming("latest")).await.unwrap() else {
        panic!("nothing is held")
    };
    assert_eq!(serves.unwrap().version.to_string(), "1.0.0");
    let [only] = passed_over.try_into().unwrap();
    assert!(only.starts_with("tiny 2.0.0") && only.contains("accept_capabilities=random"), "{only}");
    assert_eq!((binding.report().held, world.state()["held"].clone()), (None, Value::Null));
}
