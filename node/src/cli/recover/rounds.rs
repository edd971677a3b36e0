//! The rounds of `recover`: ask, propose what the answer allows, and begin again one round higher
//! with what has not ended. Every refresh is stored before it is sent.

use super::Ended;
use super::advice::{Found, check_row, entry, is_final, next_round, nonsense, outcome};
use crate::cli::context::{Context, NetworkFacts};
use crate::cli::transfer::summary;
use crate::client::Client;
use crate::error::{Failure, NO_QUORUM, OUTCOME_UNKNOWN};
use crate::view::{RecoveryRow, verify_bytes};
use crate::wallet::{Progress, Wallet};
use consensus::limits::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, RECOVER_STATES_MAX, RECOVERS_MAX};
use ledger::{
    Address, Canonical, Entry, Input, Keypair, Output, Recover, SignedRecover, SignedTransfer,
    TokenId, TokenState, Transfer, TransferId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Pause before the next round, when others may be at it, too: grows with the round.
const PAUSE: Duration = Duration::from_millis(50);

/// A token that is not free yet.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// Its state, asset and amount.
    pub input: Input,
    /// Whose it is.
    pub owner: Address,
    /// The next round to ask for.
    pub round: u32,
}

/// What is needed to go through rounds.
pub(super) struct Rounds<'a> {
    pub context: &'a Context,
    pub client: &'a Client,
    pub network: &'a NetworkFacts,
    pub wallet: &'a Wallet,
    pub keys: BTreeMap<Address, Keypair>,
}

/// One proposal: which tokens it ends, and how.
struct Proposal {
    entry: Entry,
    id: TransferId,
    tokens: Vec<TokenId>,
    is_refresh: bool,
}

impl Rounds<'_> {
    /// Until all have ended, or the time is over.
    pub(super) async fn run(
        &mut self,
        tokens: Vec<Token>,
    ) -> Result<BTreeMap<TokenId, Ended>, Failure> {
        let deadline = self.context.deadline();
        let mut open: BTreeMap<TokenId, Token> =
            tokens.into_iter().map(|token| (token.input.state.token, token)).collect();
        let mut ended = BTreeMap::new();
        let mut is_proposed = false;
        let mut attempt: u32 = 0;
        while !open.is_empty() {
            attempt += 1;
            let proposals = self.ask(&mut open).await?;
            is_proposed |= !proposals.is_empty();
            for group in groups(proposals) {
                self.propose(&mut open, &mut ended, group).await?;
            }
            if open.is_empty() {
                break;
            }
            let next = tokio::time::Instant::now() + PAUSE * attempt.min(20);
            if next >= deadline {
                return Err(self.out_of_time(&open, is_proposed));
            }
            tokio::time::sleep_until(next).await;
            self.look_again(&mut open, &mut ended).await?;
        }
        Ok(ended)
    }

    /// Asks for each token's round, then for all states of what has to be proposed again.
    async fn ask(&self, open: &mut BTreeMap<TokenId, Token>) -> Result<Vec<Proposal>, Failure> {
        let asked: Vec<Token> = open.values().cloned().collect();
        let recovers: Vec<SignedRecover> = asked
            .iter()
            .map(|token| self.recover(token.owner, token.round, vec![token.input.state]))
            .collect();
        let rows = self.collect(&recovers).await?;
        let mut proposals = Vec::new();
        let mut again: BTreeMap<TransferId, (SignedTransfer, u32)> = BTreeMap::new();
        for (token, row) in asked.iter().zip(&rows) {
            let id = token.input.state.token;
            let state = row.states.first().ok_or_else(nonsense)?;
            let known = open.get_mut(&id).expect("it was asked for");
            known.round = next_round(row);
            match outcome(state, row)? {
                Found::NotJustified => {}
                Found::Refresh => proposals.push(self.refresh(token, row)?),
                Found::Again(signed) => {
                    let spends = |input: &Input| input.state == token.input.state;
                    let is_own = signed.transfer.owner == token.owner
                        && signed.transfer.inputs.iter().any(spends);
                    if !is_own {
                        return Err(nonsense());
                    }
                    let transfer = signed.transfer.id();
                    let round = again.get(&transfer).map_or(0, |(_, round)| *round);
                    let round = round.max(known.round);
                    again.insert(transfer, (*signed, round));
                }
            }
        }
        proposals.extend(self.ask_again(open, again).await?);
        Ok(proposals)
    }

    /// A transfer that was accepted needs reports of all of its states.
    async fn ask_again(
        &self,
        open: &mut BTreeMap<TokenId, Token>,
        again: BTreeMap<TransferId, (SignedTransfer, u32)>,
    ) -> Result<Vec<Proposal>, Failure> {
        let transfers: Vec<(SignedTransfer, u32)> = again.into_values().collect();
        let recovers: Vec<SignedRecover> = transfers
            .iter()
            .map(|(signed, round)| {
                let mut states: Vec<TokenState> =
                    signed.transfer.inputs.iter().map(|input| input.state).collect();
                states.sort();
                self.recover(signed.transfer.owner, *round, states)
            })
            .collect();
        let rows = self.collect(&recovers).await?;
        let mut proposals = Vec::new();
        for ((signed, _), row) in transfers.into_iter().zip(&rows) {
            let id = signed.transfer.id();
            let inputs = signed.transfer.inputs.iter().map(|input| input.state.token);
            let tokens: Vec<TokenId> = inputs.filter(|token| open.contains_key(token)).collect();
            for token in &tokens {
                let known = open.get_mut(token).expect("filtered above");
                known.round = known.round.max(next_round(row));
            }
            let found: Vec<Found> =
                row.states.iter().map(|state| outcome(state, row)).collect::<Result<_, _>>()?;
            let is_again =
                |found: &Found| matches!(found, Found::Again(t) if t.transfer.id() == id);
            if found.iter().all(is_again) {
                let entry = entry(signed, row)?;
                proposals.push(Proposal { entry, id, tokens, is_refresh: false });
                continue;
            }
            // Another one's higher certificate, or a receipt, has ended it for all of its states.
            for (state, _) in row.states.iter().zip(found).filter(|(_, f)| f.is_refresh()) {
                if let Some(token) = open.get(&state.token).cloned() {
                    proposals.push(self.refresh(&token, row)?);
                }
            }
        }
        Ok(proposals)
    }

    fn recover(&self, owner: Address, round: u32, states: Vec<TokenState>) -> SignedRecover {
        let key = self.keys.get(&owner).expect("looked up before");
        Recover { epoch: self.network.epoch, owner, round, states }.sign(&self.network.id, key)
    }

    /// Asks in messages of the size that is allowed; `rows[i]` is for `recovers[i]`.
    async fn collect(&self, recovers: &[SignedRecover]) -> Result<Vec<RecoveryRow>, Failure> {
        let mut rows = Vec::new();
        let mut rest = recovers;
        while !rest.is_empty() {
            let mut states = 0;
            let fits = rest.iter().take(RECOVERS_MAX).take_while(|signed| {
                states += signed.recover.states.len();
                states <= RECOVER_STATES_MAX
            });
            let (now, later) = rest.split_at(fits.count().max(1));
            let found = self.client.recover(now).await?;
            if found.recoveries.len() != now.len() {
                return Err(nonsense());
            }
            for (signed, row) in now.iter().zip(&found.recoveries) {
                check_row(&signed.recover, row)?;
            }
            rows.extend(found.recoveries);
            rest = later;
        }
        Ok(rows)
    }

    /// A refresh, stored durably before anybody gets it. The same state has the same one each time.
    fn refresh(&self, token: &Token, row: &RecoveryRow) -> Result<Proposal, Failure> {
        let transfer = Transfer {
            network: self.network.id,
            epoch: self.network.epoch,
            owner: token.owner,
            inputs: vec![token.input],
            outputs: vec![Output::Move { input: 0, to: token.owner }],
            memo: String::new(),
        };
        let key = self.keys.get(&token.owner).expect("looked up before");
        let signed = transfer.sign(key);
        let mut record = summary(&signed, &self.network.assets);
        record.status = Progress::Submitted;
        self.wallet.store(&signed, &record)?;
        let (id, tokens) = (record.id, vec![token.input.state.token]);
        Ok(Proposal { entry: entry(signed, row)?, id, tokens, is_refresh: true })
    }

    /// Sends proposals and notes how they ended.
    async fn propose(
        &self,
        open: &mut BTreeMap<TokenId, Token>,
        ended: &mut BTreeMap<TokenId, Ended>,
        proposals: Vec<Proposal>,
    ) -> Result<(), Failure> {
        let entries: Vec<Entry> = proposals.iter().map(|one| one.entry.clone()).collect();
        let outcomes = match self.client.propose_entries(&entries).await {
            Ok(found) => found.outcomes,
            // They may have been proposed: the next look tells.
            Err(failure) if failure.code.is_retryable => return Ok(()),
            Err(failure) => return Err(failure),
        };
        if outcomes.len() != proposals.len() {
            return Err(nonsense());
        }
        for (proposal, outcome) in proposals.into_iter().zip(outcomes) {
            if !is_final(&outcome) || outcome.id != Some(proposal.id) {
                continue;
            }
            self.check_final(proposal.id).await?;
            let (transfer, round) = (proposal.id, proposal.entry.round);
            let end = match proposal.is_refresh {
                true => Ended::Freed { transfer, round },
                false => Ended::Completed { transfer, round },
            };
            for token in proposal.tokens {
                open.remove(&token);
                ended.insert(token, end);
            }
            self.settle(&proposal.entry.signed)?;
        }
        Ok(())
    }

    /// The receipt decides, not the node's word: what it replaces is let go of afterwards. Without
    /// a genesis file nothing can be checked, and the word has to do.
    async fn check_final(&self, id: TransferId) -> Result<(), Failure> {
        let Ok(network) = self.context.genesis(None) else { return Ok(()) };
        let verified = verify_bytes(&self.client.receipt(id).await?, &network)?;
        if verified.id() == id { Ok(()) } else { Err(nonsense()) }
    }

    /// The winner is final; what else the wallet had promised these tokens to can't become final.
    fn settle(&self, winner: &SignedTransfer) -> Result<(), Failure> {
        let id = winner.transfer.id();
        let promises = self.wallet.promises()?;
        let inputs = winner.transfer.inputs.iter();
        let losers: BTreeSet<TransferId> = inputs
            .filter_map(|input| promises.holder_of(&input.state.token))
            .filter(|holder| *holder != id)
            .collect();
        drop(promises);
        for loser in losers {
            let spends = |input: &Input| {
                winner.transfer.inputs.iter().any(|other| other.state == input.state)
            };
            let signed = self.wallet.signed(&loser)?;
            if signed.is_some_and(|signed| signed.transfer.inputs.iter().any(spends)) {
                self.wallet.settle(&loser, Progress::Rejected)?;
            }
        }
        self.wallet.settle(&id, Progress::Final)
    }

    /// What has moved on meanwhile, by whatever transfer, is not locked any more.
    async fn look_again(
        &self,
        open: &mut BTreeMap<TokenId, Token>,
        ended: &mut BTreeMap<TokenId, Ended>,
    ) -> Result<(), Failure> {
        let known: Vec<(TokenId, TokenState)> =
            open.iter().map(|(id, token)| (*id, token.input.state)).collect();
        for (id, state) in known {
            let found = self.client.token(id).await?;
            let now = found.token.input().state;
            if now != state || found.ended_by.is_some() {
                let transfer = found.ended_by.or(Some(now.made_by));
                open.remove(&id);
                ended.insert(id, Ended::Spent { transfer });
            }
        }
        Ok(())
    }

    fn out_of_time(&self, open: &BTreeMap<TokenId, Token>, is_proposed: bool) -> Failure {
        let names: Vec<String> = open.keys().map(TokenId::to_string).collect();
        let count = names.len();
        let command = format!("quorate recover {} --timeout 30s", names.join(" "));
        let (code, what) = match is_proposed {
            true => (
                OUTCOME_UNKNOWN,
                format!("{count} tokens were proposed for and no outcome came in time"),
            ),
            false => (
                NO_QUORUM,
                format!("too few validators reported of {count} tokens; nothing was proposed"),
            ),
        };
        Failure::new(code, what).help(command).help("quorate status")
    }
}

/// Proposals that fit one body.
fn groups(proposals: Vec<Proposal>) -> Vec<Vec<Proposal>> {
    let mut groups: Vec<Vec<Proposal>> = Vec::new();
    let mut bytes = 0;
    for proposal in proposals {
        let more = proposal.entry.to_bytes().len() + 4;
        let is_full = groups.last().is_none_or(|group| group.len() >= BATCH_ENTRIES_MAX);
        if is_full || bytes + more > BATCH_BYTES_MAX / 2 {
            groups.push(Vec::new());
            bytes = 0;
        }
        bytes += more;
        groups.last_mut().expect("one was pushed").push(proposal);
    }
    groups
}
