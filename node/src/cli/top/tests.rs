//! `top` from documents to the picture, on screens of many sizes.

use super::draw::{draw, duration, grouped};
use super::finality::Buckets;
use super::look::{Asked, Look};
use super::state::{MINUTE_S, Standing, State, View};
use crate::cli::context::NodeAddress;
use crate::view::{BatchRow, NetworkDocument, NodeDocument, ValidatorsDocument};
use ledger::{Address, Keypair};
use ratatui_core::backend::TestBackend;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier};
use ratatui_core::terminal::Terminal;
use serde_json::{Value, json};

const NETWORK: &str = "4be1f4a1c7a5d0d2b39a0d6c1ff6f0d0a3c9e5b7d8f6a4c2e0b1d3f5a7c9e1b3";

fn node(index: u8, applied: u64) -> NodeDocument {
    let document = json!({
        "schema": "quorate.node/1", "ok": true, "name": format!("v{index}"), "network": NETWORK,
        "version": "0.1.0", "mode": "voting", "ready": true, "applied": applied, "digest": "",
        "batches": 7, "locks": 3, "reachable": 7, "quorum": 5, "uptime_s": 90_000,
        "api": "http://127.0.0.1:1", "quic": "127.0.0.1:2", "failed": null,
    });
    serde_json::from_value(document).expect("a document")
}

fn key(index: u8) -> Value {
    json!(Address(Keypair::from_seed([index + 1; 32]).public()))
}

fn seen(down: &[u8]) -> ValidatorsDocument {
    let row = |index: u8| {
        json!({
            "name": format!("v{index}"), "key": key(index), "weight": 1, "self": index == 0,
            "up": !down.contains(&index), "address": null, "applied": 90, "rtt_us": 1_234,
            "bytes_sent": 0, "bytes_received": 0, "dropped": 0, "blamed": 0, "error": null,
        })
    };
    let rows: Vec<Value> = (0..7).map(row).collect();
    let document = json!({
        "schema": "quorate.validators/1", "ok": true, "seen_by": "v0", "validators": rows,
    });
    serde_json::from_value(document).expect("a document")
}

fn network() -> NetworkDocument {
    let document = json!({
        "schema": "quorate.network/1", "ok": true, "network": NETWORK, "name": "seven",
        "epoch": 0, "committee": [], "quorum": 5, "weight": 7, "assets": [],
    });
    serde_json::from_value(document).expect("a document")
}

/// A look at seven nodes of which these are down.
fn look(applied: u64, down: &[u8]) -> Look {
    let asked = |index: u8| Asked {
        address: NodeAddress {
            name: Some(format!("v{index}")),
            url: format!("http://127.0.0.1:{index}"),
        },
        node: (!down.contains(&index)).then(|| node(index, applied)),
        finality: None,
    };
    let is_answered = down.len() < 7;
    let batch = |position| BatchRow { position, id: Default::default(), applied: position };
    Look {
        nodes: (0..7).map(asked).collect(),
        network: Some(network()),
        seen: is_answered.then(|| seen(down)),
        batches: if is_answered { (0..3).map(batch).collect() } else { Vec::new() },
    }
}

/// Two looks, a second apart.
fn state(down: &[u8]) -> State {
    let mut state = State::default();
    for (now_ms, applied, ended) in [(0, 1_000_000, 4), (1_000, 1_000_100, 104)] {
        let mut look = look(applied, down);
        let text = format!(
            "quorate_stage_seconds_bucket{{le=\"0.002\",stage=\"total\"}} {ended}\n\
             quorate_stage_seconds_bucket{{le=\"+Inf\",stage=\"total\"}} {ended}\n"
        );
        look.nodes[3].finality = Some(Buckets::read(&text));
        state.take(now_ms, look);
    }
    state
}

/// The screen's lines, without the blanks at their ends.
fn picture(view: &View, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
    terminal.draw(|frame| draw(view, frame.area(), frame.buffer_mut())).expect("a frame");
    let buffer = terminal.backend().buffer();
    let symbols = |y: u16| (0..width).map(move |x| buffer[(x, y)].symbol());
    (0..height).map(|y| symbols(y).collect::<String>().trim_end().to_string()).collect()
}

#[test]
fn a_usual_screen_has_all_of_it() {
    let lines = picture(&state(&[]).view(), 80, 24);
    let expected = [
        "quorate top  seven 4be1f4a1…  seen by v0",
        "ready: 7 of 7 vote, 5 needed; 7 of 7 nodes take transfers",
        "1,000,100 final   100/s   100/s over the last minute",
        "█ 100/s at most",
        "finality of the last minute: p50 1.0 ms, p99 1.9 ms, of 100 transfers",
        "",
        "validator  state  votes    applied  behind     rtt  locks  up for  version",
        "v0         ready  yes    1,000,100       0       -      3    25 h  0.1.0",
        "v1         ready  yes    1,000,100       0  1.2 ms      3    25 h  0.1.0",
    ];
    assert_eq!(lines[..expected.len()], expected, "{lines:#?}");
    assert_eq!(lines[15], "latest batches");
    let zeros = "0".repeat(49);
    assert_eq!(lines[16], format!("          2  2 transfers  {zeros}{}", "0".repeat(5)));
    assert!(lines[17].starts_with("          1  1 transfer  0"), "{lines:#?}");
    assert_eq!(lines[23], "q, Esc or Ctrl-C ends it");
}

#[test]
fn a_small_screen_has_what_matters_most() {
    let view = state(&[6]).view();
    let lines = picture(&view, 20, 5);
    assert_eq!(lines[0], "quorate top  seven 4");
    assert_eq!(lines[1], "ready: 6 of 7 vote,");
    assert_eq!(lines[2], "validator  state");
    assert_eq!(lines[3], "… 7 more");
    assert_eq!(lines[4], "q, Esc or Ctrl-C end");
    assert_eq!(picture(&view, 1, 1), ["q"]);
    let lines = picture(&view, 40, 9);
    assert_eq!(lines[2], "validator  state    applied     behind");
    assert_eq!(lines[3], "v0         ready  1,000,100          0");
    assert_eq!(lines[7], "… 3 more");
}

#[test]
fn no_size_of_a_screen_is_a_panic() {
    let (good, silent, first) = (state(&[]), state(&[0, 1, 2, 3, 4, 5, 6]), State::default());
    let sizes = (0..60).flat_map(|width| (0..30).map(move |height| (width, height)));
    for (width, height) in sizes.chain([(1, 1), (20, 5), (80, 24), (200, 60), (1_000, 500)]) {
        for view in [&good, &silent, &first].map(State::view) {
            let area = Rect::new(0, 0, width, height);
            draw(&view, area, &mut ratatui_core::buffer::Buffer::empty(area));
        }
    }
}

#[test]
fn without_a_quorum_it_says_so_in_red() {
    let view = state(&[4, 5, 6]).view();
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a screen");
    terminal.draw(|frame| draw(&view, frame.area(), frame.buffer_mut())).expect("a frame");
    let buffer = terminal.backend().buffer();
    let lines = picture(&view, 80, 24);
    assert_eq!(lines[1], "NO QUORUM: 4 of 7 vote, 5 needed; nothing becomes final");
    assert_eq!(buffer[(0, 1)].fg, Color::Red);
    assert!(buffer[(0, 1)].modifier.contains(Modifier::REVERSED));
    assert!(lines[11].starts_with("v4         down   no"), "{lines:#?}");
    assert_eq!(buffer[(11, 11)].fg, Color::Red);
    assert_eq!(buffer[(11, 7)].fg, Color::Green);
    assert_eq!(state(&[0, 1, 2, 3, 4, 5, 6]).view().standing, Standing::Silence);
    assert_eq!(State::default().view().standing, Standing::Asking);
}

#[test]
fn nodes_that_vote_and_reach_no_quorum_take_nothing() {
    let mut look = look(5, &[]);
    look.nodes.iter_mut().flat_map(|asked| &mut asked.node).for_each(|node| node.ready = false);
    let mut state = State::default();
    state.take(0, look);
    assert!(matches!(state.view().standing, Standing::NotReady(_)));
    assert_eq!(state.view().rows[0].state, "no quorum");
}

#[test]
fn one_node_that_is_asked_tells_of_all() {
    let mut look = look(100, &[]);
    look.nodes.truncate(1);
    let mut state = State::default();
    state.take(0, look);
    let view = state.view();
    let lines = picture(&view, 80, 24);
    assert_eq!(lines[1], "ready: 7 of 7 vote, 5 needed; 1 of 1 nodes take transfers");
    assert_eq!(lines[6], "v1         up     -           90      10  1.2 ms      -       -  -");
}

#[test]
fn a_node_without_an_answer_a_silent_one_and_one_that_catches_up_are_told() {
    let mut look = look(100, &[]);
    look.nodes[1].node = None;
    let silent = look.nodes[2].node.as_mut().expect("a node");
    silent.mode = "silent".into();
    silent.failed = Some("the store is \x1b[31mlost\n".into());
    let behind = look.nodes[3].node.as_mut().expect("a node");
    behind.mode = "catching_up".into();
    behind.applied = 40;
    behind.catching_up = Some(crate::view::CatchingUp {
        applied: 40,
        target: 100,
        behind: 60,
        rate_per_s: 30,
        eta_s: Some(2),
    });
    let stranger = look.nodes[4].node.as_mut().expect("a node");
    stranger.network = Default::default();
    stranger.name = "v\x1b]0;4\x07".into();
    let mut state = State::default();
    state.take(0, look);
    let view = state.view();
    let states: Vec<&str> = view.rows.iter().map(|row| row.state.as_str()).collect();
    let expected = ["ready", "no answer", "silent", "catching up", "up", "ready", "ready"];
    assert_eq!(states, [&expected[..], &["other network"]].concat());
    assert_eq!(view.rows[7].name, "v]0;4", "no control characters");
    assert_eq!(view.rows[3].behind, Some(60));
    assert_eq!(
        view.notes,
        ["v2 does not vote: the store is [31mlost", "v3 catches up: 40 of 100, 30/s, 2 s left"]
    );
    let Standing::Ready(weights) = view.standing else { panic!("{:?}", view.standing) };
    assert_eq!((weights.voting, weights.all), (5, 7), "neither v2 nor v3 votes");
}

#[test]
fn a_minute_of_seconds_and_no_more_is_remembered() {
    let mut state = State::default();
    for second in 0..1_000 {
        state.take(second * 1_000, look(second * second, &[]));
    }
    let view = state.view();
    assert_eq!(view.seconds.len(), usize::try_from(MINUTE_S).expect("small"));
    assert_eq!(view.seconds.last(), Some(&(999 * 999 - 998 * 998)));
    assert_eq!(view.rate, 999 * 999 - 998 * 998);
    assert_eq!(view.mean, (999 * 999 - 939 * 939) / 60);
    let mut slow = State::default();
    slow.take(0, look(0, &[]));
    slow.take(4_000, look(400, &[]));
    assert_eq!(slow.view().seconds, [100; 4], "evenly between two looks");
    slow.take(5_000, look(400, &[0, 1, 2, 3, 4, 5, 6]));
    assert_eq!(slow.view().seconds, [100, 100, 100, 100, 0], "nobody answered");
    slow.take(6_000, look(300, &[]));
    assert_eq!((slow.view().rate, slow.view().applied), (0, Some(300)), "the foremost is gone");
    for index in 0..2_000 {
        slow.take(6_000, look(index, &[]));
    }
    assert_eq!(slow.view().rate, 1_000, "it holds a bounded number of looks");
}

#[test]
fn figures_are_short() {
    for (us, text) in [(0, "0 µs"), (999, "999 µs"), (1_000, "1.0 ms"), (2_590_000, "2.5 s")] {
        assert_eq!(duration(us), text);
    }
    assert_eq!(duration(u64::MAX), "over 10 s");
    for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
        assert_eq!(grouped(number), text);
    }
}
