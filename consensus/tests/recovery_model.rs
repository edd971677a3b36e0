//! scratch
mod recovery_model { pub mod ballot; pub mod pool; pub mod rule; pub mod search; pub mod step; pub mod validator; pub mod world; pub mod reduction; }
use recovery_model::{ballot::*, rule::LeftOut, world::World, search::*};
#[test]
fn scratch() {
    let env = |k: &str, d: usize| std::env::var(k).ok().map_or(d, |v| v.parse().expect("number"));
    let all = [LeftOut::Nothing, LeftOut::ReportQuorum, LeftOut::HighestAccepted, LeftOut::DeadIsProven, LeftOut::DeadByHigherRound, LeftOut::OneLock, LeftOut::AcceptBound, LeftOut::ReportTruthful, LeftOut::ReportProven, LeftOut::SlotMonotone, LeftOut::ReportRaises, LeftOut::Quorum, LeftOut::DistinctVotes, LeftOut::AllStates, LeftOut::LockDurable, LeftOut::AcceptDurable, LeftOut::PromiseDurable, LeftOut::LockBound, LeftOut::LockRaises, LeftOut::AcceptRaises, LeftOut::RefreshOnly];
    let (f, t) = (env("FROM",0), env("TO",all.len()));
    for left_out in &all[f..t] {
        let world = World { transfers: u8::try_from(env("T", 31)).expect("u8"), rounds: env("R", 3), left_out: *left_out, is_reduced: env("RED", 0) > 0, is_pruned: env("RED", 0) == 2 };
        let start = std::time::Instant::now();
        let found = search(&world, env("D", 100), env("N", 1_000_000));
        println!("{:?}: {} states depth {} whole {} violation {:?} in {:?}", left_out, found.states, found.depth, found.is_whole, found.violation, start.elapsed());
        let outcomes: std::collections::BTreeSet<(u16, u16)> = found.visited.states.iter().map(|c| (c.certified, c.finals)).collect();
        let h = outcomes.iter().fold(7u64, |h, (a, b)| (h ^ (u64::from(*a) << 16 | u64::from(*b))).wrapping_mul(0x9E3779B97F4A7C15).rotate_left(17));
        println!("   outcomes {} {h:x}", outcomes.len());
        if let Some((at, _)) = found.violation { for l in told(&found, &world, at) { println!("   {l}"); } }
    }
}
