//! Whether a snapshot holds: every certificate once, every path, every link against the log, and
//! the sums; only then tips come of it. Nothing is written here.

use super::{Contradiction, Group, Snapshot};
use consensus::tips::Tip;
use consensus::{CheckedCertificate, Tips};
use ledger::{
    AssetId, BatchId, Bitmap, CertificateError, DecodeError, Network, NetworkId, Output, Phase,
    TokenId, TransferError, merkle,
};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Why nothing is taken from a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Larger than any snapshot may be.
    #[error("{bytes} bytes, and a snapshot has at most {}", super::SNAPSHOT_BYTES_MAX)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It begins otherwise.
    #[error("this is no snapshot, or one of another version")]
    NoSnapshot,
    /// The hash at its end is not that of its bytes.
    #[error("the snapshot is damaged: its hash is not that of its bytes")]
    Damaged,
    /// Its bytes have another form.
    #[error("the snapshot does not decode: {0}")]
    Decode(#[from] DecodeError),
    /// It is of another network or epoch.
    #[error("the snapshot is of network {0}, or of another epoch")]
    OtherNetwork(NetworkId),
    /// A certificate proves nothing.
    #[error("the certificate of batch {batch} does not hold: {error}")]
    Certificate {
        /// Its batch.
        batch: BatchId,
        /// Why.
        error: CertificateError,
    },
    /// A transfer breaks a rule.
    #[error("a transfer in the snapshot is not valid: {0}")]
    Transfer(#[from] TransferError),
    /// A link is not where its path says, or its certificate is not for it.
    #[error("entry {index} of batch {batch} is not proved by its path and certificate")]
    Unproved {
        /// The batch.
        batch: BatchId,
        /// The position claimed.
        index: u32,
    },
    /// The log does not name a link, or names a transfer twice.
    #[error("the log and the links do not fit together at batch {0}")]
    Log(BatchId),
    /// The count is not that of the log.
    #[error("the snapshot says that {said} transfers are applied, and its log has {found}")]
    Count {
        /// In the header.
        said: u64,
        /// In the log.
        found: u64,
    },
    /// Two links of one token.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// A token of an asset that no link issued.
    #[error("asset {0} is issued by no link")]
    Asset(AssetId),
    /// Value appeared or vanished: a link is missing.
    #[error("asset {asset}: {issued} issued and {live} live; a link is missing")]
    Supply {
        /// The asset.
        asset: AssetId,
        /// What there should be.
        issued: u64,
        /// What the links leave.
        live: i128,
    },
}

/// What a snapshot that holds says.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Where every token stands.
    pub tips: Tips,
    /// The tokens that are not in their genesis place, ascending.
    pub moved: Vec<TokenId>,
    /// The assets that are not of genesis, ascending.
    pub issued: Vec<AssetId>,
}

impl Snapshot {
    /// Checks all of it. CPU work, on the rayon pool of the caller: about 0.1 ms a group and some
    /// µs a link.
    ///
    /// # Errors
    /// Every [`SnapshotError`] but those of reading.
    pub fn check(&self, network: &Arc<Network>) -> Result<Checked, SnapshotError> {
        if self.network != network.id || self.epoch != network.epoch {
            return Err(SnapshotError::OtherNetwork(self.network));
        }
        self.check_log()?;
        self.groups.par_iter().try_for_each(|group| group.check(network))?;
        self.tips(network)
    }

    /// The tips that its links make. For bytes that were checked before: the journal vouches for
    /// them.
    ///
    /// # Errors
    /// What the links say is not possible.
    pub fn tips(&self, network: &Arc<Network>) -> Result<Checked, SnapshotError> {
        let mut newest = Newest::default();
        let mut tips = Tips::genesis(network.clone());
        let mut issued = Vec::new();
        for link in self.groups.iter().flat_map(|group| &group.links) {
            let transfer = &link.signed.transfer;
            transfer.check(&**network)?;
            let id = transfer.id();
            let made = transfer.made(id);
            for (output, made) in transfer.outputs.iter().zip(&made) {
                if let Output::Issue { definition, supply, .. } = output {
                    tips.load_asset(made.asset, definition.clone(), *supply);
                    issued.push(made.asset);
                }
            }
            for input in &transfer.inputs {
                let is_moved = made
                    .iter()
                    .any(|made| made.state.token == input.state.token && made.state.height > 0);
                let ended_by = (!is_moved).then_some(id);
                if ended_by.is_some() {
                    let tip = Tip {
                        height: input.state.height,
                        made_by: input.state.made_by,
                        asset: input.asset,
                        amount: input.amount,
                        owner: transfer.owner,
                        ended_by,
                    };
                    newest.put(input.state.token, tip)?;
                }
            }
            for made in made {
                newest.put(made.state.token, Tip::of(&made))?;
            }
        }
        balance(&tips, &newest.tips)?;
        // First what is gone, then what lives: no sum is above the supply on the way.
        for is_ended in [true, false] {
            for (token, tip) in &newest.tips {
                if tip.ended_by.is_some() == is_ended {
                    tips.load(*token, *tip);
                }
            }
        }
        tips.load_counters(self.applied, self.digest.0);
        let mut moved: Vec<TokenId> = newest.tips.into_keys().collect();
        moved.sort_unstable();
        issued.sort_unstable();
        Ok(Checked { tips, moved, issued })
    }

    /// The log names each link, no transfer of a batch twice, and as many as the header says.
    fn check_log(&self) -> Result<(), SnapshotError> {
        let mut named: HashMap<BatchId, Bitmap> = HashMap::new();
        let mut found = 0u64;
        for line in &self.lines {
            let count = line.bitmap.count();
            let bits = named.entry(line.batch).or_insert_with(|| Bitmap::empty(count));
            let is_fit = bits.count() == count;
            if !is_fit || line.bitmap.without(bits).ones() != line.bitmap.ones() {
                return Err(SnapshotError::Log(line.batch));
            }
            bits.add(&line.bitmap);
            found += u64::try_from(line.bitmap.ones()).expect("at most 4,096");
        }
        if found != self.applied {
            return Err(SnapshotError::Count { said: self.applied, found });
        }
        for group in &self.groups {
            let batch = group.certificate.batch;
            let bits = named.get(&batch).ok_or(SnapshotError::Log(batch))?;
            for link in &group.links {
                let index = usize::try_from(link.index).expect("32 bits fit a usize here");
                if index >= bits.count() || !bits.has(index) {
                    return Err(SnapshotError::Log(batch));
                }
            }
        }
        Ok(())
    }
}

impl Group {
    fn check(&self, network: &Network) -> Result<(), SnapshotError> {
        let batch = self.certificate.batch;
        let certificate = self.certificate.clone();
        let phase = certificate.phase;
        let checked = CheckedCertificate::check(certificate, network, &mut rand::rng())
            .map_err(|error| SnapshotError::Certificate { batch, error })?;
        let count = usize::try_from(self.count).expect("32 bits fit a usize here");
        for link in &self.links {
            let unproved = SnapshotError::Unproved { batch, index: link.index };
            let index = usize::try_from(link.index).expect("32 bits fit a usize here");
            let is_certified = phase == Phase::Commit
                && checked.certified().count() == count
                && index < count
                && checked.certified().has(index);
            if !is_certified {
                return Err(unproved);
            }
            link.signed.transfer.check(network)?;
            let leaf = link.leaf(link.signed.transfer.id());
            if merkle::root_of_path(leaf, index, count, &link.path) != Some(batch) {
                return Err(unproved);
            }
        }
        Ok(())
    }
}

/// The newest tip of each token that links tell.
#[derive(Default)]
struct Newest {
    tips: HashMap<TokenId, Tip>,
}

impl Newest {
    fn put(&mut self, token: TokenId, tip: Tip) -> Result<(), Contradiction> {
        let Some(old) = self.tips.insert(token, tip) else { return Ok(()) };
        let (older, newer) = if old.height > tip.height { (tip, old) } else { (old, tip) };
        let is_kept = |a: &Tip, b: &Tip| a.asset == b.asset && a.amount == b.amount;
        let contradiction = Contradiction { token };
        if !is_kept(&older, &newer) {
            return Err(contradiction);
        }
        if older.height < newer.height {
            if older.ended_by.is_some() {
                return Err(contradiction);
            }
            self.tips.insert(token, newer);
            return Ok(());
        }
        // One state: made by the one link, and ended by the other at most.
        let ended_by = older.ended_by.or(newer.ended_by);
        let is_twice = older.ended_by.is_some() && newer.ended_by.is_some();
        if is_twice || older.made_by != newer.made_by || older.owner != newer.owner {
            return Err(contradiction);
        }
        self.tips.insert(token, Tip { ended_by, ..newer });
        Ok(())
    }
}

/// What lives of each asset is what was issued, before anything is added up in 64 bits.
fn balance(genesis: &Tips, newest: &HashMap<TokenId, Tip>) -> Result<(), SnapshotError> {
    let mut sums: BTreeMap<AssetId, i128> =
        genesis.assets().map(|(id, asset)| (*id, i128::from(asset.live))).collect();
    for (token, tip) in newest {
        let sum = sums.get_mut(&tip.asset).ok_or(SnapshotError::Asset(tip.asset))?;
        if tip.ended_by.is_none() {
            *sum += i128::from(tip.amount);
        }
        if let Some(first) = genesis.tip(token) {
            if first.asset != tip.asset || first.amount != tip.amount {
                return Err(Contradiction { token: *token }.into());
            }
            *sum -= i128::from(first.amount);
        }
    }
    for (asset, live) in sums {
        let issued = genesis.asset(&asset).map_or(0, |asset| asset.issued);
        if live != i128::from(issued) {
            return Err(SnapshotError::Supply { asset, issued, live });
        }
    }
    Ok(())
}
