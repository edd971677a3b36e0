//! Tests of counting votes.

use super::*;
use crate::Batch;
use crate::testkit::*;
use ledger::{Phase, Signature};

fn two() -> Batch {
    (*batch(0, &[pay_coin(0, ""), pay_coin(1, "")]).1).clone()
}

fn add(tally: &mut Tally, vote: Vote) -> Counted {
    tally.add(vote, &network().committee)
}

fn certified(tally: &mut Tally) -> (Option<Bitmap>, Vec<u16>) {
    let (checked, bad) = tally.certificate(&network(), &mut rng());
    (checked.map(|checked| checked.certified().clone()), bad)
}

#[test]
fn five_of_seven_certify_each_entry_by_itself() {
    let batch = two();
    let mut tally = Tally::new(2);
    for member in 0..4 {
        assert_eq!(add(&mut tally, vote(member, Phase::Lock, &batch, "11")), Counted::Added);
        assert_eq!(certified(&mut tally), (None, vec![]));
    }
    add(&mut tally, vote(4, Phase::Lock, &batch, "1."));
    assert_eq!(certified(&mut tally), (Some(bits("1.")), vec![]));
    assert_eq!(certified(&mut tally), (None, vec![]), "nothing new");
    add(&mut tally, vote(5, Phase::Lock, &batch, ".1"));
    assert_eq!(certified(&mut tally), (Some(bits("11")), vec![]));
    assert_eq!(tally.voters(1), [0, 1, 2, 3, 5]);
    assert_eq!((tally.weight(0), tally.weight(1), tally.weight(2)), (5, 5, 0));
}

#[test]
fn the_same_vote_twice_counts_once() {
    let batch = two();
    let mut tally = Tally::new(2);
    for _ in 0..7 {
        add(&mut tally, vote(3, Phase::Lock, &batch, "11"));
    }
    assert_eq!(add(&mut tally, vote(3, Phase::Lock, &batch, "1.")), Counted::Known);
    assert_eq!(tally.weight(0), 1);
    assert_eq!(tally.of(3), Some(&bits("11")));
}

#[test]
fn an_empty_first_vote_does_not_block_later_bits() {
    let batch = two();
    let mut tally = Tally::new(2);
    for text in ["..", "1.", "11"] {
        assert_eq!(add(&mut tally, vote(3, Phase::Lock, &batch, text)), Counted::Added, "{text}");
    }
    assert_eq!((tally.weight(0), tally.weight(1)), (1, 1));
}

#[test]
fn votes_that_contradict_each_other_are_evidence_and_the_first_counts() {
    let batch = two();
    let mut tally = Tally::new(2);
    add(&mut tally, vote(3, Phase::Lock, &batch, "1."));
    let Counted::Contradicts(evidence) = add(&mut tally, vote(3, Phase::Lock, &batch, ".1")) else {
        panic!("it takes a bit back");
    };
    assert_eq!(evidence.verify(&network()), Ok(()));
    assert_eq!((tally.weight(0), tally.weight(1)), (1, 0));
}

#[test]
fn bad_signatures_are_thrown_out_and_their_members_may_vote_again() {
    let batch = two();
    let mut tally = Tally::new(2);
    for member in 0..5 {
        let mut vote = vote(member, Phase::Commit, &batch, "11");
        if member == 2 {
            vote.signature = Signature([7; 64]);
        }
        add(&mut tally, vote);
    }
    assert_eq!(certified(&mut tally), (None, vec![2]));
    assert_eq!(tally.weight(0), 4);
    add(&mut tally, vote(2, Phase::Commit, &batch, "11"));
    assert_eq!(certified(&mut tally), (Some(bits("11")), vec![]));
}

#[test]
fn an_empty_vote_is_in_no_certificate() {
    let batch = two();
    let mut tally = Tally::new(2);
    for member in 0..5 {
        add(&mut tally, vote(member, Phase::Lock, &batch, "1."));
    }
    add(&mut tally, vote(5, Phase::Lock, &batch, ".."));
    let (checked, _) = tally.certificate(&network(), &mut rng());
    let checked = checked.expect("five votes");
    assert_eq!(checked.certificate().groups.len(), 1);
    assert_eq!(checked.certificate().votes().len(), 5);
}

#[test]
fn strangers_have_no_weight() {
    let batch = two();
    let mut tally = Tally::new(2);
    let mut strange = vote(6, Phase::Lock, &batch, "11");
    strange.member = 7;
    add(&mut tally, strange);
    assert_eq!(tally.weight(0), 0);
}

#[test]
#[should_panic(expected = "left == right")]
fn a_bitmap_of_another_length_is_the_callers_bug() {
    let batch = two();
    add(&mut Tally::new(3), vote(0, Phase::Lock, &batch, "11"));
}
