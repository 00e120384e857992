//! What a peer runs, by its names.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::failure::Failure;

/// Servers, or schedulers and periodic task managers, in the order of their starts. A name is in use from the
/// beginning of the start to the beginning of the shutdown.
pub(crate) struct Registry<T> {
    /// "server" or "scheduler", for messages.
    what: &'static str,
    slots: Mutex<Vec<Slot<T>>>,
}

struct Slot<T> {
    name: String,
    /// `None` while it is being started.
    running: Option<Arc<T>>,
}

impl<T> Registry<T> {
    pub(crate) fn new(what: &'static str) -> Self {
        let slots = Mutex::default();
        Self { what, slots }
    }

    /// Reserves the name and starts what gets it. If the start fails the name is free again.
    pub(crate) async fn add(
        &self,
        name: String,
        start: impl Future<Output = Result<T, Failure>>,
    ) -> Result<(), Failure> {
        let what = self.what;
        if name.is_empty() {
            return Err(Failure::invalid(format!("a {what} needs a name")));
        }
        {
            let mut slots = self.slots();
            if slots.iter().any(|slot| slot.name == name) {
                return Err(Failure::invalid(format!(
                    "the {what} name {name:?} is in use"
                )));
            }
            slots.push(Slot {
                name: name.clone(),
                running: None,
            });
        }
        let started = start.await;
        let mut slots = self.slots();
        slots.retain(|slot| slot.name != name);
        slots.push(Slot {
            name,
            running: Some(Arc::new(started?)),
        });
        Ok(())
    }

    /// The one of this name.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<T>, Failure> {
        self.slots()
            .iter()
            .find(|slot| slot.name == name)
            .and_then(|slot| slot.running.clone())
            .ok_or_else(|| self.unknown(name))
    }

    /// Removes the one of this name, and frees the name.
    pub(crate) fn take(&self, name: &str) -> Result<Arc<T>, Failure> {
        let mut slots = self.slots();
        let found = slots
            .iter()
            .position(|slot| slot.name == name && slot.running.is_some());
        found
            .and_then(|at| slots.remove(at).running)
            .ok_or_else(|| self.unknown(name))
    }

    /// Removes all, in the order of their starts, and frees all names.
    pub(crate) fn take_all(&self) -> Vec<Arc<T>> {
        let slots = std::mem::take(&mut *self.slots());
        slots.into_iter().filter_map(|slot| slot.running).collect()
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot<T>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unknown(&self, name: &str) -> Failure {
        Failure::invalid(format!("there is no {} {name:?}", self.what))
    }
}
