//! Ranks, percentiles and turns, on a clock that is only an argument.

use super::*;
use crate::chunks::simulated::peer;

const MILLISECOND: Duration = Duration::from_millis(1);

struct Bench {
    schedule: Schedule,
    now: Instant,
}

impl Bench {
    fn new(count: u8, config: &ChunkConfig) -> Self {
        let mut schedule = Schedule::new(config);
        schedule.add_peers((0..count).map(peer).collect());
        Self { schedule, now: Instant::now() }
    }

    /// One request, so many milliseconds long.
    fn ask(&mut self, number: u8, millis: u32, ending: Ending) {
        let request = self.schedule.start(peer(number), self.now);
        self.now += MILLISECOND * millis;
        self.schedule.end(request, ending, self.now);
    }

    fn next(&self, asked: &[u8]) -> Option<PeerId> {
        let asked = asked.iter().map(|number| peer(*number)).collect();
        self.schedule.choose(&asked, self.now)
    }

    fn second(&self, asked: &[u8]) -> Option<PeerId> {
        let asked = asked.iter().map(|number| peer(*number)).collect();
        self.schedule.choose_second(&asked, self.now)
    }
}

const CHUNK: Ending = Ending::Chunk { bytes: 9 };

#[test]
fn the_fastest_is_asked_first_and_the_busy_later() {
    let mut bench = Bench::new(3, &ChunkConfig::default());
    assert_eq!(bench.next(&[]), Some(peer(0)), "the source's order");
    bench.ask(0, 30, CHUNK);
    assert_eq!(bench.next(&[0]), Some(peer(1)));
    bench.ask(1, 10, CHUNK);
    bench.ask(2, 50, CHUNK);
    assert_eq!(bench.next(&[]), Some(peer(1)));
    assert_eq!(bench.next(&[1]), Some(peer(0)));
    assert_eq!(bench.next(&[0, 1]), Some(peer(2)));
    assert_eq!(bench.next(&[0, 1, 2]), None);
    for _ in 0..3 {
        bench.schedule.start(peer(1), bench.now);
    }
    assert_eq!(bench.next(&[]), Some(peer(0)), "30 ms alone against 10 ms as the fourth");
}

#[test]
fn without_preference_all_have_their_turn() {
    let config = ChunkConfig { prefer_fast_peers: false, ..ChunkConfig::default() };
    let mut bench = Bench::new(3, &config);
    for (round, millis) in [10, 20, 30].into_iter().enumerate() {
        for number in 0..3 {
            assert_eq!(bench.next(&[]), Some(peer(number)), "round {round}");
            bench.ask(number, millis, CHUNK);
        }
    }
}

#[test]
fn who_fails_sinks_and_a_chunk_lifts_it() {
    let late = FetchError::Timeout { after_ms: 1 };
    for error in [late, FetchError::Unreachable, FetchError::TooLarge { bytes: 9 }] {
        let mut bench = Bench::new(2, &ChunkConfig::default());
        bench.ask(1, 400, CHUNK);
        bench.ask(0, 10, Ending::Failed(error));
        assert_eq!(bench.next(&[]), Some(peer(1)));
        assert_eq!(bench.second(&[1]), None, "nobody is asked beside");
        assert_eq!(bench.next(&[1]), Some(peer(0)), "for what the others do not have");
        bench.ask(0, 10, CHUNK);
        assert_eq!(bench.next(&[]), Some(peer(0)));
    }
}

#[test]
fn who_refuses_three_times_sinks_and_who_lies_is_out() {
    let mut bench = Bench::new(2, &ChunkConfig::default());
    for error in [FetchError::DontHave, FetchError::Busy, FetchError::DontHave] {
        assert_eq!(bench.next(&[]), Some(peer(0)));
        bench.ask(0, 0, Ending::Failed(error));
    }
    assert_eq!(bench.next(&[]), Some(peer(1)));
    bench.ask(1, 0, Ending::Failed(FetchError::Corrupt));
    assert_eq!(bench.next(&[]), Some(peer(0)));
    assert_eq!(bench.next(&[0]), None);
    assert_eq!(bench.schedule.statistics().len(), 2);
    assert_eq!(bench.schedule.statistics()[0].failures, 3);
}

#[test]
fn the_second_is_asked_at_the_95th_percentile() {
    let config = ChunkConfig::default();
    let mut bench = Bench::new(2, &config);
    assert_eq!(bench.schedule.second_delay(peer(0)), config.peer_timeout());
    for millis in 101..=107 {
        bench.ask(0, millis, CHUNK);
    }
    assert_eq!(bench.schedule.second_delay(peer(0)), config.peer_timeout(), "seven say nothing");
    bench.ask(0, 108, CHUNK);
    assert_eq!(bench.schedule.second_delay(peer(0)), MILLISECOND * 108);
    assert_eq!(bench.schedule.second_delay(peer(1)), MILLISECOND * 108, "as the others");
    for _ in 0..SAMPLE_COUNT_MAX + 1 {
        bench.ask(0, 3, CHUNK);
    }
    assert_eq!(bench.schedule.second_delay(peer(0)), SECOND_DELAY_MIN, "old times are forgotten");
    bench.ask(0, 30_000, CHUNK);
    for _ in 0..8 {
        bench.ask(1, 30_000, CHUNK);
    }
    assert_eq!(bench.schedule.second_delay(peer(1)), config.peer_timeout());
}

#[test]
fn who_is_silent_too_long_is_not_asked_meanwhile() {
    let mut bench = Bench::new(2, &ChunkConfig::default());
    for _ in 0..8 {
        bench.ask(0, 10, CHUNK);
        bench.ask(1, 20, CHUNK);
    }
    let stalled = bench.schedule.start(peer(0), bench.now);
    bench.now += SECOND_DELAY_MIN;
    assert_eq!(bench.next(&[]), Some(peer(1)), "a request waits too long");
    bench.schedule.end(stalled, Ending::Dropped, bench.now);
    assert_eq!(bench.next(&[]), Some(peer(1)), "it has said nothing since");
    // Dropped, but it has answered another request meanwhile: slow, not stalled.
    bench.ask(0, 10, CHUNK);
    let slow = bench.schedule.start(peer(0), bench.now);
    bench.now += SECOND_DELAY_MIN;
    bench.ask(0, 1, CHUNK);
    bench.schedule.end(slow, Ending::Dropped, bench.now);
    assert_eq!(bench.second(&[1]), Some(peer(0)));
}

#[test]
fn peers_over_the_limit_are_left_out() {
    let count = u8::try_from(PEER_COUNT_MAX).expect("small");
    let mut bench = Bench::new(count + 1, &ChunkConfig::default());
    bench.schedule.add_peers(vec![peer(0), peer(count + 2)]);
    let peers: Vec<PeerId> = bench.schedule.statistics().iter().map(|one| one.peer).collect();
    assert_eq!(peers, (0..count).map(peer).collect::<Vec<_>>());
}
