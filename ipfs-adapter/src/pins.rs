//! Pins: what this node keeps, each with a label that says why. The trait, its types, and pins on
//! sled.

use std::{collections::BTreeMap, fmt, ops::Bound};

use crate::{
    ContentId, LabelTooLong, PinError, Sled, StoreError,
    disk::{PIN_END, id_of_pin_key, open_pin, pin_key, sealed_pin},
};

/// The most bytes of a label: twice a 32-byte id, so that a caller can keep an id and some more.
pub const LABEL_BYTES_MAX: usize = 64;

/// The most pins that one call of [`Pins::list`] returns; about 100 KB.
pub const LIST_COUNT_MAX: usize = 1_000;

/// The most rows written in one sled batch: at 10,000 sled took 12 GB of memory (measured).
const BATCH_COUNT_MAX: usize = 1_000;

/// A few bytes that the caller attaches to a pin and that mean nothing here.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(Vec<u8>);

impl Label {
    /// A label of these bytes; it may be empty.
    ///
    /// # Errors
    /// [`LabelTooLong`] over [`LABEL_BYTES_MAX`].
    pub fn new(bytes: &[u8]) -> Result<Self, LabelTooLong> {
        if bytes.len() > LABEL_BYTES_MAX {
            return Err(LabelTooLong { bytes: bytes.len() });
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({self})")
    }
}

/// One pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// What is kept.
    pub id: ContentId,
    /// Why, in the caller's words.
    pub label: Label,
}

/// A set of pins; the contract stands in the crate's documentation. The set has no quota of its
/// own: it grows with what the caller pins, as the caller's own journal does.
pub trait Pins: Send + Sync {
    /// Pins all of them; a pin that stands already costs nothing, one that is damaged is healed.
    ///
    /// All are checked before the first is written. A crash can leave a call of more than 1,000
    /// half done; the same call again completes it.
    ///
    /// # Errors
    /// [`PinError::Held`] when one is pinned under another label, here or earlier in `pins`.
    fn pin(&self, pins: &[Pin]) -> Result<(), PinError>;

    /// Takes the pins away; an id that is not pinned is none of its business.
    fn unpin(&self, ids: &[ContentId]) -> Result<(), PinError>;

    /// The labels: `labels[i]` is for `ids[i]`, `None` when it is not pinned. One pass.
    ///
    /// # Errors
    /// [`PinError::Corrupt`] when one of the pins is damaged: it is not known what it said.
    fn labels(&self, ids: &[ContentId]) -> Result<Vec<Option<Label>>, PinError>;

    /// Up to `count_max` pins (at most [`LIST_COUNT_MAX`]) in the order of their ids, those behind
    /// `after` only. To walk all, pass the last id back until the list comes empty.
    ///
    /// # Errors
    /// As [`Pins::labels`].
    fn list(&self, after: Option<ContentId>, count_max: usize) -> Result<Vec<Pin>, PinError>;

    /// Whether they are pinned: `are_pinned[i]` is for `ids[i]`. One pass.
    ///
    /// # Errors
    /// As [`Pins::labels`].
    fn are_pinned(&self, ids: &[ContentId]) -> Result<Vec<bool>, PinError> {
        Ok(self.labels(ids)?.iter().map(Option::is_some).collect())
    }
}

/// The pins of `pins` that are to be written, in order; `held[i]` is what stands for `pins[i]`.
pub(crate) fn missing<'a>(
    pins: &'a [Pin],
    held: &[Option<Label>],
) -> Result<BTreeMap<ContentId, &'a Label>, PinError> {
    assert_eq!(pins.len(), held.len());
    let mut missing = BTreeMap::new();
    for (pin, held) in pins.iter().zip(held) {
        match held.as_ref().or(missing.get(&pin.id).copied()) {
            Some(held) if *held != pin.label => {
                let (id, held, wanted) = (pin.id, held.clone(), pin.label.clone());
                return Err(PinError::Held { id, held, wanted });
            }
            Some(_) => {}
            None => {
                missing.insert(pin.id, &pin.label);
            }
        }
    }
    Ok(missing)
}

/// Cost: about 3 µs of CPU per looked-up id, 16 µs per new pin (measured on the 2-core machine).
impl Pins for Sled {
    fn pin(&self, pins: &[Pin]) -> Result<(), PinError> {
        let _writer = self.writer();
        let held: Vec<Option<Label>> = pins
            .iter()
            .map(|pin| match self.label(pin.id) {
                Err(PinError::Corrupt { .. }) => Ok(None), // Written anew below.
                other => other,
            })
            .collect::<Result<_, _>>()?;
        let rows: Vec<_> = missing(pins, &held)?.into_iter().collect();
        for chunk in rows.chunks(BATCH_COUNT_MAX) {
            let mut batch = sled::Batch::default();
            for (id, label) in chunk {
                batch.insert(pin_key(*id).as_slice(), sealed_pin(*id, label));
            }
            self.on_tree(|tree| tree.apply_batch(batch))?;
        }
        Ok(())
    }

    fn unpin(&self, ids: &[ContentId]) -> Result<(), PinError> {
        let _writer = self.writer();
        for chunk in ids.chunks(BATCH_COUNT_MAX) {
            let mut batch = sled::Batch::default();
            for id in chunk {
                batch.remove(pin_key(*id).as_slice());
            }
            self.on_tree(|tree| tree.apply_batch(batch))?;
        }
        Ok(())
    }

    fn labels(&self, ids: &[ContentId]) -> Result<Vec<Option<Label>>, PinError> {
        ids.iter().map(|id| self.label(*id)).collect()
    }

    fn list(&self, after: Option<ContentId>, count_max: usize) -> Result<Vec<Pin>, PinError> {
        let first = match after {
            Some(id) => Bound::Excluded(pin_key(id).to_vec()),
            None => Bound::Included(pin_key(ContentId::from_digest([0; 32])).to_vec()),
        };
        let range = (first, Bound::Excluded(PIN_END.to_vec()));
        let rows = self.on_tree(|tree| {
            tree.range(range)
                .take(count_max.min(LIST_COUNT_MAX))
                .collect::<sled::Result<Vec<(sled::IVec, sled::IVec)>>>()
        })?;
        rows.iter()
            .map(|(key, row)| {
                let id = id_of_pin_key(key).ok_or(PinError::Store(StoreError::Damaged))?;
                let label = open_pin(id, row).ok_or(PinError::Corrupt { id })?;
                Ok(Pin { id, label })
            })
            .collect()
    }
}

impl Sled {
    fn label(&self, id: ContentId) -> Result<Option<Label>, PinError> {
        let row = self.on_tree(|tree| tree.get(pin_key(id)))?;
        row.map(|row| open_pin(id, &row).ok_or(PinError::Corrupt { id })).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_over_the_limit_is_refused() {
        assert!(Label::new(&[7; LABEL_BYTES_MAX]).is_ok());
        let bytes = LABEL_BYTES_MAX + 1;
        assert_eq!(Label::new(&[7; LABEL_BYTES_MAX + 1]), Err(LabelTooLong { bytes }));
    }
}
