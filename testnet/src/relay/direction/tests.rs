//! Fates and bounds of one direction, without sockets.

use super::*;

fn numbered(number: u32) -> Bytes {
    Bytes::from(number.to_le_bytes().to_vec())
}

/// What comes out of a direction with every fault by chance, and when.
fn fates(seed: u64, from: u16) -> (Vec<(u64, Bytes)>, Counts) {
    let mut direction = Direction::new(seed, from, 6);
    direction.set(Link {
        delay_ms: 5,
        jitter_ms: 40,
        lose_per_mille: 200,
        duplicate_per_mille: 200,
        reorder_per_mille: 200,
        is_blocked: false,
    });
    let mut passed = Vec::new();
    for number in 0..500 {
        direction.arrive(u64::from(number) * 1_000, numbered(number));
    }
    while let Some(now_us) = direction.next_due_us() {
        passed.extend(direction.due(now_us).map(|bytes| (now_us, bytes)));
    }
    (passed, direction.counts())
}

#[test]
fn the_same_seed_gives_the_same_datagrams_the_same_fate() {
    let (passed, counts) = fates(1, 0);
    assert_eq!((passed.clone(), counts), fates(1, 0));
    assert_ne!(passed, fates(2, 0).0, "another seed");
    assert_ne!(passed, fates(1, 1).0, "another link");
    for share in [counts.lost, counts.copied, counts.reordered] {
        assert!((50..150).contains(&share), "about a fifth of 500: {counts:?}");
    }
    assert_eq!(counts.passed, 500 - counts.lost + counts.copied);
    assert!(!passed.is_sorted_by_key(|(_, bytes)| bytes.clone()), "order is not kept");
}

#[test]
fn faults_that_end_do_not_change_later_fates() {
    let after = |faults: Link| {
        let mut direction = Direction::new(9, 0, 1);
        direction.set(faults);
        (0..100).for_each(|number| direction.arrive(0, numbered(number)));
        direction.set(Link { is_blocked: true, ..Link::default() });
        let before = direction.counts();
        direction.set(Link { lose_per_mille: 500, ..Link::default() });
        (100..200).for_each(|number| direction.arrive(0, numbered(number)));
        let passed: Vec<Bytes> = std::iter::from_fn(|| direction.due(0)).collect();
        (passed, direction.counts().lost - before.lost)
    };
    let noisy = Link { jitter_ms: 3, lose_per_mille: 900, ..Link::default() };
    assert_eq!(after(Link::default()), after(noisy));
}

#[test]
fn a_direction_without_faults_passes_everything_at_once_and_in_order() {
    let mut direction = Direction::new(0, 0, 1);
    (0..100).for_each(|number| direction.arrive(7, numbered(number)));
    let passed: Vec<Bytes> = std::iter::from_fn(|| direction.due(7)).collect();
    assert_eq!(passed, (0..100).map(numbered).collect::<Vec<_>>());
    assert_eq!(direction.counts(), Counts { passed: 100, ..Counts::default() });
}

#[test]
fn a_delay_is_kept_to_and_a_block_lets_nothing_through() {
    let mut direction = Direction::new(0, 0, 1);
    direction.set(Link { delay_ms: 80, ..Link::default() });
    direction.arrive(1_000, numbered(1));
    assert_eq!(direction.next_due_us(), Some(81_000));
    assert_eq!(direction.due(80_999), None);
    assert_eq!(direction.due(81_000), Some(numbered(1)));
    direction.arrive(1_000, numbered(2));
    direction.set(Link { is_blocked: true, ..Link::default() });
    direction.arrive(1_000, numbered(3));
    assert_eq!(direction.next_due_us(), None);
    assert_eq!(direction.counts(), Counts { passed: 1, blocked: 2, ..Counts::default() });
}

#[test]
fn a_full_queue_drops_and_counts() {
    let slow = Link { delay_ms: 1_000, ..Link::default() };
    let mut direction = Direction::new(0, 0, 1);
    direction.set(slow);
    let count = u32::try_from(QUEUED_MAX).expect("small") + 3;
    (0..count).for_each(|number| direction.arrive(0, numbered(number)));
    assert_eq!(direction.counts().dropped, 3);
    assert_eq!(direction.due(1_000_000), Some(numbered(0)), "the oldest stay");
    direction.arrive(0, numbered(9));
    assert_eq!(direction.counts().dropped, 3, "there is room again");

    let mut direction = Direction::new(0, 0, 1);
    direction.set(slow);
    let large = Bytes::from(vec![0; 64 * 1024]);
    (0..QUEUED_BYTES_MAX / large.len()).for_each(|_| direction.arrive(0, large.clone()));
    assert_eq!(direction.counts().dropped, 0);
    direction.arrive(0, numbered(1));
    assert_eq!(direction.counts().dropped, 1);
}
