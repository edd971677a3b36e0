//! Tests of the board: what is under way is counted once, and never for ever.

use super::*;
use crate::service_rate::OPEN_MIN;
use consensus::Stages;
use ledger::{Address, Keypair, NetworkId, Signature, Transfer};

fn signed() -> SignedTransfer {
    let transfer = Transfer {
        network: NetworkId::default(),
        epoch: 0,
        owner: Address(Keypair::from_seed([1; 32]).public()),
        inputs: Vec::new(),
        outputs: Vec::new(),
        memo: String::new(),
    };
    SignedTransfer { transfer, signature: Signature([0; 64]) }
}

fn id(number: usize) -> TransferId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    TransferId(ledger::Digest(bytes))
}

fn end(number: usize, outcome: Outcome) -> TransferReport {
    let (lock, commit) = (Vec::new(), Vec::new());
    let stages = Stages::default();
    TransferReport { id: id(number), outcome, round: 0, lock, commit, stages, admitted_us: 0 }
}

#[test]
fn what_is_under_way_is_counted_and_above_the_rate_it_is_refused() {
    let (board, signed) = (Board::default(), signed());
    let submit = |number, now_us| {
        board
            .admit(&id(number), now_us)
            .map(|reserved| board.submitted(reserved, id(number), &signed, 300))
    };
    (0..OPEN_MIN).for_each(|number| assert_eq!(submit(number, 0), Ok(())));
    assert_eq!(board.load(0), (OPEN_MIN, 0));
    assert!(submit(OPEN_MIN, 0).is_err());
    assert_eq!(submit(3, 0), Ok(()), "it is under way already, and counts once");
    drop(board.admit(&id(3), 0).expect("it needs no room"));
    assert_eq!(board.load(0).0, OPEN_MIN);
    board.ended(end(0, Outcome::Final), 1_000);
    board.ended(end(1, Outcome::Unknown), 1_000);
    board.ended(end(1, Outcome::Unknown), 1_000);
    assert_eq!(board.load(1_000), (OPEN_MIN - 2, 1), "an end counts once");
    assert_eq!(submit(0, 1_000), Ok(()), "it is final");
    assert_eq!(submit(1, 1_000), Ok(()), "again under way");
    assert_eq!(submit(OPEN_MIN, 1_000), Ok(()));
    assert!(submit(OPEN_MIN + 1, 1_000).is_err());
    assert_eq!(board.load(1_000).0, OPEN_MIN);
}

#[test]
fn what_a_full_board_lets_go_of_is_not_under_way_for_ever() {
    let (board, signed) = (Board::default(), signed());
    for number in 0..3 * BOARD_ENTRIES_MAX {
        let reserved = board.admit(&id(number), 0).expect("few are under way");
        board.submitted(reserved, id(number), &signed, 300);
        if number % 100 != 0 {
            board.ended(end(number, Outcome::Unknown), 0);
        }
    }
    let (open, _) = board.load(0);
    assert_eq!(open, BOARD_ENTRIES_MAX.div_ceil(100));
}

#[test]
fn what_is_being_checked_takes_room_and_gives_it_back_when_its_signature_is_bad() {
    let (board, signed) = (Board::default(), signed());
    let reserved: Vec<Reservation<'_>> =
        (0..OPEN_MIN).map(|number| board.admit(&id(number), 0).expect("there is room")).collect();
    assert!(board.admit(&id(OPEN_MIN), 0).is_err());
    assert!(board.get(&id(0)).is_none(), "nothing is noted of what is not checked");
    drop(reserved);
    assert_eq!(board.load(0).0, 0);
    // Two of one transfer, checked at once.
    let two = [board.admit(&id(0), 0), board.admit(&id(0), 0)];
    for one in two {
        board.submitted(one.expect("there is room"), id(0), &signed, 300);
    }
    assert_eq!(board.load(0).0, 1);
}
