//! Selections by an operator.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use modules::controller::{Done, SelectRequest};
use modules::{Approval, Rejection};
use serde_json::Value;

use crate::support::{World, digest, reason, reported, select, version};

fn accepting(version: &str, words: &[&str]) -> SelectRequest {
    SelectRequest { accepted: words.iter().map(|&word| word.to_owned()).collect(), ..select(version) }
}

#[tokio::test]
async fn a_module_with_more_capabilities_is_activated_when_exactly_these_are_accepted() {
    let world = World::new();
    world.source.put("tiny_2_more_capabilities");
    let controller = world.load().await;
    assert!(reason(&controller, "tiny_2_more_capabilities").contains("accept_capabilities=random"));
    for wrong in [&[][..], &["clock"], &["random", "clock"]] {
        let refused = controller.use_module(accepting("2.0.0", wrong)).await.unwrap_err().to_string();
        assert!(refused.contains("random"), "{refused}");
        assert_eq!(version(&controller).await, "1.0.0");
    }
    controller.use_module(accepting("2.0.0", &["random"])).await.unwrap();
    assert_eq!(version(&controller).await, "2.0.0");
    // The accepted module is the active one: a restart needs no new acceptance.
    assert_eq!(version(&world.load().await).await, "2.0.0");
    let refused = controller.use_module(accepting("2.0.0", &["random"])).await.unwrap_err().to_string();
    assert!(refused.contains("leave `accept_capabilities` out"), "{refused}");
}

#[tokio::test]
async fn a_selected_module_is_pinned_until_the_latest_is_selected() {
    let world = World::new();
    world.source.put("tiny_2");
    let controller = world.load().await;
    assert_eq!(version(&controller).await, "2.0.0");
    controller.use_module(select("1.0.0")).await.unwrap();
    assert_eq!(version(&controller).await, "1.0.0");
    controller.reload().await.unwrap();
    assert_eq!(version(&controller).await, "1.0.0");
    assert_eq!(controller.report().pin.unwrap(), ("1.0.0".to_owned(), digest("tiny_1")));
    let candidate = reported(&controller, "tiny_2");
    assert!(candidate.acceptable && candidate.reason.unwrap().contains("`module/use` selects 1.0.0"));
    assert_eq!(version(&world.load().await).await, "1.0.0");
    controller.use_module(select("latest")).await.unwrap();
    assert_eq!(version(&controller).await, "2.0.0");
    assert_eq!(controller.report().pin, None);
}

#[tokio::test]
async fn other_bytes_of_one_version_must_be_selected_by_digest() {
    let world = World::new();
    world.source.put("tiny_2");
    let controller = world.load().await;
    world.source.put("tiny_2_traps");
    controller.reload().await.unwrap();
    assert_eq!(controller.report().serving.unwrap().digest, digest("tiny_2"));
    assert!(reason(&controller, "tiny_2_traps").contains("no update"));
    let refused = controller.use_module(select("2.0.0")).await.unwrap_err().to_string();
    assert!(refused.contains(&digest("tiny_2_traps").to_string()), "{refused}");
    let named = |name| SelectRequest { digest: Some(digest(name)), force: true, ..select("2.0.0") };
    // A selection lifts no incompatibility.
    for (name, expected) in [("tiny_2_drops_a_secret_kind", "`token`"), ("tiny_2_fails_its_probe", "its probe failed")]
    {
        world.source.put(name);
        let refused = controller.use_module(named(name)).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert_eq!(controller.report().serving.unwrap().digest, digest("tiny_2"));
    }
    controller.use_module(named("tiny_2_traps")).await.unwrap();
    assert_eq!(controller.report().serving.unwrap().digest, digest("tiny_2_traps"));
}

#[tokio::test]
async fn selecting_a_module_does_not_replace_its_approval() {
    let world = World::new();
    world.source.put_as("tiny_2", Err(Rejection::Permanent("no trusted key signed it".into())));
    let controller = world.load().await;
    let forced =
        SelectRequest { force: true, digest: Some(digest("tiny_2")), accepted: BTreeSet::new(), ..select("2.0.0") };
    let refused = controller.use_module(forced).await.unwrap_err().to_string();
    assert_eq!(refused, "no trusted key signed it");
    let refused = controller.use_module(select("7.0.0")).await.unwrap_err().to_string();
    assert!(refused.contains("no version 7.0.0 of the engine `tiny`"), "{refused}");
    world.source.put_as("tiny_2", Ok(Approval::AllowListed));
    let held = World::new().option("module_version", "1.0.0");
    held.source.put("tiny_2");
    let refused = held.load().await.use_module(select("2.0.0")).await.unwrap_err().to_string();
    assert!(refused.contains("`module_version` selects 1.0.0"), "{refused}");
}

#[tokio::test]
async fn a_selected_module_with_other_special_paths_is_activated_by_a_plugin_reload() {
    let world = World::new();
    let controller = world.load().await;
    world.source.put("tiny_2_other_special_paths");
    let done = controller.use_module(select("2.0.0")).await.unwrap();
    assert!(matches!(done, Done::NeedsReload(_)));
    assert_eq!(version(&controller).await, "1.0.0");
    let reloaded = world.load().await;
    assert_eq!(version(&reloaded).await, "2.0.0");
    assert_eq!(reloaded.report().pin.unwrap().0, "2.0.0");
}

#[tokio::test]
async fn selecting_the_latest_removes_the_pin_whatever_follows() {
    let world = World::new();
    let controller = world.load().await;
    controller.use_module(select("1.0.0")).await.unwrap();
    world.source.put("tiny_2_more_capabilities");
    let refused = controller.use_module(accepting("latest", &["clock"])).await.unwrap_err().to_string();
    assert!(refused.starts_with("no module is pinned any more, but `accept_capabilities` must name"), "{refused}");
    assert_eq!((controller.report().pin, world.state()["held"].clone()), (None, Value::Null));
    controller.use_module(select("1.0.0")).await.unwrap();
    let Done::Unpinned { serves, passed_over } = controller.use_module(select("latest")).await.unwrap() else {
        panic!("no module is pinned")
    };
    assert_eq!(serves.unwrap().version.to_string(), "1.0.0");
    let [only] = passed_over.try_into().unwrap();
    assert!(only.starts_with("tiny 2.0.0") && only.contains("accept_capabilities=random"), "{only}");
    assert_eq!((controller.report().pin, world.state()["held"].clone()), (None, Value::Null));
}
