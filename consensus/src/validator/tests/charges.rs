//! Who makes others work for nothing is not listened to for a while; nobody else is.

use super::*;
use crate::validator::cost_of;
use ledger::{Keypair, Recover, SignedRecover, TokenState};

/// A batch of `count` transfers of coin 0 whose signatures do not hold, other ones with each `tag`.
fn junk(proposer: u16, count: u8, tag: &str) -> Arc<crate::Proposal> {
    let forged = |number: u8| {
        let mut forged = pay_coin(0, &format!("{tag} {number}"));
        forged.signature.0[0] ^= 1;
        forged
    };
    let transfers: Vec<_> = (0..count).map(forged).collect();
    batch(proposer, &transfers).0
}

fn is_unheard(step: &Step) -> bool {
    let says = |blame: &crate::Blame| blame.what.contains("work for nothing too often");
    step.judge.is_empty() && step.after.is_empty() && step.blame.iter().any(says)
}

#[test]
fn a_proposer_of_bad_signatures_is_refused_unchecked_and_heard_again_later() {
    let mut validator = validator(1);
    let burst = u8::try_from(WRONGS_BURST).expect("small");
    let step = propose(&mut validator, 0, &junk(PROPOSER, burst, "first"));
    assert_eq!(step.blame.len(), 1, "it is blamed for what it may do a little of");
    // It is within its account still: what is good is voted for.
    let (good, _) = batch(PROPOSER, &[pay_coin(1, "")]);
    assert_eq!(voted(&propose(&mut validator, 0, &good), Phase::Lock), "1");
    propose(&mut validator, 0, &junk(PROPOSER, 1, "second"));
    assert!(validator.is_refused(0, PROPOSER));
    let (more, _) = batch(PROPOSER, &[pay_coin(2, "")]);
    assert!(is_unheard(&validator.proposed(1, PROPOSER, more.clone())), "nothing is checked");
    // Others are heard, also with the same transfer, and so is this one a little later.
    let (other, _) = batch(2, &[pay_coin(2, "")]);
    assert_eq!(voted(&propose(&mut validator, 1, &other), Phase::Lock), "1");
    let later_us = 2 * 1_000_000 / WRONGS_PER_S;
    assert_eq!(voted(&propose(&mut validator, later_us, &more), Phase::Lock), "1");
}

#[test]
fn a_batch_that_is_refused_whole_is_charged_for_and_so_is_a_false_justification() {
    let mut validator = validator(1);
    let (proposal, _) = batch(PROPOSER, &[pay_coin(0, "")]);
    for _ in 0..=WRONGS_BURST {
        let unsigned = crate::Proposal { signature: Signature([0; 64]), ..(*proposal).clone() };
        propose(&mut validator, 0, &Arc::new(unsigned));
    }
    assert!(validator.is_refused(0, PROPOSER));
    let justification = vec![7; usize::try_from(WRONGS_BURST).expect("small") * 1_024];
    let entry = Entry { signed: pay_coin(0, ""), round: 1, justification };
    propose(&mut validator, 0, &of_entries(2, vec![entry]).0);
    assert!(validator.is_refused(0, 2));
}

#[test]
fn an_honest_proposer_is_charged_nothing_whatever_becomes_of_its_batches() {
    let mut validator = validator(1);
    let mut unknown = coin(2);
    unknown.state.height = 9;
    let conflicts: Vec<_> = (0..=u8::try_from(WRONGS_BURST).expect("small"))
        .map(|number| pay_coin(0, &number.to_string()))
        .chain([pay(0, &[unknown], 1, "a parent is missing"), pay(1, &[coin(3)], 0, "not his")])
        .collect();
    for round in 0..4 {
        propose(&mut validator, round, &batch(PROPOSER, &conflicts).0);
    }
    validator.charge(0, 1, u64::MAX);
    validator.charge(0, MEMBERS, u64::MAX);
    for member in 0..=MEMBERS {
        assert!(!validator.is_refused(0, member), "neither itself nor a stranger has an account");
    }
}

#[test]
fn batches_behind_junk_in_the_pipeline_are_given_up_and_can_come_again() {
    let mut validator = validator(1);
    let (proposal, batch) = batch(PROPOSER, &[pay_coin(0, "")]);
    let waiting = validator.proposed(0, PROPOSER, proposal.clone());
    assert_eq!(waiting.judge.len(), 1);
    let step = validator.unheard(batch.id(), PROPOSER);
    assert!(is_unheard(&step));
    assert_eq!(validator.load(), (0, 0, 0));
    assert_eq!(voted(&propose(&mut validator, 1, &proposal), Phase::Lock), "1");
}

#[test]
fn the_bytes_of_one_proposers_open_batches_are_bounded_and_anothers_are_free() {
    let mut validator = validator(1);
    assert!(validator.has_room_for(0, PROPOSER, OPEN_BYTES_PER_PROPOSER_MAX));
    let (proposal, _) = batch(PROPOSER, &[pay_coin(0, "")]);
    let wire = ledger::Canonical::to_bytes(&*proposal).len();
    let counted = validator.bytes_of(&proposal);
    assert!(counted + 200 > wire && counted < wire + 200, "{counted} for {wire}");
    // In the pipeline, and open: it counts in both.
    let waiting = validator.proposed(0, PROPOSER, proposal.clone());
    let left = OPEN_BYTES_PER_PROPOSER_MAX - counted;
    assert!(!validator.has_room_for(0, PROPOSER, left + 1));
    settle(&mut validator, 0, waiting);
    assert!(validator.has_room_for(0, PROPOSER, left));
    assert!(!validator.has_room_for(0, PROPOSER, left + 1));
    assert!(validator.has_room_for(0, 2, OPEN_BYTES_PER_PROPOSER_MAX));
}

fn recover(key: &Keypair, round: u32, states: usize) -> SignedRecover {
    let states: Vec<TokenState> = (0..states).map(|at| coin(at % TOKENS).state).collect();
    let (network, epoch) = (network().id, network().epoch);
    Recover { epoch, owner: address(0), round, states }.sign(&network, key)
}

#[test]
fn recovers_above_what_a_member_may_pass_on_are_dropped_without_a_word_against_it() {
    let mut validator = validator(1);
    let large = recover(&owner_key(0), 1, 4_096);
    let many = RECOVERED_BURST / (RECOVER_COST + 4_096) + 1;
    for number in 0..many {
        assert!(validator.may_recover(0, 2, &large), "{number}");
    }
    assert!(!validator.may_recover(0, 2, &large));
    assert!(!validator.is_refused(0, 2), "owners are not its fault");
    assert!(validator.may_recover(0, 3, &large), "through another member it is asked");
    assert!((0..100).all(|_| validator.may_recover(0, 1, &large)), "and by itself");
    assert!(validator.may_recover(2_000_000, 2, &large), "and a little later");
}

#[test]
fn long_messages_above_what_a_member_may_send_are_not_decoded() {
    let mut validator = validator(1);
    let largest = MESSAGE_BYTES_MAX;
    let kib = u64::try_from(largest).expect("small") / 1_024;
    let allowed = SENT_KIB_BURST / kib + 1;
    for _ in 0..allowed {
        assert!(validator.may_send(0, 2, largest));
    }
    assert!(!validator.may_send(0, 2, largest) && validator.may_send(0, 3, largest));
    assert!(validator.may_send(1_000_000, 2, largest));
    assert!(crate::codec::is_long(LONG_BYTES + 1) && !crate::codec::is_long(LONG_BYTES));
}

#[test]
fn work_for_nothing_costs_at_least_a_check_and_grows_with_the_bytes() {
    assert_eq!((cost_of(0), cost_of(1_023), cost_of(1_024)), (1, 1, 2));
    assert!(cost_of(MESSAGE_BYTES_MAX) > WRONGS_BURST);
}
