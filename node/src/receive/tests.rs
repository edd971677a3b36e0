//! Receiving, case by case, on a real journal: what is new, again, late, early, forked or bad, and
//! what is left after a restart.

mod bounds;
mod fixture;
mod overtaken;

use super::*;
use fixture::Case;
pub(crate) use fixture::{World, address, made, token};
use ledger::Canonical;

use Exclusion::{CompareAndSwap, Guards};

const BOTH: [Exclusion; 2] = [Guards, CompareAndSwap];

#[test]
fn a_batch_is_received_owned_and_there_after_a_restart() {
    for exclusion in BOTH {
        let mut world = World::new();
        let receipts = world.payments(40);
        let mut receiver = world.open();
        let outcomes = receiver.receive(receipts.clone(), exclusion).expect("received");
        assert_eq!(outcomes, vec![Outcome::New; 40]);
        for _ in 0..2 {
            assert_eq!(world.balance(&receiver), (40_000, 40));
            assert_eq!(receiver.book().receipt_count(), 40);
            for receipt in &receipts {
                let id = receipt.entry.signed.transfer.id();
                assert_eq!(receiver.receipt(&id), Ok(Some(receipt.clone())));
            }
            drop(receiver);
            receiver = world.open();
        }
        assert_eq!(receiver.receipt(&TransferId::default()), Ok(None));
    }
}

#[test]
fn a_duplicate_changes_nothing_in_one_batch_or_two_or_after_a_restart() {
    for exclusion in BOTH {
        let mut world = World::new();
        let receipts = world.payments(3);
        let receiver = world.open();
        let twice = [receipts.clone(), receipts.clone()].concat();
        let outcomes = receiver.receive(twice, exclusion).expect("received");
        assert_eq!(outcomes[..3], vec![Outcome::New; 3]);
        assert_eq!(outcomes[3..], vec![Outcome::Duplicate; 3]);
        let bytes = world.journal_bytes();
        for _ in 0..2 {
            let again = receiver.receive(receipts.clone(), exclusion).expect("received");
            assert_eq!(again, vec![Outcome::Duplicate; 3]);
        }
        drop(receiver);
        let receiver = world.open();
        let again = receiver.receive(receipts, exclusion).expect("received");
        assert_eq!(again, vec![Outcome::Duplicate; 3]);
        assert_eq!(world.balance(&receiver), (3_000, 3));
        assert_eq!(world.journal_bytes(), bytes, "nothing was written");
    }
}

#[test]
fn an_old_receipt_shown_again_is_not_a_new_token() {
    let mut world = World::new();
    // To the wallet, on to a stranger; then the first receipt comes again, to a wallet that has
    // forgotten nothing, and to one that has seen only the second.
    let chain = world.chain(&[Case::ToWallet, Case::ToStranger]);
    let receiver = world.open();
    let receive = |index: usize| {
        let outcomes = receiver.receive(vec![chain[index].clone()], Guards);
        outcomes.expect("received").remove(0)
    };
    assert_eq!(receive(0), Outcome::New);
    assert_eq!(world.balance(&receiver), (1_000, 1));
    assert_eq!(receive(1), Outcome::New, "what the owner spent elsewhere is learnt");
    assert_eq!(world.balance(&receiver), (0, 0));
    assert_eq!(receive(0), Outcome::Duplicate);
    assert_eq!(world.balance(&receiver), (0, 0));
    let other = World::beside(&world);
    let receiver = other.open();
    let outcomes = receiver.receive(vec![chain[1].clone()], Guards).expect("received");
    assert_eq!(outcomes, [Outcome::New]);
    let outcomes = receiver.receive(vec![chain[0].clone()], Guards).expect("received");
    assert_eq!(outcomes, [Outcome::New], "kept as the link before");
    assert_eq!(other.balance(&receiver), (0, 0), "and no money");
}

#[test]
fn what_lies_far_below_is_old() {
    let mut world = World::new();
    let chain = world.chain(&[Case::ToWallet, Case::ToStranger, Case::ToWallet, Case::ToWallet]);
    let receiver = world.open();
    let last = receiver.receive(vec![chain[3].clone()], Guards).expect("received");
    assert_eq!(last, [Outcome::New]);
    let first = receiver.receive(vec![chain[0].clone()], Guards).expect("received");
    assert_eq!(first, [Outcome::Old]);
    assert_eq!(world.balance(&receiver), (1_000, 1));
}

#[test]
fn a_gap_waits_for_what_is_missing() {
    for exclusion in BOTH {
        let mut world = World::new();
        let route = [Case::ToWallet, Case::ToStranger, Case::ToStranger, Case::ToWallet];
        let chain = world.chain(&route);
        let ids: Vec<TransferId> =
            chain.iter().map(|receipt| receipt.entry.signed.transfer.id()).collect();
        let receiver = world.open();
        let receive = |receipts: &[Receipt]| {
            receiver.receive(receipts.to_vec(), exclusion).expect("received")
        };
        assert_eq!(receive(&chain[..1]), [Outcome::New]);
        assert_eq!(receive(&chain[3..]), [Outcome::Gap(vec![ids[2]])]);
        let bytes = world.journal_bytes();
        assert_eq!(receive(&chain[2..3]), [Outcome::Gap(vec![ids[1]])]);
        assert_eq!(world.journal_bytes(), bytes, "one proof that the head is spent is enough");
        assert_eq!(world.balance(&receiver), (0, 0), "whose it is now is not guessed");
        // All links at once, in the wrong order.
        let links = [chain[3].clone(), chain[1].clone(), chain[2].clone()];
        assert_eq!(receive(&links), vec![Outcome::New; 3]);
        assert_eq!(world.balance(&receiver), (1_000, 1));
        let (token, _) = world.tracked(&chain[3]);
        assert_eq!(receiver.heads().chain(&token).map(|chain| chain.top()), Some(4));
    }
}

#[test]
fn a_batch_is_received_whatever_the_order_of_its_heights() {
    let mut world = World::new();
    // The second link spends another token, too, which makes its lowest height that one's.
    let chain = world.crossing();
    let receiver = world.open();
    assert_eq!(receiver.receive(chain[..1].to_vec(), Guards).expect("received"), [Outcome::New]);
    let rest = receiver.receive(chain[1..].to_vec(), Guards).expect("received");
    assert_eq!(rest, vec![Outcome::New; 2]);
    assert_eq!(world.balance(&receiver), (2_000, 2));
    drop(receiver);
    assert_eq!(world.balance(&world.open()), (2_000, 2), "and the record has their order");
}

#[test]
fn a_fork_is_refused_and_both_receipts_are_evidence() {
    for exclusion in BOTH {
        let mut world = World::new();
        let (first, second) = world.fork();
        let mut receiver = world.open();
        let outcomes = receiver.receive(vec![first.clone()], exclusion).expect("received");
        assert_eq!(outcomes, [Outcome::New]);
        for _ in 0..2 {
            let outcomes = receiver.receive(vec![second.clone()], exclusion).expect("received");
            assert_eq!(outcomes, [Outcome::Fork]);
            let forks = receiver.forks();
            assert_eq!(forks.len(), 1, "once, and after a restart, too");
            assert_eq!((&forks[0].first, &forks[0].second), (&first, &second));
            assert_eq!(forks[0].verify(&world.network), Ok(()));
            assert_eq!(Fork::from_bytes(&forks[0].to_bytes()), Ok(forks[0].clone()));
            assert_eq!(world.balance(&receiver), (1_000, 1), "the first one stands");
            drop(receiver);
            receiver = world.open();
        }
        let same = Fork { second: first.clone(), ..receiver.forks().remove(0) };
        assert_eq!(same.verify(&world.network), Err(record::NoFork::NotTwice));
    }
}

#[test]
fn both_sides_of_a_fork_in_one_batch_leave_one() {
    let mut world = World::new();
    let (first, second) = world.fork();
    let receiver = world.open();
    let mut outcomes = receiver.receive(vec![first, second], Guards).expect("received");
    outcomes.sort_by_key(|outcome| *outcome == Outcome::Fork);
    assert_eq!(outcomes, [Outcome::New, Outcome::Fork]);
    assert_eq!((world.balance(&receiver), receiver.forks().len()), ((1_000, 1), 1));
}

#[test]
fn one_bad_receipt_fails_alone() {
    let mut world = World::new();
    let mut receipts = world.payments(6);
    receipts[2].entry.signed.signature.0[3] ^= 1;
    receipts[4].certificate.groups[0].votes[0].signature.0[3] ^= 1;
    receipts[5].inclusion.index ^= 1;
    let receiver = world.open();
    let outcomes = receiver.receive(receipts, Guards).expect("received");
    for (index, outcome) in outcomes.iter().enumerate() {
        let is_bad = matches!(outcome, Outcome::Refused(_));
        assert_eq!(is_bad, [2, 4, 5].contains(&index), "{index}: {outcome:?}");
    }
    assert_eq!(world.balance(&receiver), (3_000, 3));
}

#[test]
fn what_concerns_nobody_here_is_not_kept() {
    let mut world = World::new();
    let foreign = world.chain(&[Case::ToStranger]);
    let receiver = world.open();
    let outcomes = receiver.receive(foreign, Guards).expect("received");
    assert_eq!(outcomes, [Outcome::Foreign]);
    assert_eq!((receiver.heads().count(), receiver.book().receipt_count()), (0, 0));
}

#[test]
fn a_transfer_of_many_tokens_moves_all_of_them_or_none() {
    let mut world = World::new();
    let (whole, half) = world.overlapping();
    let receiver = world.open();
    assert_eq!(receiver.receive(vec![half], Guards).expect("received"), [Outcome::New]);
    assert_eq!(world.balance(&receiver), (1_000, 1));
    // One of its two tokens has another spender: the other token does not come either.
    assert_eq!(receiver.receive(vec![whole], Guards).expect("received"), [Outcome::Fork]);
    assert_eq!(world.balance(&receiver), (1_000, 1));
}

#[test]
fn change_of_a_hosted_sender_and_the_token_that_ended_move_together() {
    let mut world = World::new();
    let receiver = world.open_for(&[fixture::SENDER, fixture::WALLET]);
    let sender = address(fixture::SENDER);
    let before = receiver.book().balances(&sender);
    let receipt = world.pay_with_change(300);
    assert_eq!(receiver.receive(vec![receipt], Guards).expect("received"), [Outcome::New]);
    let after = receiver.book().balances(&sender);
    let asset = *before.keys().next().expect("genesis tokens");
    assert_eq!(before[&asset].0 - 300, after[&asset].0);
    assert_eq!(before[&asset].1, after[&asset].1, "one token ended, one came back");
    assert_eq!(world.balance(&receiver), (300, 1));
}

#[test]
fn batches_at_the_same_time_end_as_one_after_the_other_does() {
    for exclusion in BOTH {
        let mut world = World::new();
        let receipts = world.payments(60);
        let chain = world.chain(&[Case::ToWallet; 8]);
        let receiver = world.open();
        std::thread::scope(|scope| {
            for start in 0..4 {
                let (receiver, receipts, chain) = (&receiver, &receipts, &chain);
                scope.spawn(move || {
                    let of = |at: usize| receipts[(start * 10 + at) % 60].clone();
                    for at in (0..60).step_by(6) {
                        let batch = (at..at + 6).map(of).collect();
                        receiver.receive(batch, exclusion).expect("received");
                    }
                    for receipt in chain {
                        receiver.receive(vec![receipt.clone()], exclusion).expect("received");
                    }
                });
            }
        });
        assert_eq!(world.balance(&receiver), (61_000, 61));
        let (token, state) = world.tracked(&chain[7]);
        let head = receiver.heads().chain(&token).expect("received");
        assert_eq!(head.head(token).0, state);
        drop(receiver);
        assert_eq!(world.balance(&world.open()), (61_000, 61));
    }
}

#[test]
fn a_certificate_is_checked_once_over_all_batches() {
    let mut world = World::new();
    let receipts = world.payments(30);
    let receiver = world.open();
    for part in receipts.chunks(7) {
        receiver.receive(part.to_vec(), Guards).expect("received");
    }
    assert_eq!(receiver.certificates_checked(), 1);
}
