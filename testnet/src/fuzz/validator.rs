//! One real validator, with a real proposer and collector behind it, driven by a script of
//! messages: valid, half valid, forged, changed on the wire, in any order, with time jumps, and
//! crashes that lose what was not synced. The script holds all other members' keys, so it can do
//! more than f liars could; what is checked holds for one member whatever the others do.
//!
//! `validator/run.rs` is the driver, `validator/watch.rs` holds what it says against the checks of
//! the simulator, `validator/world.rs` is what a script can say.

mod run;
mod watch;
mod world;

use super::Target;
use super::script::Script;
use run::Run;
use world::World;

/// The target.
pub const TARGET: Target =
    Target { name: "validator", check, seeds, bytes_max: 1_024, memory_max: (64 << 20, 64) };

/// Most things that happen in one script: each may cost some signatures.
const STEPS_MAX: usize = 48;

/// Plays a script; the invariants are checked after every step of it.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    let mut run = Run::new();
    let mut world = World::new();
    for _ in 0..STEPS_MAX {
        if script.is_over() {
            break;
        }
        step(&mut run, &mut world, &mut script);
        run.holds();
    }
    run.ends();
}

/// One thing happens.
fn step(run: &mut Run, world: &mut World, script: &mut Script<'_>) {
    match script.byte() % 18 {
        0 => world.pay(run.tips(), script),
        1 => world.pay(run.tips(), script),
        2 | 3 => {
            if let Some((from, proposal)) = world.propose(script) {
                run.proposed(from, proposal);
            }
        }
        4 | 5 => run.judged(script),
        6 => run.synced(),
        7 | 8 => {
            if let Some(certificate) = world.certificate(script) {
                run.certified(certificate);
            }
        }
        9 => {
            if let Some(entry) = world.entry(script) {
                run.submitted(entry);
            }
        }
        10 => {
            if let Some((from, answer)) = world.answer(script) {
                run.answered(from, answer);
            }
        }
        11 => {
            let (from, recover) = world.recover(run.tips(), script);
            run.asked(from, recover, script.flag());
        }
        12 => {
            if let Some((from, reply)) = world.reply(run.asked_for(), script) {
                run.replied(from, reply);
            }
        }
        13 => run.time(script),
        14 => run.crash(script),
        15 => {
            if let Some(applied) = world.applied(script) {
                run.proven(applied);
            }
        }
        16 => {
            if let Some((from, message)) = world.changed(script) {
                run.received(from, message);
            }
        }
        _ => match script.byte() % 4 {
            0 => run.set_mode(consensus::Mode::CatchingUp),
            1 => run.peer_up(script),
            2 => {
                if let Some(proposal) = world.proposal(script) {
                    run.fetched(proposal);
                }
            }
            _ => run.set_mode(consensus::Mode::Voting),
        },
    }
    world.learn(run.said());
}

/// Ordinary lives: a payment to its end, two that conflict and a recovery, a crash between vote and
/// certificate.
fn seeds() -> Vec<(String, Vec<u8>)> {
    // pay: owner, count, which token, outputs, to, memo; propose: member, old, transfer, round,
    // more; certificate: batch, phase, left out, entries, lie; answer: batch, member, phase,
    // entries, lie.
    let pay = |token: u8, memo: u8| vec![0, 0, 0, token, 0, 1, memo];
    let propose = |member: u8, which: u8| vec![2, member, 0, which, 0, 0];
    let certify = |batch: u8, phase: u8| vec![7, batch, phase, 0, 0, 0, 6];
    let finish = |batch: u8| [vec![4, 0, 6], certify(batch, 0), certify(batch, 1)].concat();
    let answers = |phase: u8| -> Vec<u8> {
        (0..6).flat_map(|member| [10, 0, member, phase, 0, 0]).chain([6]).collect()
    };
    let ordinary = [pay(0, 0), propose(1, 0), finish(0)].concat();
    let conflict = [pay(0, 0), pay(0, 1), propose(1, 0), propose(2, 1), vec![4, 0, 4, 0]].concat();
    let asked = vec![11, 3, 0, 0, 0, 0, 0, 6];
    let again = vec![2, 1, 0, 0, 1, 0, 0, 4, 0, 6];
    let recovered = [conflict.clone(), asked, again, certify(2, 0), certify(2, 1)].concat();
    let crashed = [pay(0, 0), propose(1, 0), vec![4, 0, 14, 0], propose(1, 0), finish(0)].concat();
    let own = [pay(1, 0), vec![9, 0, 0, 6], answers(0), answers(1)].concat();
    let late = [ordinary.clone(), vec![13, 3, 13, 3], conflict.clone(), vec![13, 4]].concat();
    [
        ("ordinary", ordinary),
        ("conflict", conflict),
        ("recovered", recovered),
        ("crashed", crashed),
        ("own", own),
        ("late", late),
    ]
    .map(|(name, bytes)| (name.to_string(), bytes))
    .to_vec()
}
