//! What validators say to each other. [`Message`] goes over the one ordered stream of a link;
//! [`Request`] and [`Reply`] go over streams of their own, for catching up.

mod recovery;

use crate::batch::{AppliedBatch, AppliedLine, Proposal};
use crate::limits::{BATCH_ENTRIES_MAX, REFUSALS_MAX};
use crate::verdict::Refused;
use ledger::encoding::{canonical_struct, write_bytes, write_count, write_list};
use ledger::{
    BatchId, Bitmap, Canonical, Certificate, CertificateError, DecodeError, Digest, Expected,
    Network, Phase, Reader, SignedRecover, TokenId, TransferId, Vote,
};
use rand_core::CryptoRng;

use recovery::read_recovers;
pub use recovery::{RecoverReply, Withheld, WithheldKind};

/// Most ids in one request, and most lines or batches in one reply.
pub const REQUEST_IDS_MAX: usize = BATCH_ENTRIES_MAX;

/// A message between validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A batch, from its proposer to all.
    Propose(Proposal),
    /// A validator's answer to its proposer, of either phase.
    Answer(Answer),
    /// A Lock certificate (Certify) or a Commit certificate (Finalize), from the proposer to all.
    Certify(Certificate),
    /// What was asked for is final already: the batch that spent the state and its certificate
    /// (R8).
    Proof(AppliedBatch),
    /// How far the sender is; sent now and then, and on connecting.
    Progress(Progress),
    /// Owners ask for a round above 0; at most 256, of 8,192 states in all.
    Recover(Vec<SignedRecover>),
    /// The answer to one `Recover`.
    Report(RecoverReply),
}

/// A validator's answer about a batch in one phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The batch.
    pub batch: BatchId,
    /// The phase.
    pub phase: Phase,
    /// The vote; none from a validator that may not vote or has nothing to vote for yet.
    pub vote: Option<Vote>,
    /// Why entries are left out, at most one each, ascending by index. Explains; proves nothing.
    pub refused: Vec<Refused>,
}

/// How far a validator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Distinct transfers applied.
    pub applied: u64,
    /// XOR of their ids.
    pub digest: Digest,
    /// Lines of its applied log.
    pub lines: u64,
}
canonical_struct!(Progress { applied, digest, lines });

impl Canonical for Answer {
    fn write(&self, out: &mut Vec<u8>) {
        self.batch.write(out);
        self.phase.write(out);
        match &self.vote {
            None => out.push(0),
            Some(vote) => {
                out.push(1);
                vote.write(out);
            }
        }
        write_list(&self.refused, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let batch = BatchId::read(reader)?;
        let phase = Phase::read(reader)?;
        let vote = match u8::read(reader)? {
            0 => None,
            1 => Some(Vote::read(reader)?),
            tag => return Err(DecodeError::BadTag { what: "presence of a vote", tag }),
        };
        let refused: Vec<Refused> = reader.list("refusals", REFUSALS_MAX, 69)?;
        if refused.windows(2).any(|pair| pair[0].index >= pair[1].index) {
            return Err(DecodeError::NotCanonical("refusals out of order"));
        }
        Ok(Self { batch, phase, vote, refused })
    }
}

impl Canonical for Message {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Message::Propose(proposal) => tagged(0, proposal, out),
            Message::Answer(answer) => tagged(1, answer, out),
            Message::Certify(certificate) => tagged(2, certificate, out),
            Message::Proof(applied) => tagged(3, applied, out),
            Message::Progress(progress) => tagged(4, progress, out),
            Message::Recover(recovers) => listed(5, recovers, out),
            Message::Report(reply) => tagged(6, reply, out),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match u8::read(reader)? {
            0 => Message::Propose(Proposal::read(reader)?),
            1 => Message::Answer(Answer::read(reader)?),
            2 => Message::Certify(Certificate::read(reader)?),
            3 => Message::Proof(AppliedBatch::read(reader)?),
            4 => Message::Progress(Progress::read(reader)?),
            5 => Message::Recover(read_recovers(reader)?),
            6 => Message::Report(RecoverReply::read(reader)?),
            tag => return Err(DecodeError::BadTag { what: "kind of message", tag }),
        })
    }
}

fn tagged(tag: u8, value: &impl Canonical, out: &mut Vec<u8>) {
    out.push(tag);
    value.write(out);
}

/// A question to one validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The lines of its applied log from position `from` on.
    Log {
        /// First position wanted, 0-based.
        from: u64,
    },
    /// Batches with their Commit certificates.
    Applied(Vec<BatchId>),
    /// The batches with Commit certificates in which these transfers became final.
    Transfers(Vec<TransferId>),
    /// Batches as proposed, final or not.
    Batches(Vec<BatchId>),
    /// Who holds the locks of these tokens.
    Locks(Vec<TokenId>),
    /// Its newest snapshot.
    Snapshot,
}

impl Canonical for Request {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Request::Log { from } => tagged(0, from, out),
            Request::Applied(ids) => listed(1, ids, out),
            Request::Transfers(ids) => listed(2, ids, out),
            Request::Batches(ids) => listed(3, ids, out),
            Request::Locks(ids) => listed(4, ids, out),
            Request::Snapshot => out.push(5),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        const WHAT: &str = "ids in a request";
        Ok(match u8::read(reader)? {
            0 => Request::Log { from: u64::read(reader)? },
            1 => Request::Applied(reader.list(WHAT, REQUEST_IDS_MAX, 32)?),
            2 => Request::Transfers(reader.list(WHAT, REQUEST_IDS_MAX, 32)?),
            3 => Request::Batches(reader.list(WHAT, REQUEST_IDS_MAX, 32)?),
            4 => Request::Locks(reader.list(WHAT, REQUEST_IDS_MAX, 32)?),
            5 => Request::Snapshot,
            tag => return Err(DecodeError::BadTag { what: "kind of request", tag }),
        })
    }
}

fn listed<T: Canonical>(tag: u8, items: &[T], out: &mut Vec<u8>) {
    out.push(tag);
    write_list(items, out);
}

/// The answer to a [`Request`]; as much as fits one message, the asker asks again for the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To `Log`: how many lines there are in all, and those from the position asked for.
    Log {
        /// Lines in the log.
        lines: u64,
        /// From the position asked for, in order.
        from: Vec<AppliedLine>,
    },
    /// To `Applied` and `Transfers`: those that are known, in the order asked for.
    Applied(Vec<AppliedBatch>),
    /// To `Batches`: those that are known, in the order asked for.
    Batches(Vec<Proposal>),
    /// To `Locks`: `holders[i]` is for token i: the transfer, or zero for none.
    Locks(Vec<TransferId>),
    /// To `Snapshot`: none yet, or none ever.
    Snapshot(Option<SnapshotOffer>),
}

/// Where a snapshot is to be had. Nothing is proved by it: whoever fetches it checks all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotOffer {
    /// CID of its file, as bytes.
    pub cid: Vec<u8>,
    /// Size of the file.
    pub bytes: u64,
    /// Distinct transfers applied in it.
    pub applied: u64,
}

/// Longest CID, bytes; ours have 36.
const CID_BYTES_MAX: usize = 64;

impl Canonical for SnapshotOffer {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(&self.cid, out);
        self.bytes.write(out);
        self.applied.write(out);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let cid = reader.bytes("bytes of a CID", CID_BYTES_MAX)?.to_vec();
        Ok(Self { cid, bytes: u64::read(reader)?, applied: u64::read(reader)? })
    }
}

/// [`Reply::Applied`] of batches that are encoded already.
pub(crate) fn write_applied(items: &[Vec<u8>], out: &mut Vec<u8>) {
    assert!(items.len() <= REQUEST_IDS_MAX);
    out.push(1);
    write_count(items.len(), out);
    items.iter().for_each(|item| out.extend_from_slice(item));
}

impl Canonical for Reply {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Reply::Log { lines, from } => {
                tagged(0, lines, out);
                write_list(from, out);
            }
            Reply::Applied(batches) => listed(1, batches, out),
            Reply::Batches(batches) => listed(2, batches, out),
            Reply::Locks(holders) => listed(3, holders, out),
            Reply::Snapshot(offer) => {
                tagged(5, &u8::from(offer.is_some()), out);
                offer.iter().for_each(|offer| offer.write(out));
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match u8::read(reader)? {
            0 => Reply::Log {
                lines: u64::read(reader)?,
                from: reader.list("lines", REQUEST_IDS_MAX, 36)?,
            },
            1 => Reply::Applied(reader.list("batches", REQUEST_IDS_MAX, 300)?),
            2 => Reply::Batches(reader.list("batches", REQUEST_IDS_MAX, 300)?),
            3 => Reply::Locks(reader.list("holders", REQUEST_IDS_MAX, 32)?),
            5 => Reply::Snapshot(match u8::read(reader)? {
                0 => None,
                1 => Some(SnapshotOffer::read(reader)?),
                tag => return Err(DecodeError::BadTag { what: "presence of a snapshot", tag }),
            }),
            tag => return Err(DecodeError::BadTag { what: "kind of reply", tag }),
        })
    }
}

/// A certificate whose every vote is checked, with what it certifies. Only this is accepted or
/// applied (R7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedCertificate {
    certificate: Certificate,
    certified: Bitmap,
}

impl CheckedCertificate {
    /// Checks every vote. The number of entries is taken from the first bitmap; whoever uses the
    /// result compares it with the batch.
    ///
    /// # Errors
    /// Every [`CertificateError`].
    pub fn check(
        certificate: Certificate,
        network: &Network,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, CertificateError> {
        let first = certificate.groups.first().ok_or(CertificateError::NoQuorum)?;
        let expected = Expected {
            network: &network.id,
            epoch: network.epoch,
            committee: &network.committee,
            phase: certificate.phase,
            count: first.bitmap.count(),
        };
        let certified = certificate.verify(expected, rng)?;
        Ok(Self { certificate, certified })
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Which entries reach the quorum.
    pub fn certified(&self) -> &Bitmap {
        &self.certified
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::*;
    use crate::verdict::RefusedKind;
    use ledger::TransferId;

    fn refusals(indexes: impl Iterator<Item = u32>) -> Message {
        let refused = |index| Refused {
            index,
            kind: RefusedKind::Unknown,
            token: TokenId::default(),
            transfer: TransferId::default(),
        };
        let (batch, phase) = (batch(0, &[pay_coin(0, "")]).1.id(), Phase::Lock);
        let refused = indexes.map(refused).collect();
        Message::Answer(Answer { batch, phase, vote: None, refused })
    }

    #[test]
    fn r1_decode_refusals_are_bounded_and_in_order() {
        let read = |message: &Message| Message::from_bytes(&message.to_bytes());
        let max = u32::try_from(REFUSALS_MAX).expect("small");
        assert!(read(&refusals(0..max)).is_ok());
        assert!(matches!(read(&refusals(0..max + 1)), Err(DecodeError::TooMany { .. })));
        for wrong in [vec![1, 0], vec![2, 2]] {
            let found = read(&refusals(wrong.into_iter()));
            assert!(matches!(found, Err(DecodeError::NotCanonical(_))));
        }
    }

    #[test]
    fn r1_decode_unknown_kinds_and_too_many_ids_are_refused() {
        assert!(matches!(Message::from_bytes(&[7]), Err(DecodeError::BadTag { tag: 7, .. })));
        assert!(matches!(Request::from_bytes(&[6]), Err(DecodeError::BadTag { tag: 6, .. })));
        assert!(matches!(Reply::from_bytes(&[4]), Err(DecodeError::BadTag { tag: 4, .. })));
        let found = Reply::from_bytes(&[5, 2]);
        assert!(matches!(found, Err(DecodeError::BadTag { tag: 2, .. })));
        let offer = |bytes| SnapshotOffer { cid: vec![1; bytes], bytes: 2, applied: 3 };
        for known in [None, Some(offer(CID_BYTES_MAX))] {
            let reply = Reply::Snapshot(known);
            assert_eq!(Reply::from_bytes(&reply.to_bytes()), Ok(reply));
        }
        let reply = Reply::Snapshot(Some(offer(CID_BYTES_MAX + 1)));
        assert!(matches!(Reply::from_bytes(&reply.to_bytes()), Err(DecodeError::TooMany { .. })));
        let ids = Request::Transfers(vec![TransferId::default(); REQUEST_IDS_MAX + 1]);
        let found = Request::from_bytes(&ids.to_bytes());
        assert!(matches!(found, Err(DecodeError::TooMany { .. })));
        let holders = Reply::Locks(vec![TransferId::default(); REQUEST_IDS_MAX + 1]);
        let found = Reply::from_bytes(&holders.to_bytes());
        assert!(matches!(found, Err(DecodeError::TooMany { .. })));
    }
}
