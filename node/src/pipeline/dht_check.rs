//! Stage 4: does anyone out there say that a state is spent? Skipped, and only this stage, in a
//! trusted network.
//!
//! ```text
//!  prefetch ─ask─▶ one batched look-up, under way while the batch is hashed and checked
//!  pin check ───▶ findings: providers are hints ─ask for proof─▶ a valid receipt, or nothing
//!                 silent keys: marked; no veto, or Unknown in strict mode
//! ```
//!
//! A hint blocks nobody: a provider that can't show a receipt loses score. A receipt of the very
//! transfer that is judged is no conflict: it is final elsewhere already (R8). The stage ends at
//! its deadline with what it has, so strangers near a state's key can delay it and no more.

mod hints;

use super::pin_check::PinChecked;
use crate::config::DhtSilence;
use crate::handle::Shared;
use crate::ipfs::key_of;
use consensus::{Cause, Judged, Refusal, Verdict};
use hints::Proven;
use ipfs_adapter::{Completion, ContentId, FindOptions, FindOutcome, KEYS_PER_QUERY_MAX, Query};
use ledger::{TokenState, TransferId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Providers of one state that are worth asking.
const PROVIDERS_MAX: usize = 8;
/// How much longer other sources are waited for, once one has answered for everything.
const GRACE: Duration = Duration::from_millis(20);

/// How a check went: for metrics and for the transfer's own record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DhtMark {
    /// Enough peers have answered for all its states.
    Complete,
    /// They have not; the verdict rests on the other stages.
    Incomplete,
}

impl DhtMark {
    /// The word in JSON and metrics.
    pub fn word(self) -> &'static str {
        match self {
            DhtMark::Complete => "complete",
            DhtMark::Incomplete => "incomplete",
        }
    }
}

/// A look-up under way.
pub struct Question {
    /// `states[i]` has the key i of all queries together; with the entry that spends it.
    states: Vec<(usize, TokenState)>,
    /// Each source's queries: the keys in order, a message full each.
    queries: Vec<Vec<Query>>,
    /// When it was asked.
    pub(super) came: Instant,
}

/// What is known of each entry that was asked about.
#[derive(Debug, Default)]
pub struct Findings {
    /// Entries with a state that is spent by another transfer, which one, and that state.
    spent: BTreeMap<usize, Vec<(TokenState, TransferId)>>,
    marks: BTreeMap<usize, DhtMark>,
}

/// Asks for the input states of some entries. `None` in a trusted network, or when there is nothing
/// to ask. Returns at once.
pub fn ask(shared: &Shared, states: impl Iterator<Item = (usize, TokenState)>) -> Option<Question> {
    if shared.config.validation.trusted_network {
        return None;
    }
    let states: Vec<(usize, TokenState)> = states.collect();
    if states.is_empty() {
        return None;
    }
    let keys: Vec<ContentId> = states.iter().map(|(_, state)| key_of(state)).collect();
    let options = FindOptions {
        deadline: asking_time(shared),
        completion: Completion::Quorum,
        providers_max: PROVIDERS_MAX,
        use_cache: false,
    };
    let sources = shared.ipfs.iter().flat_map(|ipfs| ipfs.sources());
    let queries = sources.map(|source| {
        let chunks = keys.chunks(KEYS_PER_QUERY_MAX);
        // A source that is busy is silent.
        chunks.map_while(|keys| source.find(keys.to_vec(), options).ok()).collect()
    });
    Some(Question { queries: queries.collect(), states, came: Instant::now() })
}

/// Whether silence is `Unknown`.
pub fn is_strict(shared: &Shared) -> bool {
    shared.config.validation.dht_silence == DhtSilence::Unknown
}

fn deadline(shared: &Shared) -> Duration {
    Duration::from_millis(shared.config.validation.dht_deadline_ms)
}

/// The part of the deadline for the look-up; the rest is for proofs of what it hints at.
fn asking_time(shared: &Shared) -> Duration {
    deadline(shared) / 2
}

impl Question {
    /// As [`Question::answer`]; whatever goes wrong on the way is silence, never a batch that is
    /// judged by nobody.
    pub async fn answer_or_silence(self, shared: &Arc<Shared>) -> Findings {
        let (states, shared) = (self.states.clone(), shared.clone());
        let answered = tokio::spawn(async move { self.answer(&shared).await }).await;
        answered.unwrap_or_else(|error| {
            tracing::error!(%error, "the DHT stage has failed");
            Findings::silent(&states)
        })
    }

    /// Waits for the answers and for the proofs of what they hint at; at most the deadline.
    pub async fn answer(self, shared: &Arc<Shared>) -> Findings {
        let Question { states, queries, came } = self;
        let until = came + deadline(shared);
        let mut is_complete = vec![false; states.len()];
        let mut hints = BTreeMap::new();
        // A little later than the look-up itself, whose outcome has what came until then.
        let asked = came + asking_time(shared) + GRACE;
        for outcomes in gather(queries, states.len(), asked).await {
            let answers = outcomes.into_iter().flat_map(|outcome| outcome.answers);
            for (index, answer) in answers.enumerate() {
                is_complete[index] |= answer.is_complete;
                if !answer.providers.is_empty() {
                    hints.entry(index).or_insert_with(Vec::new).extend(answer.providers);
                }
            }
        }
        let keys = |index: usize| key_of(&states[index].1);
        let hints = hints.into_iter().map(|(index, providers)| (index, keys(index), providers));
        let mut proven = hints::prove(shared, hints.collect(), until).await;
        // What was proven before stays so, whoever answers now.
        proven.extend(states.iter().enumerate().filter_map(|(index, (_, state))| {
            let spender = shared.foreign.spender(state)?;
            Some(Proven { index, spender })
        }));
        let findings = Findings::of(&states, &is_complete, proven);
        shared.metrics.dht_checked(findings.marks.values());
        shared.metrics.stage("dht_check", came.elapsed());
        findings
    }
}

/// The outcomes of each source that answered for everything, or of whoever answered in time.
async fn gather(queries: Vec<Vec<Query>>, count: usize, until: Instant) -> Vec<Vec<FindOutcome>> {
    let mut sources = tokio::task::JoinSet::new();
    for queries in queries {
        sources.spawn(async move {
            let mut outcomes = Vec::new();
            for query in queries {
                match query.outcome().await {
                    Ok(outcome) => outcomes.push(outcome),
                    Err(_) => break,
                }
            }
            outcomes
        });
    }
    let (mut gathered, mut until) = (Vec::new(), until);
    while let Ok(Some(ended)) = tokio::time::timeout_at(until.into(), sources.join_next()).await {
        let Ok(outcomes) = ended else { continue };
        let answered: usize =
            outcomes.iter().map(|outcome: &FindOutcome| outcome.answers.len()).sum();
        if answered == count && outcomes.iter().all(FindOutcome::is_complete) {
            until = until.min(Instant::now() + GRACE);
        }
        gathered.push(outcomes);
    }
    gathered
}

impl Findings {
    fn of(states: &[(usize, TokenState)], is_complete: &[bool], proven: Vec<Proven>) -> Self {
        let mut findings = Self::default();
        for ((entry, _), is_complete) in states.iter().zip(is_complete) {
            let mark = findings.marks.entry(*entry).or_insert(DhtMark::Complete);
            if !is_complete {
                *mark = DhtMark::Incomplete;
            }
        }
        for Proven { index, spender } in proven {
            let (entry, state) = states[index];
            findings.spent.entry(entry).or_default().push((state, spender));
        }
        findings
    }

    /// Nobody has answered for any of these states, each with its entry.
    pub fn silent(states: &[(usize, TokenState)]) -> Self {
        Self::of(states, &vec![false; states.len()], Vec::new())
    }

    /// Whether every entry's states were answered for.
    pub fn is_complete(&self) -> bool {
        self.marks.values().all(|mark| *mark == DhtMark::Complete)
    }

    /// How the check of an entry went; `None` when it was not asked about.
    pub fn mark(&self, entry: usize) -> Option<DhtMark> {
        self.marks.get(&entry).copied()
    }

    /// The verdict on an entry that stages 1 to 3 found Valid. `id` is its transfer.
    pub fn verdict(&self, entry: usize, id: TransferId, is_strict: bool) -> Verdict {
        let spent = self.spent.get(&entry).into_iter().flatten();
        if let Some((state, by)) = spent.clone().find(|(_, by)| *by != id) {
            return Verdict::Invalid(Refusal::Spent { state: *state, by: Some(*by) });
        }
        let is_silent = self.mark(entry) == Some(DhtMark::Incomplete);
        match is_silent && is_strict {
            true => Verdict::Unknown(Cause::DhtSilent),
            false => Verdict::Valid,
        }
    }
}

/// Ends the pipeline: what is Valid so far gets the verdict of the findings. Without findings, as
/// in a trusted network, it stays.
pub fn dht_check(checked: PinChecked, findings: Option<&Findings>, is_strict: bool) -> Judged {
    let mut hashed = checked.0;
    if let (Some(findings), Ok(batch)) = (findings, &hashed.batch) {
        for (entry, (verdict, id)) in hashed.verdicts.iter_mut().zip(batch.ids()).enumerate() {
            if *verdict == Some(Verdict::Valid) {
                *verdict = Some(findings.verdict(entry, *id, is_strict));
            }
        }
    }
    Judged {
        proposal: hashed.proposal,
        batch: hashed.batch,
        is_signed: hashed.is_signed,
        verdicts: hashed.verdicts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::TokenId;

    fn state(byte: u8) -> TokenState {
        TokenState { token: TokenId(ledger::Digest([byte; 32])), height: 0, made_by: id(0) }
    }

    fn id(byte: u8) -> TransferId {
        TransferId(ledger::Digest([byte; 32]))
    }

    /// Entry 0 spends states 1 and 2, entry 1 spends state 3.
    fn findings(is_complete: [bool; 3], proven: Vec<Proven>) -> Findings {
        let states = [(0, state(1)), (0, state(2)), (1, state(3))];
        Findings::of(&states, &is_complete, proven)
    }

    #[test]
    fn silence_is_no_veto_and_unknown_in_strict_mode() {
        let findings = findings([true, false, true], Vec::new());
        assert_eq!(findings.mark(0), Some(DhtMark::Incomplete));
        assert_eq!(findings.mark(1), Some(DhtMark::Complete));
        assert_eq!(findings.mark(2), None);
        assert_eq!(findings.verdict(0, id(7), false), Verdict::Valid);
        let unknown = Verdict::Unknown(Cause::DhtSilent);
        assert_eq!(findings.verdict(0, id(7), true), unknown);
        assert_eq!(findings.verdict(1, id(7), true), Verdict::Valid);
    }

    #[test]
    fn only_another_transfers_receipt_makes_spent() {
        let proven = vec![Proven { index: 1, spender: id(9) }];
        let findings = findings([true; 3], proven);
        let spent = Refusal::Spent { state: state(2), by: Some(id(9)) };
        assert_eq!(findings.verdict(0, id(7), false), Verdict::Invalid(spent));
        assert_eq!(findings.verdict(0, id(9), false), Verdict::Valid, "it is this very transfer");
        assert_eq!(findings.verdict(1, id(7), false), Verdict::Valid);
    }
}
