//! The ring of deliveries: who sees what, and what is lost when it is full.

use super::*;
use consensus::tips::Change;
use ledger::{BatchId, Digest, Keypair, Made, TokenState};

fn address(number: u8) -> Address {
    Address(Keypair::from_seed([number; 32]).public())
}

fn id(number: u8) -> TransferId {
    TransferId(Digest([number; 32]))
}

/// Transfer `number` from one to others.
fn applied(number: u8, from: u8, to: &[u8]) -> Applied {
    let state = TokenState { token: TokenId::default(), height: 0, made_by: id(number) };
    let made = |to: &u8| Made { state, asset: Default::default(), amount: 1, owner: address(*to) };
    let made = to.iter().map(made).collect();
    let change = Change { id: id(number), owner: address(from), spent: Vec::new(), made };
    Applied { batch: BatchId::default(), index: 0, change }
}

fn of(numbers: &[u8]) -> BTreeSet<Address> {
    numbers.iter().map(|number| address(*number)).collect()
}

fn seen(look: &Look) -> Vec<(u64, TransferId)> {
    look.news.iter().map(|news| (news.sequence, news.id)).collect()
}

#[test]
fn a_reader_sees_what_its_addresses_send_and_receive() {
    let inbox = Inbox::default();
    inbox.note(&[applied(1, 1, &[2])]);
    let newest = inbox.follow();
    assert_eq!(*newest.borrow(), 0, "nobody had asked before");
    inbox.note(&[applied(2, 1, &[2, 3, 3]), applied(3, 4, &[5])]);
    inbox.note(&[applied(4, 3, &[1])]);
    assert_eq!(*newest.borrow(), 3);
    let look = inbox.after(0, &of(&[3]), 10);
    assert_eq!((look.missed, look.at), (0, 3));
    assert_eq!(seen(&look), [(1, id(2)), (3, id(4))]);
    assert_eq!(seen(&inbox.after(0, &of(&[1, 5]), 2)), [(1, id(2)), (2, id(3))]);
    assert_eq!(inbox.after(0, &of(&[1, 5]), 2).at, 2, "the next look goes on there");
    assert_eq!(seen(&inbox.after(2, &of(&[1, 5]), 2)), [(3, id(4))]);
    let nothing = inbox.after(3, &of(&[1]), 2);
    assert_eq!((nothing.missed, nothing.at, nothing.news), (0, 3, vec![]));
}

#[test]
fn the_oldest_go_and_a_reader_that_fell_behind_is_told() {
    let inbox = Inbox::new(3, 100);
    let _newest = inbox.follow();
    for number in 1..=5 {
        inbox.note(&[applied(number, 1, &[2])]);
    }
    let look = inbox.after(1, &of(&[2]), 10);
    assert_eq!(look.missed, 1, "number 2 is gone");
    assert_eq!(seen(&look), [(3, id(3)), (4, id(4)), (5, id(5))]);
    assert_eq!(inbox.after(2, &of(&[2]), 10).missed, 0);
}

#[test]
fn addresses_are_bounded_too() {
    let inbox = Inbox::new(100, 5);
    let _newest = inbox.follow();
    inbox.note(&[applied(1, 1, &[2]), applied(2, 1, &[2, 3])]);
    assert_eq!(inbox.after(0, &of(&[2]), 10).missed, 0, "five fit");
    inbox.note(&[applied(3, 1, &[])]);
    let look = inbox.after(0, &of(&[1]), 10);
    assert_eq!((look.missed, look.news.len()), (1, 2), "the sixth drops the oldest");
    // One delivery alone above the bound is a gap for everybody.
    inbox.note(&[applied(4, 1, &[2, 3, 4, 5, 6])]);
    let look = inbox.after(3, &of(&[1]), 10);
    assert_eq!((look.missed, look.news.len(), look.at), (1, 0, 4));
}

#[test]
fn one_look_passes_a_bounded_number_and_the_next_goes_on() {
    let inbox = Inbox::default();
    let _newest = inbox.follow();
    let others = vec![applied(1, 1, &[2]); LOOK_MAX + 2];
    inbox.note(&others);
    inbox.note(&[applied(2, 3, &[])]);
    let bound = u64::try_from(LOOK_MAX).expect("small");
    let look = inbox.after(0, &of(&[3]), 10);
    assert_eq!((look.at, look.newest, look.news.len()), (bound, bound + 3, 0));
    let look = inbox.after(look.at, &of(&[3]), 10);
    assert_eq!((look.at, look.newest), (bound + 3, bound + 3));
    assert_eq!(seen(&look), [(bound + 3, id(2))]);
}

#[test]
fn a_page_reads_back_and_is_bounded() {
    let state = TokenState { token: TokenId::default(), height: 3, made_by: id(1) };
    let input = Input { state, asset: Default::default(), amount: 7 };
    for has_more in [false, true] {
        let page = Page { tokens: vec![input; 3], has_more };
        assert_eq!(Page::from_bytes(&page.to_bytes()), Ok(page));
    }
    let long = Page { tokens: vec![input; INBOX_PAGE.1 + 1], has_more: false };
    assert!(matches!(Page::from_bytes(&long.to_bytes()), Err(DecodeError::TooMany { .. })));
}
