//! Identity entities of the server, kept for a while for each mount: a mint that records the name of the entity waits
//! for the server once a minute, not each time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use envelope::{Entity, SystemView, SystemViewError};
use tokio::time::Instant;

use crate::limits::{ENTITIES_KEPT_MAX, ENTITY_KEPT};

/// The entities of one mount's requests.
#[derive(Default)]
pub(crate) struct Entities {
    kept: Mutex<HashMap<String, Kept>>,
}

struct Kept {
    since: Instant,
    entity: Option<Entity>,
}

impl Entities {
    /// The server's answer about an entity, at most [`ENTITY_KEPT`] old. A failure is not kept.
    pub(crate) async fn info(&self, view: &dyn SystemView, entity_id: &str) -> Result<Option<Entity>, SystemViewError> {
        if let Some(kept) = self.lock().get(entity_id).filter(|kept| kept.since.elapsed() < ENTITY_KEPT) {
            return Ok(kept.entity.clone());
        }
        let entity = view.entity_info(entity_id).await?;
        let mut kept = self.lock();
        if kept.len() >= ENTITIES_KEPT_MAX {
            kept.retain(|_, kept| kept.since.elapsed() < ENTITY_KEPT);
        }
        // If more entities are used in a minute, further requests ask the server.
        if kept.len() < ENTITIES_KEPT_MAX {
            kept.insert(entity_id.to_owned(), Kept { since: Instant::now(), entity: entity.clone() });
        }
        Ok(entity)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use async_trait::async_trait;

    use super::*;

    /// Counts the calls, and answers with the count as the entity's name.
    #[derive(Default)]
    struct Server {
        asked: AtomicUsize,
    }

    #[async_trait]
    impl SystemView for Server {
        async fn entity_info(&self, entity_id: &str) -> Result<Option<Entity>, SystemViewError> {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            match entity_id {
                "fails" => Err(SystemViewError::Failed("sealed".to_owned())),
                "none" => Ok(None),
                id => Ok(Some(Entity { id: id.to_owned(), name: asked.to_string(), metadata: BTreeMap::new() })),
            }
        }
    }

    async fn name(entities: &Entities, server: &Server, id: &str) -> Option<String> {
        entities.info(server, id).await.unwrap().map(|entity| entity.name)
    }

    #[tokio::test(start_paused = true)]
    async fn an_entity_is_asked_for_once_a_minute() {
        let (entities, server) = (Entities::default(), Server::default());
        assert_eq!(name(&entities, &server, "alice").await.unwrap(), "1");
        tokio::time::advance(ENTITY_KEPT - Duration::from_secs(1)).await;
        assert_eq!(name(&entities, &server, "alice").await.unwrap(), "1");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(name(&entities, &server, "alice").await.unwrap(), "2");
        assert_eq!(name(&entities, &server, "none").await, None);
        assert_eq!(name(&entities, &server, "none").await, None);
        assert_eq!(server.asked.load(Ordering::Relaxed), 3, "a missing entity is kept, too");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_not_kept() {
        let (entities, server) = (Entities::default(), Server::default());
        for asked in 1..=2 {
            entities.info(&server, "fails").await.unwrap_err();
            assert_eq!(server.asked.load(Ordering::Relaxed), asked);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_entities_are_kept_than_the_limit() {
        let (entities, server) = (Entities::default(), Server::default());
        for number in 0..ENTITIES_KEPT_MAX + 10 {
            name(&entities, &server, &number.to_string()).await.unwrap();
        }
        assert_eq!(entities.lock().len(), ENTITIES_KEPT_MAX);
        tokio::time::advance(ENTITY_KEPT).await;
        name(&entities, &server, "next").await.unwrap();
        assert_eq!(entities.lock().len(), 1, "expired entities make room");
    }
}
