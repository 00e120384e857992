//! The values that a mux shares with its handlers, found by their type.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

/// Values by their type. At most one value of each type is visible.
///
/// A linked list from the newest value to the oldest: a clone costs one reference count, and a newer
/// value hides an older one of the same type.
#[derive(Clone, Default)]
pub(crate) struct States(Option<Arc<StateNode>>);

struct StateNode {
    type_id: TypeId,
    value: Arc<dyn Any + Send + Sync>,
    older: States,
}

impl States {
    /// Adds a value. It hides an earlier value of the same type.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.push(TypeId::of::<T>(), value);
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let value = self
            .nodes()
            .find(|node| node.type_id == TypeId::of::<T>())
            .map(|node| Arc::clone(&node.value))?;
        value.downcast().ok()
    }

    /// Adds all values of `others`. They hide earlier values of the same types. Allocates nothing if
    /// `self` or `others` is empty.
    pub(crate) fn extend(&mut self, others: &Self) {
        if self.0.is_none() {
            *self = others.clone();
        } else {
            let mut newest_first: Vec<_> = others.nodes().collect();
            while let Some(node) = newest_first.pop() {
                self.push(node.type_id, Arc::clone(&node.value));
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn push(&mut self, type_id: TypeId, value: Arc<dyn Any + Send + Sync>) {
        let older = std::mem::take(self);
        self.0 = Some(Arc::new(StateNode {
            type_id,
            value,
            older,
        }));
    }

    fn nodes(&self) -> impl Iterator<Item = &StateNode> {
        std::iter::successors(self.0.as_deref(), |node| node.older.0.as_deref())
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("States")
            .field(&self.nodes().count())
            .finish()
    }
}
