//! What a wallet keeps and what a node fetches whole: records of received receipts, forks, notes of
//! sent transfers, snapshots, and the stream of deliveries. Each is refused, or is what it says.

use super::Target;
use super::fixture;
use super::script::Script;
use ledger::{Canonical, Entry};
use node::client::EventReader;
use node::receive::record::{Fork, RECEIPTS_MAX, read_received, received};
use node::snapshot::{Group, Link, Snapshot};
use node::wallet::Record;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// The target.
pub const TARGET: Target =
    Target { name: "stored", check, seeds, bytes_max: 8 * 1024, memory_max: (8 << 20, 128) };

/// Most changes of one value.
const CHANGES_MAX: usize = 5;
/// Bytes of a snapshot's trailer.
const TRAILER_BYTES: usize = 32;

/// Of genesis with one batch of three transfers applied.
static SNAPSHOT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let network = fixture::network();
    let (_, batch) = fixture::batch(0, fixture::entries());
    let certificate = fixture::certificate(ledger::Phase::Commit, &batch);
    let mut digest = [0; 32];
    for id in batch.ids() {
        digest.iter_mut().zip(id.bytes()).for_each(|(sum, byte)| *sum ^= byte);
    }
    let link = |index| {
        let receipt = batch.receipt(index, &certificate);
        let signed = receipt.entry.signed;
        let ledger::Inclusion { index, path, .. } = receipt.inclusion;
        Link { index, signed, round: 0, proof: None, path }
    };
    let links = (0..3).map(link).collect();
    let group = Group { certificate, count: 3, links };
    let bitmap = ledger::Bitmap::from_bools(&[true; 3]);
    let snapshot = Snapshot {
        network: network.id,
        epoch: network.epoch,
        applied: 3,
        digest: ledger::Digest(digest),
        lines: vec![consensus::AppliedLine { batch: batch.id(), bitmap }],
        groups: vec![group],
    };
    snapshot.to_bytes()
});

static RECEIVED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut receipts = fixture::receipts(fixture::entries());
    receipts.extend(fixture::receipts(vec![fixture::refresh(5, 1)]));
    received(&receipts)
});

/// Two receipts that spend one state: only a dishonest quorum makes such.
static FORK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let one = |memo| fixture::receipts(vec![Entry::ordinary(fixture::pay(4, memo))]).remove(0);
    let (first, second) = (one("one"), one("two"));
    Fork { state: fixture::coin(4).state, first, second }.to_bytes()
});

/// One kind of value, as it stands or changed.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    match script.byte() % 8 {
        0 => read(script.rest()),
        1 => read(&script.changed(&RECEIVED, CHANGES_MAX)),
        2 => fork(&script.changed(&FORK, CHANGES_MAX)),
        3 => note(script.rest()),
        4 => snapshot(script.rest().to_vec(), false),
        5 => snapshot(script.changed(&SNAPSHOT, CHANGES_MAX), false),
        6 => snapshot(script.changed(&SNAPSHOT, CHANGES_MAX), true),
        _ => events(&mut script),
    }
}

fn read(payload: &[u8]) {
    let Ok(receipts) = read_received(payload) else { return };
    assert!(receipts.len() <= RECEIPTS_MAX);
    let again = read_received(&received(&receipts));
    assert_eq!(again.as_ref(), Ok(&receipts), "a record of the same receipts");
}

fn fork(bytes: &[u8]) {
    let Ok(fork) = Fork::from_bytes(bytes) else { return };
    if fork.verify(fixture::network()).is_ok() {
        assert_eq!(fork.to_bytes(), *FORK, "nothing else was signed twice");
    }
}

fn note(bytes: &[u8]) {
    let Ok(note) = serde_json::from_slice::<Record>(bytes) else { return };
    let again = serde_json::to_vec(&note).expect("strings and numbers");
    assert_eq!(serde_json::from_slice::<Record>(&again).ok(), Some(note));
}

/// With the trailer made good again, as whoever makes a snapshot can: then the proofs decide.
fn snapshot(mut bytes: Vec<u8>, is_forged: bool) {
    if is_forged && bytes.len() > TRAILER_BYTES {
        let end = bytes.len() - TRAILER_BYTES;
        let trailer = Sha256::digest(&bytes[..end]);
        bytes[end..].copy_from_slice(&trailer);
    }
    let Ok(snapshot) = Snapshot::from_bytes(&bytes) else { return };
    assert_eq!(snapshot.to_bytes(), bytes, "a snapshot has one form");
    let Ok(checked) = snapshot.check(fixture::network()) else { return };
    for (id, asset) in checked.tips.assets() {
        let of = checked.tips.tokens();
        let of = of.filter(|(_, tip)| tip.asset == *id && tip.ended_by.is_none());
        let live: u128 = of.map(|(_, tip)| u128::from(tip.amount)).sum();
        assert_eq!(live, u128::from(asset.issued), "value is constant");
    }
    let real = Snapshot::from_bytes(&SNAPSHOT).expect("its own bytes");
    let real: Vec<&Link> = real.groups.iter().flat_map(|group| &group.links).collect();
    for link in snapshot.groups.iter().flat_map(|group| &group.links) {
        assert!(real.contains(&link), "no tip that no transfer has made: {link:?}");
    }
}

/// However the bytes of a stream are cut, the same events come.
fn events(script: &mut Script<'_>) {
    let cut = usize::from(script.byte()).max(1);
    let bytes = script.rest();
    let whole = EventReader::default().push(bytes);
    let mut reader = EventReader::default();
    let pieces: Option<Vec<_>> = bytes.chunks(cut).map(|piece| reader.push(piece)).collect();
    assert_eq!(pieces.map(|pieces| pieces.concat()), whole);
}

/// Each good one, and a script of each kind.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let id = fixture::pay(0, "").transfer.id();
    let note = Record {
        id,
        status: node::wallet::Progress::Final,
        from: fixture::address(0),
        to: Some(fixture::address(1)),
        asset: "COIN".into(),
        amount: "10".into(),
        tokens_spent: 1,
        memo: String::new(),
        signed_s: 1,
    };
    let note = serde_json::to_vec(&note).expect("strings and numbers");
    let stream = format!(
        "event: open\ndata: {{}}\n\n:\n\nid: 7\nevent: delivery\ndata: {{\"id\":\"{id}\",\
         \"sequence\":7}}\n\nevent: gap\n\n"
    );
    let mut seeds = vec![
        ("received".to_string(), [vec![0], RECEIVED.clone()].concat()),
        ("note".into(), [vec![3], note].concat()),
        ("snapshot".into(), [vec![4], SNAPSHOT.clone()].concat()),
        ("events".into(), [vec![7, 5], stream.into_bytes()].concat()),
    ];
    for kind in [1, 2, 5, 6] {
        for change in 0..9u8 {
            seeds.push((format!("script-{kind}-{change}"), vec![kind, 0, change, 90, 1, 3, 5]));
        }
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_is_valid_before() {
        let snapshot = Snapshot::from_bytes(&SNAPSHOT).expect("its own bytes");
        snapshot.check(fixture::network()).expect("a good snapshot");
        let fork = Fork::from_bytes(&FORK).expect("its own bytes");
        assert_eq!(fork.verify(fixture::network()), Ok(()));
        assert_eq!(read_received(&RECEIVED).map(|receipts| receipts.len()), Ok(4));
    }
}
