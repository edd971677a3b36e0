//! Paying in untrusted networks: once, and all the time on threads of its own.

use crate::running::{Ended, Place, wait_until};
use serde_json::Value;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether enough of the DHT has answered for a final transfer.
pub fn is_complete(paid: &Value) -> bool {
    assert_eq!(paid["status"], "final", "{paid}");
    paid["dht"] == "complete"
}

/// Pays until enough of the DHT answers.
pub fn wait_until_complete(place: &Place) {
    let complete = || is_complete(&place.quorate("transfer alice bob 1").ok()).then_some(());
    wait_until(complete).expect("the DHT answers");
}

/// Payments that go on until the load is dropped or told to end.
pub struct Load<'a> {
    place: &'a Place,
    words: &'static str,
    is_over: AtomicBool,
    ended: Mutex<Vec<Ended>>,
}

impl<'a> Load<'a> {
    /// A load that pays with these further words.
    pub fn new(place: &'a Place, words: &'static str) -> Self {
        Self { place, words, is_over: AtomicBool::new(false), ended: Mutex::default() }
    }

    /// Pays from one account to another until the end.
    pub fn pay(&self, from: &str) {
        while !self.is_over.load(Ordering::SeqCst) {
            let words = format!("transfer {from} judy 0.001 {}", self.words);
            let paid = self.place.quorate(&words);
            self.ended.lock().expect("no panic").push(paid);
        }
    }

    /// How many payments have ended.
    pub fn count(&self) -> usize {
        self.ended.lock().expect("no panic").len()
    }

    /// Waits until this many more payments that `is_so` have ended; `false` when the time is over.
    pub fn wait_for(&self, more: usize, is_so: impl Fn(&Ended) -> bool) -> bool {
        let before = self.count();
        let enough = || {
            let ended = self.ended.lock().expect("no panic");
            let found = ended[before..].iter().filter(|ended| is_so(ended)).count();
            (found >= more).then_some(())
        };
        wait_until(enough).is_some()
    }

    /// Ends it when dropped, however the test ends: its threads would pay for ever.
    pub fn until_dropped(&self) -> Stop<'_> {
        Stop(&self.is_over)
    }

    /// How all payments have ended.
    pub fn into_ended(self) -> Vec<Ended> {
        self.ended.into_inner().expect("no panic")
    }
}

/// Ends a load when dropped.
pub struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Checks that every payment that was acknowledged is final.
pub fn check_none_lost(place: &Place, ended: &[Ended]) {
    for paid in ended.iter().filter(|ended| ended.exit == 0) {
        let id = paid.json["id"].as_str().expect("an id");
        assert_eq!(place.quorate(&format!("tx show {id}")).ok()["status"], "final", "{id}");
    }
}
