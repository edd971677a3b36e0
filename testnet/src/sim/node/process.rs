//! A node as a process on a machine: it starts on what its disk has, ends in several ways, fails
//! for good when its disk does, and has a clock that only goes forward.

use super::{Node, Surroundings};
use crate::sim::archive::Archive;
use crate::sim::catch_up::CatchUp;
use crate::sim::check::Checks;
use crate::sim::mutant::Mutant;
use crate::sim::store::{Found, Waits};
use consensus::{Collector, Mode, Proposer, Record, Tips, Validator};
use ledger::TransferId;
use node::journal::Options;
use node::store::{Cause, OpenError, Silence};
use rand::RngExt;

use super::{Effect, Timer};

/// A slow disk takes so many times as long.
const SLOW: u64 = 40;
/// A node's clock shows up to this when it starts, µs.
const FIRST_US_MAX: u64 = 1_000;

/// A node's clock: zero when the process starts, and never back, like the product's, which is the
/// operating system's monotonic one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    started_us: u64,
    ahead_us: u64,
}

impl Clock {
    /// What it shows at a time of the world.
    pub fn at(&self, world_us: u64) -> u64 {
        world_us - self.started_us + self.ahead_us
    }

    /// It jumps forward.
    pub fn jump(&mut self, by_us: u64) {
        self.ahead_us += by_us;
    }
}

impl Node {
    /// Power is lost.
    pub fn crash(&mut self) {
        self.end();
        self.store.disk.image().crash();
    }

    /// The process is killed; what it has written is still there for the next one.
    pub fn kill(&mut self) {
        self.end();
        self.store.disk.image().kill();
    }

    /// The process ends in good order: everything is written and synced. Whether it came to that.
    pub fn stop(&mut self) -> bool {
        self.store.finish();
        let is_failed = self.is_failed || self.store.is_failed();
        self.end();
        let mut image = self.store.disk.image();
        if image.is_dark() {
            image.crash();
            return false;
        }
        !is_failed && image.is_synced()
    }

    /// Its disk is lost, while it is down.
    pub fn lose_disk(&mut self) {
        self.store.disk.image().wipe();
    }

    /// Its disk is lost, while it is down, and somebody says that its key has never voted.
    pub fn begin_anew(&mut self) {
        self.lose_disk();
        self.store.permit(&self.network.id, &self.keypair).expect("an empty disk");
    }

    fn end(&mut self) {
        self.is_up = false;
        self.store.close();
    }

    fn options(&self) -> Options {
        let mut options = Options::new(*self.network.id.bytes());
        options.segment_bytes = self.segment_bytes;
        options.accept_damage = self.mutant == Some(Mutant::DamageIgnored);
        options
    }

    /// Opens the store, and tells the checks what it shows.
    fn open(&mut self, at_us: u64, checks: &mut Checks) -> Result<Found, OpenError> {
        let torn = self.mutant.filter(|mutant| *mutant == Mutant::TrustsTail);
        let torn = torn.map(|_| self.store.unchecked());
        if self.mutant == Some(Mutant::SilenceForgotten) {
            self.store.forget_silence();
        }
        let options = self.options();
        let mut found = self.store.open(&self.keypair, &self.network.id, options)?;
        if let Some(rows) = torn {
            found.rows = rows;
        }
        checks.replayed(at_us, self.member, &found);
        Ok(found)
    }

    /// The process starts: all that it knows comes from its disk. When it can't start, it is down
    /// still.
    ///
    /// # Errors
    /// What stops it.
    pub fn restart(&mut self, at_us: u64, checks: &mut Checks) -> Result<(), OpenError> {
        let mut tips = Tips::genesis(self.network.clone());
        if self.mutant == Some(Mutant::Mints) {
            let minted = tips.tokens().next().map(|(id, tip)| (*id, *tip));
            let (id, mut tip) = minted.expect("genesis has tokens");
            tip.amount += 1;
            tips.load(id, tip);
        }
        if self.mutant == Some(Mutant::LostStoreVotes) {
            self.begin_anew();
            checks.lost(self.member);
        }
        let (network, keypair) = (self.network.clone(), self.keypair.clone());
        self.validator = Validator::new(network, self.member, keypair.clone(), tips);
        self.validator.set_orphan_age(self.orphan_age_us);
        super::doubts(&mut self.validator, self.mutant);
        self.collector = Collector::new(self.network.clone(), self.member);
        self.proposer = Proposer::new(self.believed.clone(), self.member, keypair);
        self.archive = Archive::default();
        self.held.clear();
        self.catch_up = CatchUp::default();
        self.wakes_us = None;
        self.is_failed = false;
        let found = self.open(at_us, checks)?;
        if checks.broken.is_some() {
            // The run ends here; what was read may make no sense.
            return Ok(());
        }
        for (kind, payload) in &found.rows {
            let record = Record::read(*kind, payload).expect("it wrote that itself");
            let record = record.expect("of a known kind");
            if self.mutant.is_none_or(|mutant| mutant.reads(&record)) {
                self.archive.take(&record);
                self.validator.replay(record).expect("its own journal");
            }
        }
        self.validator.replayed_all();
        let is_blind = matches!(self.mutant, Some(Mutant::LostStoreVotes | Mutant::NoCatchingUp));
        self.validator.set_mode(if is_blind { Mode::Voting } else { Mode::CatchingUp });
        if found.silence.is_some() {
            self.validator.set_mode(Mode::Silent);
        }
        self.is_damaged = found.damage.is_some();
        self.written = self.store.durable();
        let ahead_us = self.rng.random_range(0..FIRST_US_MAX);
        self.clock = Clock { started_us: at_us, ahead_us };
        self.is_up = true;
        Ok(())
    }

    /// The disk has failed: no vote leaves any more, and what is stored stays readable.
    pub(super) fn fail(&mut self) {
        self.is_failed = true;
        self.held.clear();
        self.validator.set_mode(Mode::Silent);
    }

    /// It is shown a vote of its own that it does not know: none leaves any more, for good.
    pub(super) fn silence(&mut self, id: TransferId, around: &mut Surroundings<'_>) {
        for held in &mut self.held {
            held.sends.clear();
        }
        self.validator.set_mode(Mode::Silent);
        let silence = Silence::new(Cause::VoteForgotten, &format!("for transfer {id}"));
        let kept = self.store.silence(&silence);
        around.checks.forgot(around.at_us, (self.member, id), kept.is_ok());
        if kept.is_err() {
            self.fail();
        }
    }

    /// Appends a record; whether the journal took it.
    pub(super) fn append(&mut self, record: &Record, around: &mut Surroundings<'_>) -> bool {
        match self.store.append(record) {
            Some(records) => {
                self.written = records;
                around.checks.wrote(self.member, record);
                true
            }
            None => {
                self.fail();
                false
            }
        }
    }

    /// Lets the journal do what it can, and comes back when it can do more.
    pub(super) fn work(&mut self, around: &mut Surroundings<'_>) {
        match self.store.work(around.now_us) {
            Some(Waits::Sync) => {
                let slow = if self.is_slow { SLOW } else { 1 };
                let delay_us = self.rng.random_range(50..50 + self.sync_us_max) * slow;
                around.effects.push(Effect::Later(delay_us, Timer::Synced));
            }
            Some(Waits::Until(until_us))
                if self.wakes_us.is_none_or(|wakes_us| wakes_us > until_us) =>
            {
                self.wakes_us = Some(until_us);
                let delay_us = until_us.saturating_sub(around.now_us);
                around.effects.push(Effect::Later(delay_us, Timer::Wake(until_us)));
            }
            Some(Waits::Until(_)) | None => {}
        }
        if self.store.is_failed() && !self.is_failed {
            self.fail();
        }
    }

    /// A sync of the journal has ended.
    pub(super) fn synced(&mut self, around: &mut Surroundings<'_>) {
        self.store.synced(around.now_us);
        around.checks.durable(self.member, self.store.durable());
        self.release(around);
    }
}
