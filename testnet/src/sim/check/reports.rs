//! Promises and reports of honest members: two reports of one state and round say the same; no
//! report hides what its member has voted to commit before; and below a round that a member has
//! reported, it locks and accepts nothing new, restarts or not.

use super::{Broken, Known};
use ledger::{Accepted, BatchId, Bitmap, Phase, SignedReport, TokenState, Vote};
use std::collections::BTreeMap;

const NAME: &str = "reports";

/// What each member has said of each state.
#[derive(Debug, Default)]
pub struct Reports {
    claims: BTreeMap<(u16, TokenState, u32), Option<Accepted>>,
    /// The highest round reported.
    promised: BTreeMap<(u16, TokenState), u32>,
    /// The highest Commit vote.
    committed: BTreeMap<(u16, TokenState), Accepted>,
    /// What each member has written that it locked and accepted.
    written: BTreeMap<(u16, BatchId, Phase), Bitmap>,
}

impl Reports {
    /// An honest member's report leaves.
    ///
    /// # Errors
    /// When it contradicts another one, or hides an accept.
    pub fn reported(&mut self, signed: &SignedReport) -> Result<(), Broken> {
        let (member, round) = (signed.member, signed.report.round);
        for claim in &signed.report.claims {
            let key = (member, claim.state, round);
            let before = *self.claims.entry(key).or_insert(claim.accepted);
            if before != claim.accepted {
                let now = claim.accepted;
                let what = format!("member {member} said {before:?} and {now:?} in round {round}");
                return Err((NAME, what));
            }
            let promised = self.promised.entry((member, claim.state)).or_default();
            *promised = round.max(*promised);
            let Some(voted) = self.committed.get(&(member, claim.state)) else { continue };
            let is_shown = claim.accepted.is_some_and(|accepted| {
                accepted.round > voted.round
                    || (accepted.round == voted.round && accepted.transfer == voted.transfer)
            });
            if round > voted.round && !is_shown {
                let said = claim.accepted;
                let what = format!("member {member} hides {voted:?} in round {round}: {said:?}");
                return Err((NAME, what));
            }
        }
        Ok(())
    }

    /// An honest member writes that it locked or accepted these entries.
    ///
    /// # Errors
    /// When one of them is below a round that it reported.
    pub fn wrote(
        &mut self,
        member: u16,
        (batch, phase): (BatchId, Phase),
        (known, bits): (&Known, &Bitmap),
    ) -> Result<(), Broken> {
        let key = (member, batch, phase);
        let written = self.written.entry(key).or_insert_with(|| Bitmap::empty(bits.count()));
        written.add(bits);
        self.is_not_below(member, (known, bits))
    }

    /// An honest member votes. What it wrote before its report may leave again after it.
    ///
    /// # Errors
    /// When the vote has a new entry that is below a round that it reported.
    pub fn voted(&mut self, member: u16, vote: &Vote, known: &Known) -> Result<(), Broken> {
        let ballot = &vote.ballot;
        let written = self.written.get(&(member, ballot.batch, ballot.phase));
        let new = written.map_or(ballot.bitmap.clone(), |written| ballot.bitmap.without(written));
        self.is_not_below(member, (known, &new))?;
        if ballot.phase == Phase::Lock {
            return Ok(());
        }
        for (transfer, round, states) in chosen(known, &ballot.bitmap) {
            let accepted = Accepted { round: *round, transfer: *transfer };
            for state in states {
                let highest = self.committed.entry((member, *state)).or_insert(accepted);
                if accepted.round > highest.round {
                    *highest = accepted;
                }
            }
        }
        Ok(())
    }

    fn is_not_below(&self, member: u16, (known, bits): (&Known, &Bitmap)) -> Result<(), Broken> {
        for (transfer, round, states) in chosen(known, bits) {
            for state in states {
                let promised = self.promised.get(&(member, *state)).copied().unwrap_or(0);
                if *round < promised {
                    let what = format!(
                        "member {member} has promised round {promised} of {state:?} and takes \
                         {transfer:?} in round {round}"
                    );
                    return Err((NAME, what));
                }
            }
        }
        Ok(())
    }
}

fn chosen<'a>(known: &'a Known, bits: &'a Bitmap) -> impl Iterator<Item = &'a super::KnownEntry> {
    known.iter().enumerate().filter(|(index, _)| bits.has(*index)).map(|(_, entry)| entry)
}
