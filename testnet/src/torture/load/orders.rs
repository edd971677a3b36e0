//! What the clients look at before each request: what is to be done, and where the nodes are.

use std::sync::{Mutex, PoisonError};

/// A value that one writes and many read.
pub(super) struct Order<T>(Mutex<T>);

impl<T: Copy> Order<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(super) fn set(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    pub(super) fn now(&self) -> T {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// URLs of the nodes, which may change when one is started again.
pub struct Urls(Mutex<(u64, Vec<String>)>);

impl Urls {
    /// The first ones.
    pub fn new(urls: Vec<String>) -> Self {
        Self(Mutex::new((1, urls)))
    }

    /// Replaces them.
    pub fn set(&self, urls: Vec<String>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.1 != urls {
            *known = (known.0 + 1, urls);
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// All of them under their version, if that is not the one known.
    pub(super) fn newer(&self, version: u64) -> Option<(u64, Vec<String>)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (known.0 != version).then(|| known.clone())
    }
}
