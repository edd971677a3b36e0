//! Planted bugs, in the simulator's own driver and adversary layer: the checks must find each of
//! them.

use super::byzantine::Behaviour;
use super::check::kept::Harm;
use super::disk::Lie;
use super::plan::{MEMBERS, Machines, Plan};
use consensus::Record;

/// One planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Votes leave before the sync that they stand on.
    SendBeforeSync,
    /// Clients are told before the sync.
    ReportBeforeSync,
    /// Locks are not read back after a crash.
    ForgetLocks,
    /// What is applied is not written down.
    ForgetApplied,
    /// A validator whose store was lost votes on.
    LostStoreVotes,
    /// Four of seven are taken for a quorum.
    SmallQuorum,
    /// Three members vote for everything: more than f are Byzantine.
    ThreeTraitors,
    /// An honest member votes for everything it sees.
    VotesForAll,
    /// A Lock certificate is told as final.
    FinalAtLock,
    /// A node is rebuilt from a genesis that has more of an asset.
    Mints,
    /// Nobody ever asks for what it missed.
    NoCatchingUp,
    /// Neither proposers nor clients ever try again.
    NoRetries,
    /// Promises are not read back after a crash.
    ForgetPromises,
    /// Accepts are not read back after a crash.
    ForgetAccepted,
    /// Reports leave before the promise that they stand on is durable.
    PromiseBeforeSync,
    /// Nobody ends what its client and proposer have left.
    NoOrphans,
    /// Certificates of any epoch are believed.
    AnyEpoch,
    /// Evidence is found and not written down.
    ForgetEvidence,
    /// A member's votes count as often as they are sent.
    RepeatedVotes,
    /// What a batch says of its proposer is believed: an honest member is blamed for others.
    BlamesTheNamed,
    /// The journal's tail is read without comparing a hash.
    TrustsTail,
    /// Records count as durable that no sync has covered.
    NoSync,
    /// A failed sync is tried again, and the second one believed.
    SyncRetried,
    /// New names of files are not synced.
    NoNameSync,
    /// The head is never written again.
    NoHead,
    /// A damaged journal is cut at the damage, and the node votes on.
    DamageIgnored,
    /// The mark of a silence is forgotten with the process.
    SilenceForgotten,
    /// A member whose store was rolled back does not look at its own votes.
    RollbackUnnoticed,
    /// The pipeline leaves the last transfer of a batch without a verdict.
    VerdictMissing,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 29] = [
        Mutant::SendBeforeSync,
        Mutant::ReportBeforeSync,
        Mutant::ForgetLocks,
        Mutant::ForgetApplied,
        Mutant::LostStoreVotes,
        Mutant::SmallQuorum,
        Mutant::ThreeTraitors,
        Mutant::VotesForAll,
        Mutant::FinalAtLock,
        Mutant::Mints,
        Mutant::NoCatchingUp,
        Mutant::NoRetries,
        Mutant::ForgetPromises,
        Mutant::ForgetAccepted,
        Mutant::PromiseBeforeSync,
        Mutant::NoOrphans,
        Mutant::AnyEpoch,
        Mutant::ForgetEvidence,
        Mutant::RepeatedVotes,
        Mutant::BlamesTheNamed,
        Mutant::TrustsTail,
        Mutant::NoSync,
        Mutant::SyncRetried,
        Mutant::NoNameSync,
        Mutant::NoHead,
        Mutant::DamageIgnored,
        Mutant::SilenceForgotten,
        Mutant::RollbackUnnoticed,
        Mutant::VerdictMissing,
    ];

    /// The invariants of which it breaks one.
    pub fn breaks(self) -> &'static [&'static str] {
        match self {
            Mutant::SendBeforeSync | Mutant::ForgetLocks | Mutant::VotesForAll => &["one_lock"],
            Mutant::ReportBeforeSync | Mutant::ForgetApplied | Mutant::FinalAtLock => {
                &["acknowledged"]
            }
            Mutant::LostStoreVotes => &["one_lock", "acknowledged", "evidence"],
            Mutant::SmallQuorum => &["certified"],
            Mutant::ThreeTraitors => &["one_final"],
            Mutant::Mints => &["conserved"],
            Mutant::NoCatchingUp | Mutant::NoRetries => &["settled"],
            Mutant::ForgetPromises | Mutant::ForgetAccepted | Mutant::PromiseBeforeSync => {
                &["reports"]
            }
            Mutant::NoOrphans => &["settled", "unlocked"],
            Mutant::AnyEpoch | Mutant::RepeatedVotes => &["certified"],
            Mutant::ForgetEvidence => &["evidence"],
            Mutant::BlamesTheNamed => &["blameless"],
            Mutant::TrustsTail
            | Mutant::NoSync
            | Mutant::SyncRetried
            | Mutant::NoNameSync
            | Mutant::NoHead
            | Mutant::DamageIgnored => &["kept"],
            Mutant::SilenceForgotten => &["silent"],
            Mutant::VerdictMissing => &["judged"],
            Mutant::RollbackUnnoticed => &["one_lock", "only_gains", "reports"],
        }
    }

    /// A plan in which the bug can show.
    pub fn plan(self, seed: u64) -> Plan {
        let mut plan = Plan::of(seed);
        plan.byzantine.clear();
        plan.gone.clear();
        plan.harmed.clear();
        self.machines(&mut plan);
        (plan.recovering, plan.lonely, plan.strikes) = (0, 0, 0);
        plan.crashes = plan.crashes.max(6);
        plan.conflicts = plan.conflicts.max(10);
        match self {
            Mutant::SendBeforeSync | Mutant::ReportBeforeSync => {
                (plan.sync_us_max, plan.crashes, plan.conflicts) = (40_000, 30, 30);
            }
            Mutant::ThreeTraitors => {
                let traitor = |member| (member, Behaviour::Eager);
                plan.byzantine = (MEMBERS - 3..MEMBERS).map(traitor).collect();
                (plan.loss, plan.crashes, plan.conflicts) = (0, 0, 30);
            }
            Mutant::VotesForAll => plan.byzantine = vec![(6, Behaviour::Eager)],
            Mutant::NoCatchingUp | Mutant::NoRetries => plan.loss = plan.loss.max(200),
            Mutant::ForgetPromises | Mutant::ForgetAccepted | Mutant::PromiseBeforeSync => {
                (plan.recovering, plan.hasty, plan.conflicts) = (100, 30, 30);
                (plan.crashes, plan.strikes, plan.loss) = (20, 100, 400);
                plan.sync_us_max = 40_000;
            }
            Mutant::NoOrphans => plan.lonely = 20,
            Mutant::AnyEpoch => plan.byzantine = vec![(6, Behaviour::Foreigner)],
            Mutant::RepeatedVotes => {
                (plan.bursts, plan.payments) = (1, 24);
                plan.byzantine = vec![(6, Behaviour::Counterfeiter)];
            }
            Mutant::ForgetEvidence => (plan.crashes, plan.conflicts) = (20, 30),
            Mutant::BlamesTheNamed => plan.byzantine = vec![(6, Behaviour::Resigner)],
            _ => {}
        }
        plan
    }

    /// Machines fail only where the bug needs it.
    fn machines(self, plan: &mut Plan) {
        let segment_bytes = plan.machines.segment_bytes;
        plan.machines = Machines { segment_bytes, ..Machines::default() };
        let two = |harm: Harm| vec![(0, harm), (3, harm)];
        match self {
            Mutant::TrustsTail | Mutant::NoSync => plan.machines.fuses = 30,
            Mutant::SyncRetried => (plan.machines.bad_syncs, plan.machines.fuses) = (30, 30),
            Mutant::NoNameSync => {
                (plan.machines.segment_bytes, plan.machines.fuses) = (16 * 1024, 30);
            }
            Mutant::NoHead | Mutant::DamageIgnored => {
                (plan.machines.segment_bytes, plan.harmed) = (1 << 20, two(Harm::Changed));
            }
            Mutant::SilenceForgotten => {
                (plan.machines.kills, plan.harmed) = (20, two(Harm::Lost));
            }
            Mutant::RollbackUnnoticed => {
                (plan.conflicts, plan.harmed) = (40, two(Harm::RolledBack));
            }
            _ => {}
        }
    }

    /// What its disk does.
    pub fn lie(self) -> Option<Lie> {
        match self {
            Mutant::NoSync => Some(Lie::NoSync),
            Mutant::SyncRetried => Some(Lie::SyncRetried),
            Mutant::NoNameSync => Some(Lie::NoNameSync),
            Mutant::NoHead => Some(Lie::NoHead),
            _ => None,
        }
    }

    /// Whether a record is written at all.
    pub fn writes(self, record: &Record) -> bool {
        match self {
            Mutant::ForgetApplied => !matches!(record, Record::Applied(_)),
            Mutant::ForgetEvidence => !matches!(record, Record::Evidence(_)),
            _ => true,
        }
    }

    /// Whether a record is read back after a crash.
    pub fn reads(self, record: &Record) -> bool {
        match self {
            Mutant::LostStoreVotes => false,
            Mutant::ForgetLocks => !matches!(record, Record::Locked(_)),
            Mutant::ForgetPromises => !matches!(record, Record::Promised(_)),
            Mutant::ForgetAccepted => !matches!(record, Record::Accepted(_)),
            _ => true,
        }
    }
}
