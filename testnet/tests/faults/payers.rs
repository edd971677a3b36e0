//! A load of payments through nodes of both sides, and what has to hold of it in the end.

use crate::asking::ask;
use crate::running::{Place, wait_until};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Scope;

const ACCOUNTS: [&str; 10] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];

/// Payers that pay until their guard is dropped.
#[derive(Default)]
pub struct Payers {
    is_over: AtomicBool,
    finals: AtomicUsize,
    others: AtomicUsize,
}

/// While it is there, they pay.
pub struct Load<'a>(&'a Payers);

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

impl Payers {
    /// One payer for each of these nodes.
    pub fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        place: &'scope Place,
        nodes: &'scope [&'scope str],
    ) -> Load<'scope> {
        for (from, node) in ACCOUNTS.into_iter().zip(nodes) {
            scope.spawn(move || {
                let words = format!("--node {node} transfer {from} judy 0.001 --timeout 1s");
                while !self.is_over.load(Ordering::SeqCst) {
                    let paid = place.quorate(&words);
                    // Unknown, or no quorum: never a bug, never "rejected".
                    assert!([0, 7, 8].contains(&paid.exit), "{paid:?}");
                    let counter = if paid.exit == 0 { &self.finals } else { &self.others };
                    counter.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Load(self)
    }

    /// Payments that were reported final.
    pub fn finals(&self) -> usize {
        self.finals.load(Ordering::SeqCst)
    }

    /// Payments that were not.
    pub fn others(&self) -> usize {
        self.others.load(Ordering::SeqCst)
    }
}

/// The transfers of the wallet that have not ended, those first that may have been sent.
fn open(place: &Place) -> Vec<(String, String)> {
    let list = place.quorate("tx list").ok();
    let rows = list["transfers"].as_array().expect("transfers").iter();
    let row = |row: &Value| {
        let word = |key: &str| row[key].as_str().expect("a word").to_string();
        (word("status"), word("id"))
    };
    let is_open = |(status, _): &(String, String)| status != "final" && status != "rejected";
    let mut open: Vec<(String, String)> = rows.map(row).filter(is_open).collect();
    open.sort_by_key(|(status, _)| status == "signed");
    open
}

/// Sends every transfer that was ever signed again, the same bytes, until each has ended.
pub fn settle_all(place: &Place) {
    let settled = wait_until(|| {
        for (_, id) in open(place) {
            let retried = place.quorate(&format!("tx retry {id} --timeout 5s"));
            // Final; spent by another meanwhile, which was never proposed before; or not yet.
            assert!([0, 5, 7, 8].contains(&retried.exit), "{retried:?}");
        }
        open(place).is_empty().then_some(())
    });
    settled.unwrap_or_else(|| panic!("not all end: {:?}", open(place)));
}

/// Every validator has applied the same transfers, and counts the same supply.
pub fn check_states_are_equal(place: &Place) {
    let of = |index: usize| {
        let node = ask(place, index, "/v1/node");
        (node["applied"].clone(), node["digest"].clone(), ask(place, index, "/v1/supply"))
    };
    let first = of(0);
    assert!(first.1.is_string(), "{first:?}");
    (1..7).for_each(|index| assert_eq!(of(index), first, "v{index}"));
}

/// No state of any token is locked or promised on any validator.
pub fn check_no_lock_is_left(place: &Place) {
    let locks = || (0..7).map(|index| ask(place, index, "/v1/node")["locks"].clone());
    let none = wait_until(|| locks().all(|count| count == 0).then_some(()));
    none.unwrap_or_else(|| panic!("locks are left: {:?}", locks().collect::<Vec<_>>()));
}
