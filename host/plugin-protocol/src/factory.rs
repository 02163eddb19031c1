//! The factory, which is made while the server connects.
//!
//! The handshake line does not wait for the factory; a setup does.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::limits::FACTORY_WAIT;
use crate::task;

/// The factory or its failure; `None` while the factory is being made.
type State<F> = Option<Result<Arc<F>, String>>;

/// The place of the factory.
pub(crate) struct FactoryCell<F> {
    state: watch::Receiver<State<F>>,
}

impl<F: Send + Sync + 'static> FactoryCell<F> {
    /// Makes the factory on a thread of its own.
    pub(crate) fn make(factory: impl FnOnce() -> Result<Arc<F>, String> + Send + 'static) -> Self {
        let (sender, state) = watch::channel(None);
        task::spawn(async move {
            let made = task::spawn_blocking(factory).await;
            let made = made.unwrap_or_else(|_| Err("the plugin panicked at its start".to_owned()));
            if let Err(error) = &made {
                tracing::error!(%error, "the plugin failed to start; every mount of the plugin will fail");
            }
            sender.send_replace(Some(made));
        });
        Self { state }
    }

    /// Waits for the factory. The error says why there is none.
    pub(crate) async fn get(&self) -> Result<Arc<F>, String> {
        let mut state = self.state.clone();
        let made = timeout(FACTORY_WAIT, state.wait_for(Option::is_some)).await;
        let made = made.map_err(|_| format!("the plugin did not start within {} s", FACTORY_WAIT.as_secs()))?;
        match made.map(|made| made.clone()) {
            Ok(Some(made)) => made,
            _ => Err("the plugin did not start".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_setup_waits_for_the_factory() {
        let (go, wait) = std::sync::mpsc::sync_channel::<()>(1);
        let cell = FactoryCell::make(move || wait.recv().map(|()| Arc::new(5)).map_err(|error| error.to_string()));
        let (made, sent) = tokio::join!(cell.get(), async { go.send(()) });
        assert_eq!((made, sent), (Ok(Arc::new(5)), Ok(())));
    }

    #[tokio::test]
    async fn every_setup_gets_the_failure_or_the_panic_of_the_factory() {
        let cell = FactoryCell::<u8>::make(|| Err("no component".into()));
        assert_eq!((cell.get().await, cell.get().await), (Err("no component".into()), Err("no component".into())));
        let cell = FactoryCell::<u8>::make(|| panic!("bug"));
        assert_eq!(cell.get().await, Err("the plugin panicked at its start".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_setup_waits_no_longer_than_its_deadline() {
        let (_sender, state) = watch::channel(None);
        let cell = FactoryCell::<u8> { state };
        assert_eq!(cell.get().await, Err("the plugin did not start within 30 s".into()));
    }
}
