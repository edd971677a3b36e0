//! R7, certificates: which votes make a quorum for which transfers, each error, and the bytes.

use super::*;
use crate::fixture::*;
use crate::genesis::Network;
use rand::{SeedableRng, rngs::StdRng};

const YES: &[bool] = &[true];

fn verify_in(
    network: &Network,
    certificate: &Certificate,
    phase: Phase,
    count: usize,
) -> Result<Bitmap, CertificateError> {
    let expected = Expected {
        network: &network.id,
        epoch: network.epoch,
        committee: &network.committee,
        phase,
        count,
    };
    certificate.verify(expected, &mut StdRng::seed_from_u64(1))
}

/// The certificate of these votes over a batch of as many entries as the first has bits.
fn of(network: &Network, votes: &[(u16, &[bool])]) -> Certificate {
    certificate(network, Phase::Lock, &batch(network, votes[0].1.len()), votes)
}

/// Certificates as text: one `member:bits` a vote, and the bits that are certified or the error.
fn check(weights: &[u64], votes: &str, expected: Result<&str, CertificateError>) {
    let network = genesis(weights).network().expect("a good genesis");
    let read = |bits: &str| -> Vec<bool> { bits.chars().map(|bit| bit == '1').collect() };
    let votes: Vec<(u16, Vec<bool>)> = votes
        .split(' ')
        .map(|vote| {
            let (member, bits) = vote.split_once(':').expect("member:bits");
            (member.parse().expect("a number"), read(bits))
        })
        .collect();
    let votes: Vec<(u16, &[bool])> = votes.iter().map(|(m, bits)| (*m, &bits[..])).collect();
    let certificate = of(&network, &votes);
    assert_eq!(Certificate::from_bytes(&certificate.to_bytes()).as_ref(), Ok(&certificate));
    let found = verify_in(&network, &certificate, Phase::Lock, votes[0].1.len());
    assert_eq!(found, expected.map(|bits| Bitmap::from_bools(&read(bits))), "{votes:?}");
}

const NONE: Result<&str, CertificateError> = Err(CertificateError::NoQuorum);

#[test]
fn r7_certificates_need_a_quorum() {
    let four = &[1, 1, 1, 1];
    check(four, "0:1 1:1 2:1 3:1", Ok("1"));
    check(four, "0:1 1:1 2:1", Ok("1"));
    check(four, "3:1 1:1 2:1", Ok("1"));
    check(four, "0:1 1:1", NONE);
    check(four, "0:1", NONE);
    check(four, "0:1 1:1 2:0 3:0", NONE);
    check(four, "0:0 1:0 2:0 3:0", NONE);
    let seven = &[1; 7];
    check(seven, "0:1 1:1 2:1 3:1 4:1", Ok("1"));
    check(seven, "0:1 1:1 2:1 3:1", NONE);
    check(&[1], "0:1", Ok("1"));
}

#[test]
fn r7_certificates_count_each_transfer_alone() {
    let four = &[1, 1, 1, 1];
    check(four, "0:110 1:101 2:111", Ok("100"));
    check(four, "0:110 1:101 2:011", NONE);
    check(four, "0:110 1:101 2:011 3:111", Ok("111"));
    check(four, "0:11110 1:11100 2:11000 3:10000", Ok("11000"));
    check(four, "0:00001 1:00011 2:00111 3:01111", Ok("00011"));
}

#[test]
fn r7_certificates_count_weight_and_not_heads() {
    // W = 8, so 6 is enough.
    let heavy = &[5, 1, 1, 1];
    check(heavy, "0:1 1:1", Ok("1"));
    check(heavy, "0:1", NONE);
    check(heavy, "1:1 2:1 3:1", NONE);
    check(heavy, "0:10 1:01 2:10 3:01", Ok("10"));
    // The largest weights that are allowed do not overflow.
    let most = u64::MAX / 2 / 4;
    check(&[most; 4], "0:1 1:1 2:1", Ok("1"));
    check(&[most; 4], "0:1 1:1", NONE);
}

#[test]
fn of_no_votes_nothing_is_certified() {
    let network = network();
    let mut empty = of(&network, &[(0, YES)]);
    empty.groups.clear();
    // A count from a stranger's message, above what a bitmap can have.
    for count in [0, 1, 4_096, 4_097, usize::MAX] {
        let found = verify_in(&network, &empty, Phase::Lock, count);
        assert_eq!(found, Err(CertificateError::NoQuorum), "{count}");
    }
}

#[test]
fn of_no_transfers_nothing_is_certified() {
    let network = network();
    let ballot = Ballot { bitmap: Bitmap::empty(0), ..ballot_of_one(&network) };
    let votes: Vec<Vote> = (0..4).map(|member| vote(&network, member, &ballot)).collect();
    let certificate = Certificate::from_votes(&votes.iter().collect::<Vec<_>>());
    let found = verify_in(&network, &certificate, Phase::Lock, 0);
    assert_eq!(found, Err(CertificateError::NoQuorum));
}

fn ballot_of_one(network: &Network) -> Ballot {
    ballot(network, Phase::Lock, &batch(network, 1), YES)
}

#[test]
fn r7_certificates_of_another_epoch_are_refused() {
    let network = network();
    let ballot = Ballot { epoch: 8, ..ballot_of_one(&network) };
    let votes: Vec<Vote> = (0..4).map(|member| vote(&network, member, &ballot)).collect();
    let mut other = Certificate::from_votes(&votes.iter().collect::<Vec<_>>());
    let found = verify_in(&network, &other, Phase::Lock, 1);
    assert_eq!(found, Err(CertificateError::OtherEpoch(8)));
    other.epoch = 7;
    let renamed = verify_in(&network, &other, Phase::Lock, 1);
    assert_eq!(renamed, Err(CertificateError::BadSignature(0)), "the signatures cover it");
}

#[test]
fn r7_certificates_of_the_other_phase_are_refused() {
    let network = network();
    let mut lock = of(&network, &[(0, YES), (1, YES), (2, YES)]);
    let found = verify_in(&network, &lock, Phase::Commit, 1);
    assert_eq!(found, Err(CertificateError::OtherBallot));
    lock.phase = Phase::Commit;
    let renamed = verify_in(&network, &lock, Phase::Commit, 1);
    assert_eq!(renamed, Err(CertificateError::BadSignature(0)), "the signatures cover it");
}

#[test]
fn r7_certificates_of_another_network_are_refused() {
    let ours = network();
    let mut genesis = genesis(&[1, 1, 1, 1]);
    genesis.epoch = 7;
    genesis.tokens[0].count += 1;
    let other = genesis.network().expect("a good genesis");
    assert_eq!(ours.committee, other.committee);
    let theirs = of(&other, &[(0, YES), (1, YES), (2, YES)]);
    let found = verify_in(&ours, &theirs, Phase::Lock, 1);
    assert_eq!(found, Err(CertificateError::BadSignature(0)));
}

#[test]
fn r7_certificates_have_a_bit_for_each_entry() {
    let network = network();
    let three = of(&network, &[(0, &[true; 3]), (1, &[true; 3]), (2, &[true; 3])]);
    for expected in [1, 2, 4, 8, 4_097] {
        let found = verify_in(&network, &three, Phase::Lock, expected);
        assert_eq!(found, Err(CertificateError::BitmapLength { expected, found: 3 }));
    }
    let ballot = ballot_of_one(&network);
    let longer = Ballot { bitmap: Bitmap::from_bools(&[true, false]), ..ballot.clone() };
    let votes = [
        vote(&network, 0, &ballot),
        vote(&network, 1, &ballot),
        vote(&network, 2, &ballot),
        vote(&network, 3, &longer),
    ];
    let mixed = Certificate::from_votes(&votes.iter().collect::<Vec<_>>());
    let found = verify_in(&network, &mixed, Phase::Lock, 1);
    assert_eq!(found, Err(CertificateError::BitmapLength { expected: 1, found: 2 }));
}

#[test]
fn r7_certificates_hold_members_only() {
    let network = network();
    let stranger = of(&network, &[(0, YES), (1, YES), (2, YES), (4, YES)]);
    let found = verify_in(&network, &stranger, Phase::Lock, 1);
    assert_eq!(found, Err(CertificateError::Stranger(4)));
    let mut last = of(&network, &[(0, YES), (1, YES), (2, YES)]);
    last.groups[0].votes[2].member = u16::MAX;
    let found = verify_in(&network, &last, Phase::Lock, 1);
    assert_eq!(found, Err(CertificateError::Stranger(u16::MAX)));
}

#[test]
fn r7_certificates_hold_each_member_once() {
    let network = network();
    // Member 1 signs two bitmaps, both valid: together they would be a quorum for transfer 0.
    let twice = of(&network, &[(0, &[true, true]), (1, &[true, false]), (1, &[true, true])]);
    assert_eq!(Certificate::from_bytes(&twice.to_bytes()), Ok(twice.clone()));
    let found = verify_in(&network, &twice, Phase::Lock, 2);
    assert_eq!(found, Err(CertificateError::Repeated(1)));
    let mut again = of(&network, &[(0, YES), (1, YES)]);
    let copy = again.groups[0].votes[1];
    again.groups[0].votes.push(copy);
    let found = verify_in(&network, &again, Phase::Lock, 1);
    assert_eq!(found, Err(CertificateError::Repeated(1)));
    let refused = Certificate::from_bytes(&again.to_bytes());
    assert_eq!(refused, Err(DecodeError::NotCanonical("votes out of order")));
}

#[test]
fn r7_certificates_with_one_bad_signature_are_refused_whole() {
    let network = network();
    for bad in 0..4u16 {
        let mut certificate = of(&network, &[(0, YES), (1, YES), (2, YES), (3, YES)]);
        certificate.groups[0].votes[usize::from(bad)].signature.0[40] ^= 1;
        let found = verify_in(&network, &certificate, Phase::Lock, 1);
        assert_eq!(found, Err(CertificateError::BadSignature(bad)));
    }
    // Two members' good signatures exchanged.
    let mut swapped = of(&network, &[(0, YES), (1, YES), (2, YES)]);
    let votes = &mut swapped.groups[0].votes;
    (votes[0].signature, votes[1].signature) = (votes[1].signature, votes[0].signature);
    let found = verify_in(&network, &swapped, Phase::Lock, 1);
    assert_eq!(found, Err(CertificateError::BadSignature(0)));
}

#[test]
fn r7_certificates_do_not_lend_a_vote_to_another_bitmap_or_batch() {
    let network = network();
    let votes: [(u16, &[bool]); 3] = [(0, &[true, false]), (1, &[true, true]), (2, &[true, true])];
    let mut lent = of(&network, &votes);
    let seal = lent.groups[0].votes[0];
    lent.groups.remove(0);
    lent.groups[0].votes.insert(0, seal);
    let found = verify_in(&network, &lent, Phase::Lock, 2);
    assert_eq!(found, Err(CertificateError::BadSignature(0)));
    let mut other = of(&network, &[(0, YES), (1, YES), (2, YES)]);
    other.batch = of(&network, &votes).batch;
    let found = verify_in(&network, &other, Phase::Lock, 1);
    assert_eq!(found, Err(CertificateError::BadSignature(0)));
}

#[test]
fn equal_bitmaps_are_stored_once_and_order_does_not_matter() {
    let network = network();
    let (a, b): (&[bool], &[bool]) = (&[true, false], &[true, true]);
    let one = of(&network, &[(0, a), (1, b), (2, a), (3, b)]);
    let other = of(&network, &[(3, b), (2, a), (1, b), (0, a)]);
    assert_eq!(one, other);
    assert_eq!(one.groups.len(), 2);
    let members: Vec<u16> = one.groups[1].votes.iter().map(|seal| seal.member).collect();
    assert_eq!(members, [1, 3]);
}

#[test]
fn the_votes_come_out_as_they_went_in() {
    let network = network();
    let (a, b): (&[bool], &[bool]) = (&[false, true], &[true, true]);
    let certificate = of(&network, &[(0, b), (1, a), (2, b)]);
    let votes = certificate.votes();
    assert_eq!(votes.len(), 3);
    assert!(votes.iter().all(|vote| vote.is_valid(&network.id, &network.committee)));
    assert_eq!(Certificate::from_votes(&votes.iter().collect::<Vec<_>>()), certificate);
}

#[test]
fn r1_decode_groups_and_votes_have_one_order() {
    let network = network();
    let (a, b): (&[bool], &[bool]) = (&[true, false], &[true, true]);
    let good = of(&network, &[(0, a), (1, b), (2, a), (3, b)]);
    let decode = |change: fn(&mut Certificate)| {
        let mut changed = good.clone();
        change(&mut changed);
        Certificate::from_bytes(&changed.to_bytes()).map(|_| ())
    };
    assert_eq!(decode(|_| ()), Ok(()));
    let groups = Err(DecodeError::NotCanonical("groups out of order"));
    assert_eq!(decode(|certificate| certificate.groups.swap(0, 1)), groups);
    let same = |certificate: &mut Certificate| {
        certificate.groups[1].bitmap = certificate.groups[0].bitmap.clone();
    };
    assert_eq!(decode(same), groups);
    let votes = Err(DecodeError::NotCanonical("votes out of order"));
    assert_eq!(decode(|certificate| certificate.groups[0].votes.swap(0, 1)), votes);
    let empty = Err(DecodeError::NotCanonical("a group without votes"));
    assert_eq!(decode(|certificate| certificate.groups[0].votes.clear()), empty);
}

#[test]
fn r1_decode_at_most_256_groups_and_votes() {
    let network = network();
    let seal = of(&network, &[(0, YES)]).groups[0].votes[0];
    let seals = |count: u16| (0..count).map(|member| Seal { member, ..seal }).collect();
    let group = |count: u16| Group { bitmap: Bitmap::from_bools(YES), votes: seals(count) };
    assert_eq!(Group::from_bytes(&group(256).to_bytes()), Ok(group(256)));
    let refused = Group::from_bytes(&group(257).to_bytes());
    assert!(matches!(refused, Err(DecodeError::TooMany { max: 256, found: 257, .. })));
    let groups = |count: u16| Certificate {
        groups: (0..count)
            .map(|number| {
                let bits: Vec<bool> = (0..9).map(|bit| number >> bit & 1 == 1).collect();
                Group {
                    bitmap: Bitmap::from_bools(&bits),
                    votes: vec![Seal { member: number, ..seal }],
                }
            })
            .collect(),
        ..of(&network, &[(0, YES)])
    };
    assert_eq!(Certificate::from_bytes(&groups(256).to_bytes()), Ok(groups(256)));
    let refused = Certificate::from_bytes(&groups(257).to_bytes());
    assert!(matches!(refused, Err(DecodeError::TooMany { max: 256, found: 257, .. })));
}

#[test]
fn r1_decode_a_damaged_certificate_proves_nothing() {
    let network = network();
    let (a, b): (&[bool], &[bool]) = (&[true, false], &[true, true]);
    let good = of(&network, &[(0, a), (1, b), (2, a), (3, b)]);
    assert!(verify_in(&network, &good, Phase::Lock, 2).is_ok());
    check_damage(&good, |other| verify_in(&network, other, Phase::Lock, 2).is_err());
}

#[test]
fn r1_decode_a_damaged_vote_is_nobodys() {
    let network = network();
    let good = vote(&network, 2, &ballot_of_one(&network));
    assert!(good.is_valid(&network.id, &network.committee));
    check_damage(&good, |other| !other.is_valid(&network.id, &network.committee));
    check_damage(&good.ballot, |other| {
        other.statement(&network.id) != good.ballot.statement(&network.id)
    });
}
