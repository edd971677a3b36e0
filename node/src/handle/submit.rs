//! Clients' transfers on their way to the driver: admitted by the rate at which they are served,
//! their signatures checked, then noted under their ids and queued.

use super::{Handle, overloaded};
use crate::board::{Reservation, Status};
use crate::driver::Command;
use crate::error::{Failure, INTERNAL, rejection};
use crate::pipeline::{INLINE_ENTRIES_MAX, admit};
use consensus::{Refusal, VerifiedEntry};
use ledger::{Canonical, Entry, SignedTransfer, TransferId};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Bytes of clients' transfers that wait for the driver; more are refused as "overloaded".
const QUEUED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a transfer takes while it is checked; given back when it is dropped.
struct Room<'a> {
    share: Share<'a>,
    reserved: Reservation<'a>,
}

/// A transfer's bytes among those that wait.
struct Share<'a> {
    queued_bytes: &'a AtomicUsize,
    bytes: usize,
}

impl Share<'_> {
    /// The bytes, which are the driver's to give back from here on.
    fn keep(mut self) -> usize {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.queued_bytes.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

/// A refusal of what this node has proposed before: it proposes nothing now, and what becomes of
/// the earlier proposal is not known. The client must not take it for a transfer that nobody has
/// seen.
fn proposed_before(mut refused: Failure) -> Failure {
    refused.message.push_str(" now; it was proposed before, and its outcome is not known");
    if let serde_json::Value::Object(details) = &mut refused.details {
        details.insert("proposed_before".into(), true.into());
    }
    refused.help("GET /v1/transfers/{id}?wait=10s, or the same bytes again")
}

impl Handle {
    /// Hands a signed transfer to the pipeline. The same bytes again are the same transfer and are
    /// not proposed twice. Returns as soon as it is queued; [`Handle::wait`] waits for its end.
    ///
    /// # Errors
    /// `no_quorum` (nothing was proposed), `overloaded`, `store_failed`, `bad_signature`.
    pub async fn submit(&self, signed: SignedTransfer) -> Result<TransferId, Failure> {
        let id = signed.transfer.id();
        let mut outcomes = self.submit_all(vec![(Entry::ordinary(signed), id)]).await;
        outcomes.pop().expect("an outcome for each").map(|()| id)
    }

    /// The same for many, of any rounds, with their ids: `outcomes[i]` is for `entries[i]`.
    /// Signatures are checked here, before anything is noted under an id that does not cover them:
    /// what bytes with a bad signature come to must not be the answer for the same transfer well
    /// signed.
    ///
    /// # Errors
    /// As [`Handle::submit`]; `not_justified`.
    pub async fn submit_all(&self, entries: Vec<(Entry, TransferId)>) -> Vec<Result<(), Failure>> {
        let came = Instant::now();
        let mut outcomes = Vec::with_capacity(entries.len());
        let (mut rooms, mut open) = (Vec::new(), Vec::new());
        for (index, (entry, id)) in entries.into_iter().enumerate() {
            outcomes.push(match self.room(&entry, &id, came) {
                Ok(None) => Ok(()),
                Ok(Some(room)) => {
                    rooms.push((index, room));
                    open.push((entry, id));
                    Ok(())
                }
                Err(failure) => Err(failure),
            });
        }
        for ((index, room), checked) in rooms.into_iter().zip(self.check(open).await) {
            outcomes[index] = checked.and_then(|entry| self.queue(room, entry, came));
        }
        outcomes
    }

    /// Room for one more; none is needed for what is final.
    fn room(
        &self,
        entry: &Entry,
        id: &TransferId,
        came: Instant,
    ) -> Result<Option<Room<'_>>, Failure> {
        let status = self.shared.board.get(id).map(|entry| entry.status);
        if status == Some(Status::Final) {
            return Ok(None);
        }
        self.room_beside(entry, id, came).map_err(|refused| match status {
            None | Some(Status::Final | Status::Rejected) => refused,
            Some(_) => proposed_before(refused),
        })
    }

    fn room_beside(
        &self,
        entry: &Entry,
        id: &TransferId,
        came: Instant,
    ) -> Result<Option<Room<'_>>, Failure> {
        self.can_propose()?;
        if self.shared.is_index_behind.load(Ordering::Relaxed) {
            return Err(overloaded());
        }
        let reserved = self.shared.board.admit(id, self.shared.us_of(came)).map_err(|retry| {
            self.shared.metrics.overloaded.inc();
            let retry_ms = u64::try_from(retry.as_millis()).unwrap_or(u64::MAX);
            overloaded().details(serde_json::json!({"retry_after_ms": retry_ms}))
        })?;
        let bytes = entry.to_bytes().len();
        let queued = self.shared.queued_bytes.fetch_add(bytes, Ordering::SeqCst);
        let share = Share { queued_bytes: &self.shared.queued_bytes, bytes };
        let room = Room { share, reserved };
        if queued + bytes > QUEUED_BYTES_MAX { Err(overloaded()) } else { Ok(Some(room)) }
    }

    /// Checks signatures and justifications: at once when they are few, else in the pool.
    async fn check(
        &self,
        entries: Vec<(Entry, TransferId)>,
    ) -> Vec<Result<VerifiedEntry, Failure>> {
        let is_quick =
            entries.len() <= INLINE_ENTRIES_MAX && entries.iter().all(|e| e.0.round == 0);
        let ids: Vec<TransferId> = entries.iter().map(|(_, id)| *id).collect();
        let checked = if is_quick {
            admit::check(&self.shared, entries)
        } else {
            let shared = self.shared.clone();
            let (tell, told) = tokio::sync::oneshot::channel();
            // Who has asked may be gone.
            self.pool.spawn(move || drop(tell.send(admit::check(&shared, entries))));
            told.await.unwrap_or_default()
        };
        let refused = |id: &TransferId, refusal: Refusal| {
            Failure::new(rejection(&refusal), format!("{refusal}; nothing was proposed"))
                .details(serde_json::json!({"transfer": id}))
        };
        let mut checked = checked.into_iter();
        let one = |id| match checked.next() {
            Some(checked) => checked.map_err(|refusal| refused(id, refusal)),
            None => {
                let what = "the check of a signature ended early; nothing was proposed";
                Err(Failure::new(INTERNAL, what).help("look at the node's log"))
            }
        };
        ids.iter().map(one).collect()
    }

    /// Puts a checked transfer on the board and hands it to the driver.
    fn queue(
        &self,
        room: Room<'_>,
        entry: VerifiedEntry,
        admitted: Instant,
    ) -> Result<(), Failure> {
        let permit = self.commands.try_reserve().map_err(|_| overloaded())?;
        let id = entry.id();
        let bytes = room.share.keep();
        self.shared.board.submitted(room.reserved, id, &entry.entry().signed, bytes);
        permit.send(Command::Submit { entry, bytes, admitted });
        Ok(())
    }
}
