//! What proves something and is no receipt: Lock certificates with their paths, justifications,
//! evidence, and the certificates of transport keys. A changed one proves what the unchanged one
//! did, or nothing; nobody else is ever convicted or let in.

use super::Target;
use super::fixture::{self, QUORUM};
use super::objects;
use super::script::Script;
use consensus::{Evidence, VerifiedEntry};
use ledger::{Accepted, Canonical, Claim, Entry, Justification, LockProof, Phase, Report};
use node::transport::identity::{Admission, Expected, Identity, IdentityError};
use std::sync::LazyLock;

/// The target.
pub const TARGET: Target =
    Target { name: "proofs", check, seeds, bytes_max: 4 * 1024, memory_max: (8 << 20, 64) };

/// Most changes of one proof.
const CHANGES_MAX: usize = 5;
/// Whose transport certificate it is.
const MEMBER: u16 = 2;

/// Of an ordinary entry, and of one in round 2.
static LOCKS: LazyLock<Vec<LockProof>> = LazyLock::new(|| {
    let of = |entries: Vec<Entry>| {
        let (_, batch) = fixture::batch(0, entries);
        batch.lock_proof(0, &fixture::certificate(Phase::Lock, &batch))
    };
    vec![of(fixture::entries()), of(vec![fixture::refresh(1, 2)])]
});

/// A refresh of which nothing was accepted, and a transfer that was accepted and comes again.
static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| vec![fixture::refresh(1, 2), again()]);

static ADMISSION: LazyLock<Admission> = LazyLock::new(|| {
    let network = fixture::network();
    let members = network.committee.members().iter().map(|member| member.key).collect();
    Admission { network: *network.id.bytes(), epoch: network.epoch, members, own: 5 }
});

static CERTIFICATE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let identity = Identity::new(&ADMISSION, fixture::member_key(MEMBER));
    identity.expect("the system has randomness").certificate.to_vec()
});

/// A transfer that was accepted in round 0 and is proposed again in round 3: every report says so.
fn again() -> Entry {
    let (_, batch) = fixture::batch(0, fixture::entries());
    let lock = batch.lock_proof(1, &fixture::certificate(Phase::Lock, &batch));
    let accepted = Some(Accepted { round: 0, transfer: lock.id() });
    let network = fixture::network();
    let report = |member: u16| {
        let state = lock.signed.transfer.inputs[0].state;
        let claims = vec![Claim { state, accepted }];
        let report = Report { epoch: network.epoch, round: 3, claims };
        report.sign(&network.id, member, fixture::member_key(member))
    };
    let reports = (0..QUORUM).map(report).collect();
    let signed = lock.signed.clone();
    let justification = Justification { reports, locks: vec![lock], receipts: Vec::new() };
    Entry { signed, round: 3, justification: justification.to_bytes() }
}

/// One kind of proof, as it stands or changed.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    match script.byte() % 8 {
        0 => lock(script.rest()),
        1 => {
            let base = script.one_of(&LOCKS).to_bytes();
            lock(&script.changed(&base, CHANGES_MAX));
        }
        2 => entry(script.rest()),
        3 => {
            let base = script.one_of(&ENTRIES).to_bytes();
            entry(&script.changed(&base, CHANGES_MAX));
        }
        4 => {
            // The justification alone, so that its length in the entry stays right.
            let mut base = script.one_of(&ENTRIES).clone();
            base.justification = script.changed(&base.justification, CHANGES_MAX);
            entry(&base.to_bytes());
        }
        5 => {
            let (owner, votes) = objects::evidence();
            let base = if script.flag() { owner } else { votes };
            evidence(&script.changed(&base.to_bytes(), CHANGES_MAX));
        }
        6 => certificate(script.rest()),
        _ => certificate(&script.changed(&CERTIFICATE, CHANGES_MAX)),
    }
}

fn lock(bytes: &[u8]) {
    let Ok(lock) = LockProof::from_bytes(bytes) else { return };
    if lock.verify(fixture::network(), &mut fixture::rng()).is_ok() {
        assert!(LOCKS.contains(&lock), "nobody has locked this: {lock:?}");
    }
}

fn entry(bytes: &[u8]) {
    let Ok(entry) = Entry::from_bytes(bytes) else { return };
    if entry.round == 0 {
        return;
    }
    let verified = VerifiedEntry::verify(entry, fixture::network(), &mut fixture::rng());
    let Ok(verified) = verified else { return };
    let of = |entry: &Entry| (entry.signed.transfer.id(), entry.round);
    let is_known = ENTRIES.iter().any(|known| of(known) == of(verified.entry()));
    assert!(is_known, "nobody has reported this: {verified:?}");
}

fn evidence(bytes: &[u8]) {
    let Ok(found) = Evidence::from_bytes(bytes) else { return };
    if found.verify(fixture::network()).is_err() {
        return;
    }
    match found {
        Evidence::Owner(found) => {
            assert_eq!(found.first.signed.transfer.owner, fixture::address(2));
            assert_ne!(found.first, found.second);
        }
        Evidence::Votes(found) => assert_eq!((found.first.member, found.second.member), (6, 6)),
    }
}

fn certificate(bytes: &[u8]) {
    let chain = [bytes.to_vec().into()];
    match ADMISSION.member(&chain, Expected::Exactly(MEMBER)) {
        Ok(member) => assert_eq!(member, MEMBER),
        Err(IdentityError::Unexpected { found, .. }) => assert_ne!(found, MEMBER),
        Err(_) => {}
    }
    let lower = ADMISSION.member(&chain, Expected::Lower);
    assert!(lower.is_err() || lower == Ok(MEMBER), "nobody else has signed a transport key");
}

/// Each valid one, and a script of each kind.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (index, lock) in LOCKS.iter().enumerate() {
        seeds.push((format!("lock-{index}"), [vec![0], lock.to_bytes()].concat()));
    }
    for (index, entry) in ENTRIES.iter().enumerate() {
        seeds.push((format!("entry-{index}"), [vec![2], entry.to_bytes()].concat()));
    }
    // A fresh one has another transport key each time; the script's is as good.
    for kind in [1, 3, 4, 5, 7] {
        for which in [0, 1] {
            let script = vec![kind, which, 0, 0, 20, 3];
            seeds.push((format!("script-{kind}-{which}"), script));
        }
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_is_valid_before() {
        for valid in LOCKS.iter() {
            valid.verify(fixture::network(), &mut fixture::rng()).expect("a good lock proof");
        }
        for valid in ENTRIES.iter() {
            let verified =
                VerifiedEntry::verify(valid.clone(), fixture::network(), &mut fixture::rng());
            verified.expect("a good justification");
        }
        let (owner, votes) = objects::evidence();
        assert_eq!(owner.verify(fixture::network()), Ok(()));
        assert_eq!(votes.verify(fixture::network()), Ok(()));
        let chain = [CERTIFICATE.clone().into()];
        assert_eq!(ADMISSION.member(&chain, Expected::Exactly(MEMBER)), Ok(MEMBER));
    }
}
