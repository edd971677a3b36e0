//! What is set up before a run: the genesis of the simulated network, and all faults and payments
//! of the plan, each at its time.

use super::{DOWN_US_MAX, Event, MEMBERS, TICK_US, World};
use crate::sim::client::{AMOUNT, OWNERS, TOKENS, owner_key};
use ledger::{
    Address, Genesis, GenesisAsset, GenesisMember, GenesisTokens, Keypair, Name, Network,
};
use rand::RngExt;

pub(super) fn member_key(member: u16) -> Keypair {
    Keypair::from_seed([u8::try_from(member + 1).expect("seven members"); 32])
}

pub(super) fn network() -> Network {
    let member = |index: u16| GenesisMember {
        name: Name::new(&format!("v{index}")).expect("a good name"),
        key: Address(member_key(index).public()),
        weight: 1,
    };
    let tokens = |owner: u8| GenesisTokens {
        owner: Address(owner_key(owner).public()),
        asset: "COIN".into(),
        amount: AMOUNT.to_string(),
        count: TOKENS,
    };
    let genesis = Genesis {
        schema: ledger::genesis::GENESIS_SCHEMA.into(),
        network: Name::new("sim").expect("a good name"),
        epoch: 1,
        committee: (0..MEMBERS).map(member).collect(),
        assets: vec![GenesisAsset { name: "COIN".into(), decimals: 0 }],
        tokens: (0..OWNERS).map(tokens).collect(),
    };
    genesis.network().expect("a good genesis")
}

impl World {
    pub(super) fn schedule(&mut self) {
        let plan = self.plan.clone();
        for to in 0..MEMBERS {
            let at = self.rng.random_range(0..TICK_US);
            self.at(at, Event::Tick { to, round: u64::from(to) });
        }
        let chaos = |world: &mut Self| world.rng.random_range(0..plan.chaos_us);
        let bursts: Vec<(u64, u16)> =
            (0..plan.bursts).map(|_| (chaos(self), self.rng.random_range(0..MEMBERS))).collect();
        for _ in 0..plan.payments {
            let (at, home) = match bursts.len() {
                0 => (chaos(self), None),
                count => {
                    let (at, home) = bursts[self.rng.random_range(0..count)];
                    (at + self.rng_below(5_000), Some(home))
                }
            };
            self.at(at, Event::Pay { home });
        }
        for _ in 0..plan.conflicts {
            let at = chaos(self);
            self.at(at, Event::Conflict);
        }
        for _ in 0..plan.crashes {
            let (at, to) = (chaos(self), self.rng.random_range(0..MEMBERS));
            self.at(at, Event::Crash { to, down_us_max: DOWN_US_MAX });
        }
        for _ in 0..plan.partitions {
            let at = chaos(self);
            let size = self.rng.random_range(1..4);
            let side = (0..size).map(|_| self.rng.random_range(0..MEMBERS)).collect();
            self.at(at, Event::Part { side });
            let healed = at + self.rng_below(1_000_000);
            self.at(healed, Event::Part { side: Vec::new() });
        }
        self.schedule_leaving(&plan);
        self.schedule_machines(&plan);
        self.at(0, Event::Clients);
        self.at(plan.chaos_us, Event::Calm);
    }
}
