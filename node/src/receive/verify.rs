//! Verifying delivered receipts, spread over the cores: each distinct certificate once, over all
//! batches that come; the owners' signatures in batches. Who calls waits.

use ledger::hash::{Digest, Tag, hash};
use ledger::receipt::{group, verify_signed};
use ledger::{Bitmap, Canonical, Certificate, Network, Receipt, ReceiptError, VerifiedReceipt};
use parking_lot::Mutex;
use rayon::prelude::*;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Certificates whose votes were found good and are not checked again, at most 650 bytes each: with
/// their digest and their bits. The oldest go.
pub const CERTIFICATES_MAX: usize = 4_096;
/// Fewest signatures that are worth a batch of their own (`shared/LIMITS.md`: from 64 on a batch
/// costs half as much a signature; below 32 two threads gain nothing).
const SIGNATURES_MIN: usize = 32;

/// Certificates found good of late: what they cover by what they say.
struct Known {
    bits: HashMap<Digest, Arc<Bitmap>>,
    order: VecDeque<Digest>,
    certificates_max: usize,
}

impl Known {
    fn keep(&mut self, digest: Digest, bits: Arc<Bitmap>) {
        if self.bits.insert(digest, bits).is_none() {
            self.order.push_back(digest);
        }
        while self.order.len() > self.certificates_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.bits.remove(&oldest);
        }
    }
}

/// Verifies for one network.
pub struct Verifier {
    network: Arc<Network>,
    pool: rayon::ThreadPool,
    known: Mutex<Known>,
    /// Certificates whose votes were checked.
    checked: AtomicU64,
}

type Verified = Result<VerifiedReceipt, ReceiptError>;

impl Verifier {
    /// With this many threads, or one a core for 0.
    ///
    /// # Errors
    /// Threads that can't be started.
    pub fn new(
        network: Arc<Network>,
        threads: usize,
        certificates_max: usize,
    ) -> std::io::Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("receive-{index}"))
            .build()
            .map_err(std::io::Error::other)?;
        let (bits, order) = (HashMap::new(), VecDeque::new());
        let known = Mutex::new(Known { bits, order, certificates_max });
        Ok(Self { network, pool, known, checked: AtomicU64::new(0) })
    }

    /// `results[i]` is for `receipts[i]`, and is what [`Receipt::verify`] says of it.
    pub fn verify(&self, receipts: Vec<Receipt>) -> Vec<Verified> {
        self.pool.install(|| self.verify_here(receipts))
    }

    fn verify_here(&self, receipts: Vec<Receipt>) -> Vec<Verified> {
        let network = &*self.network;
        let grouped = group(&receipts);
        let bits: Vec<Result<Arc<Bitmap>, ReceiptError>> = grouped
            .certificates
            .par_iter()
            .map(|(certificate, count)| self.certified(certificate, *count))
            .collect();
        let of = grouped.of;
        let ids: Vec<_> =
            receipts.par_iter().map(|receipt| receipt.check_unsigned(network)).collect();
        let threads = self.pool.current_num_threads();
        let piece = receipts.len().div_ceil(threads).max(SIGNATURES_MIN);
        let checked = ids.into_iter().zip(of).map(|(id, certificate)| {
            let bits = bits[certificate].as_deref().map_err(Clone::clone);
            id.and_then(|id| bits.map(|bits| (id, bits)))
        });
        let mut rest = receipts.into_iter().zip(checked);
        let mut pieces = Vec::new();
        loop {
            let next: (Vec<_>, Vec<_>) = rest.by_ref().take(piece).unzip();
            if next.0.is_empty() {
                break;
            }
            pieces.push(next);
        }
        pieces
            .into_par_iter()
            .map(|(receipts, checked)| verify_signed(receipts, checked, &mut rand::rng()))
            .flatten()
            .collect()
    }

    /// The bits of a certificate over a batch of `count`; votes are checked once.
    fn certified(
        &self,
        certificate: &Certificate,
        count: u32,
    ) -> Result<Arc<Bitmap>, ReceiptError> {
        let said = [&count.to_le_bytes()[..], &certificate.to_bytes()];
        let digest = hash(Tag::Proof, &said);
        if let Some(bits) = self.known.lock().bits.get(&digest) {
            return Ok(bits.clone());
        }
        self.checked.fetch_add(1, Ordering::Relaxed);
        let bits = certificate.verify_commit(count, &self.network, &mut rand::rng())?;
        let bits = Arc::new(bits);
        self.known.lock().keep(digest, bits.clone());
        Ok(bits)
    }

    /// Certificates whose votes were checked so far.
    pub fn certificates_checked(&self) -> u64 {
        self.checked.load(Ordering::Relaxed)
    }
}
