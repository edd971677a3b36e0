//! Receipts: a changed one proves the very transfer that the unchanged one proved, or nothing.
//! Every vote in the ones to start from is needed, so nothing of them can be left out.

use super::Target;
use super::fixture;
use super::script::Script;
use ledger::{Canonical, Receipt};
use node::view::ReceiptDocument;
use std::sync::LazyLock;

/// The target.
pub const TARGET: Target =
    Target { name: "receipt", check, seeds, bytes_max: 4 * 1024, memory_max: (4 << 20, 64) };

/// Most changes of one receipt.
const CHANGES_MAX: usize = 6;

/// Of a lone transfer, of each of three, and of one in round 2, with its justification.
static VALID: LazyLock<Vec<Receipt>> = LazyLock::new(|| {
    let mut valid = fixture::receipts(vec![ledger::Entry::ordinary(fixture::pay(6, "lone"))]);
    valid.extend(fixture::receipts(fixture::entries()));
    valid.extend(fixture::receipts(vec![fixture::refresh(1, 2)]));
    valid
});

/// Bytes as they stand, or a valid receipt with changes: of its bytes, of its text, of its parts.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    let kind = script.byte() % 5;
    let base = script.one_of(&VALID).clone();
    match kind {
        0 => bytes(script.rest()),
        1 => bytes(&script.changed(&base.to_bytes(), CHANGES_MAX)),
        2 => text(&String::from_utf8_lossy(script.rest())),
        3 => {
            let valid = ReceiptDocument::of(fixture::network().id, &base).to_text();
            let changed = script.changed(valid.as_bytes(), CHANGES_MAX);
            let changed = String::from_utf8_lossy(&changed).into_owned();
            text(&changed);
        }
        _ => together(&mixed(base, &mut script)),
    }
}

/// Canonical bytes, as a node gives them.
fn bytes(bytes: &[u8]) {
    let Ok(verified) = node::view::verify_bytes(bytes, fixture::network()) else { return };
    assert_known(verified.receipt(), bytes);
}

/// A receipt file: one text a receipt.
fn text(text: &str) {
    let Ok(verified) = ReceiptDocument::verify(text, fixture::network()) else { return };
    let receipt = verified.receipt();
    assert_known(receipt, &receipt.to_bytes());
    assert_eq!(ReceiptDocument::of(fixture::network().id, receipt).to_text(), text);
}

/// Parts of one receipt in another: only what belongs together holds.
fn mixed(mut receipt: Receipt, script: &mut Script<'_>) -> Receipt {
    let other = script.one_of(&VALID).clone();
    match script.byte() % 8 {
        0 => receipt.entry = other.entry,
        1 => receipt.certificate = other.certificate,
        2 => receipt.inclusion.path = other.inclusion.path,
        3 => receipt.inclusion.index = other.inclusion.index,
        4 => receipt.entry.signed.signature = other.entry.signed.signature,
        5 => receipt.certificate.groups = other.certificate.groups,
        6 => receipt.entry.justification = script.piece().to_vec(),
        _ => {}
    }
    if let Some(group) = receipt.certificate.groups.first_mut() {
        match script.byte() % 6 {
            0 => group.votes.reverse(),
            1 => drop(group.votes.pop()),
            2 => group.votes[0].member = script.number(),
            3 => {
                let first = group.votes[0];
                group.votes.push(first);
            }
            _ => {}
        }
    }
    receipt
}

/// The check of many agrees with the check of one.
fn together(receipt: &Receipt) {
    let alone = receipt.verify(fixture::network(), &mut fixture::rng());
    let known = VALID[0].clone();
    let both = vec![known, receipt.clone()];
    let many = ledger::verify_many(both, fixture::network(), &mut fixture::rng());
    assert!(many[0].is_ok(), "a bad receipt spoils no good one beside it");
    // Of several things that are wrong, each names the one that it looks at first.
    assert_eq!(many[1].as_ref().ok(), alone.as_ref().ok(), "many and one are judged alike");
    // In memory there are forms that no bytes have, like votes in another order.
    let bytes = receipt.to_bytes();
    if alone.is_ok() && Receipt::from_bytes(&bytes).is_ok() {
        assert_known(receipt, &bytes);
    }
}

fn assert_known(receipt: &Receipt, bytes: &[u8]) {
    let is_known = VALID.iter().any(|valid| valid.to_bytes() == bytes);
    assert!(is_known, "a receipt that nobody made holds: {receipt:?}");
}

/// Each valid one in both forms, and one script of each kind.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (index, receipt) in (0u8..).zip(VALID.iter()) {
        seeds.push((format!("bytes-{index}"), [vec![0, 0], receipt.to_bytes()].concat()));
        let text = ReceiptDocument::of(fixture::network().id, receipt).to_text();
        seeds.push((format!("text-{index}"), [vec![2, 0], text.into_bytes()].concat()));
        for kind in [1, 3, 4] {
            seeds.push((format!("script-{kind}-{index}"), vec![kind, index, 1, 0, 40, 3, 2, 9]));
        }
    }
    seeds
}
