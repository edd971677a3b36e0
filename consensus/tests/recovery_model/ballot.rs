//! The small world of the model: three token states, five transfers over them, three rounds.
//!
//! A ballot is a transfer in a round; sets of ballots and of transfers are bit masks, so that the
//! rules are a few instructions each. Nothing here knows the rules or the product's code.

/// Token states of the world, `a`, `b` and `c`.
pub const STATES: usize = 3;
/// Transfers of the world: see [`SPENDS`].
pub const TRANSFERS: usize = 5;
/// Rounds at most, 0 to 2.
pub const ROUNDS: usize = 3;

/// The states that a transfer spends, a bit each: two that overlap in `b`, and three refreshes.
pub const SPENDS: [u8; TRANSFERS] = [0b011, 0b110, 0b001, 0b010, 0b100];
const NAMES: [&str; TRANSFERS] = ["T1{a,b}", "T2{b,c}", "Ra{a}", "Rb{b}", "Rc{c}"];
const STATE_NAMES: [&str; STATES] = ["a", "b", "c"];
/// The first transfer that moves one state to its own owner; those after it do, too.
const FIRST_REFRESH: usize = 2;

/// Transfers, a bit each, lowest for `T1`.
pub type Transfers = u8;
/// Ballots, a bit each: five for round 0, five for round 1, five for round 2.
pub type Ballots = u16;

/// Every transfer of the world.
pub const ALL: Transfers = 0b11111;

/// A transfer in a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ballot {
    pub transfer: usize,
    pub round: usize,
}

impl Ballot {
    pub const COUNT: usize = TRANSFERS * ROUNDS;

    pub fn from_index(index: usize) -> Self {
        Self { transfer: index % TRANSFERS, round: index / TRANSFERS }
    }

    /// Lower rounds have lower indices, so the highest bit of a mask is of its highest round.
    pub fn index(self) -> usize {
        self.round * TRANSFERS + self.transfer
    }

    pub fn bit(self) -> Ballots {
        1 << self.index()
    }

    pub fn spends(self, state: usize) -> bool {
        SPENDS[self.transfer] >> state & 1 == 1
    }

    /// Whether the two cannot both be final.
    pub fn conflicts(self, other: Self) -> bool {
        CONFLICTS[self.transfer] >> other.transfer & 1 == 1
    }

    pub fn is_refresh(self) -> bool {
        self.transfer >= FIRST_REFRESH
    }

    pub fn name(self) -> String {
        format!("{} in round {}", NAMES[self.transfer], self.round)
    }
}

pub fn state_name(state: usize) -> &'static str {
    STATE_NAMES[state]
}

/// `CONFLICTS[t]`: the other transfers that spend a state of `t`.
pub const CONFLICTS: [Transfers; TRANSFERS] = {
    let mut table = [0; TRANSFERS];
    let mut one = 0;
    while one < TRANSFERS {
        let mut other = 0;
        while other < TRANSFERS {
            if one != other && SPENDS[one] & SPENDS[other] != 0 {
                table[one] |= 1 << other;
            }
            other += 1;
        }
        one += 1;
    }
    table
};

/// `SPENDERS[s]`: the transfers that spend state `s`.
pub const SPENDERS: [Transfers; STATES] = {
    let mut table = [0; STATES];
    let mut state = 0;
    while state < STATES {
        let mut transfer = 0;
        while transfer < TRANSFERS {
            if SPENDS[transfer] >> state & 1 == 1 {
                table[state] |= 1 << transfer;
            }
            transfer += 1;
        }
        state += 1;
    }
    table
};

/// The ballots of these transfers in one round.
pub fn in_round(transfers: Transfers, round: usize) -> Ballots {
    Ballots::from(transfers) << (round * TRANSFERS)
}

/// The ballots of these transfers in the rounds below `round`.
pub fn below(transfers: Transfers, round: usize) -> Ballots {
    (0..round).fold(0, |ballots, round| ballots | in_round(transfers, round))
}

/// The ballots of these transfers in the rounds above `round`.
pub fn above(transfers: Transfers, round: usize) -> Ballots {
    below(transfers, ROUNDS) & !below(transfers, round + 1)
}

/// The ballots of a mask, lowest round first.
pub fn each(mut ballots: Ballots) -> impl Iterator<Item = Ballot> {
    std::iter::from_fn(move || {
        let index = (0..Ballot::COUNT).nth(usize::try_from(ballots.trailing_zeros()).ok()?)?;
        ballots &= ballots - 1;
        Some(Ballot::from_index(index))
    })
}
