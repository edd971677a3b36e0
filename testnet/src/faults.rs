//! The faults between the validators of a testnet: which of them are slow, which are parted.
//!
//! ```text
//! slow, partition, heal ──▶ DIR/faults.toml ──▶ relay (follows the file) ──▶ each link's fate
//! ```
//! Only links between validators go through the relay. Their HTTP APIs and the DHT don't: a client
//! reaches both sides of a partition. The commands are in `switch`.

pub mod switch;

use crate::folder::Folder;
use crate::output::io_failure;
use crate::registry::{TestnetFile, write_whole};
use node::Failure;
use node::error::{CONFIG, USAGE};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Longest delay and jitter: a queue holds a second of a busy link, and ten of an idle one.
pub const DELAY_MAX: Duration = Duration::from_secs(10);

/// A number in TOML has 63 bits and a sign (TOML 1.0, "Integer").
const NUMBER_MAX: u64 = u64::MAX >> 1;

/// `DIR/faults.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// One more at each change; the relay says which one is in force.
    pub version: u64,
    /// Chance comes from it.
    pub seed: u64,
    /// Who is on which side, nobody twice; empty without a partition.
    pub groups: Vec<Vec<String>>,
    /// What happens to the datagrams of slow validators.
    pub slow: BTreeMap<String, Slow>,
    /// Where the validators listen, in the committee's order.
    pub validators: Vec<Place>,
}

/// Where a validator listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// Its QUIC address.
    pub quic: SocketAddr,
}

/// What happens to each datagram to and from one validator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// It comes this much later, milliseconds.
    pub delay_ms: u32,
    /// And up to this much later again, by chance.
    pub jitter_ms: u32,
    /// Lost, of a thousand.
    pub lose_per_mille: u16,
    /// Doubled, of a thousand.
    pub duplicate_per_mille: u16,
    /// Put behind later ones, of a thousand.
    pub reorder_per_mille: u16,
}

/// What happens to each datagram in one direction of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// As [`Slow::delay_ms`].
    pub delay_ms: u32,
    /// As [`Slow::jitter_ms`].
    pub jitter_ms: u32,
    /// As [`Slow::lose_per_mille`].
    pub lose_per_mille: u16,
    /// As [`Slow::duplicate_per_mille`].
    pub duplicate_per_mille: u16,
    /// As [`Slow::reorder_per_mille`].
    pub reorder_per_mille: u16,
    /// Nothing passes.
    pub is_blocked: bool,
}

impl Faults {
    /// None, between these validators.
    ///
    /// # Errors
    /// An address in the description is none.
    pub fn none(file: &TestnetFile, seed: u64) -> Result<Self, Failure> {
        let validators = places(file)?;
        let seed = seed & NUMBER_MAX;
        Ok(Self { version: 0, seed, groups: Vec::new(), slow: BTreeMap::new(), validators })
    }

    /// The file's faults; `None` when there is no file.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(folder: &Folder) -> Result<Option<Self>, Failure> {
        let path = folder.faults();
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map(Some).map_err(|error| {
                Failure::new(CONFIG, format!("{}: {error}", path.display()))
                    .help("quorate-testnet heal")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_failure(CONFIG, "reading", &path, &error)),
        }
    }

    /// Writes the file in one step, under the next version, which is returned.
    ///
    /// # Errors
    /// The folder can't be written, or the versions are used up: somebody has edited the file.
    pub fn write(&mut self, folder: &Folder) -> Result<u64, Failure> {
        let next = self.version.checked_add(1).filter(|version| *version <= NUMBER_MAX);
        self.version = next.ok_or_else(|| {
            let what = "its version can't grow any more; nothing was changed";
            Failure::new(CONFIG, format!("{}: {what}", folder.faults().display()))
                .help("remove the file")
        })?;
        let text = toml::to_string(self).expect("strings and numbers that fit");
        write_whole(&folder.faults(), &text)?;
        Ok(self.version)
    }

    /// Where the validators listen now, as the description says.
    ///
    /// # Errors
    /// An address in the description is none.
    pub fn follow(&mut self, file: &TestnetFile) -> Result<(), Failure> {
        self.validators = places(file)?;
        Ok(())
    }

    /// Whether nothing is slow or parted.
    pub fn is_none(&self) -> bool {
        self.slow.is_empty() && self.groups.is_empty()
    }

    /// Takes all back.
    pub fn clear(&mut self) {
        self.slow.clear();
        self.groups.clear();
    }

    /// Makes a validator slow; `Slow::default()` takes that back.
    ///
    /// # Errors
    /// `usage` for an unknown name, with those there are.
    pub fn set_slow(&mut self, name: &str, slow: Slow) -> Result<(), Failure> {
        self.known(name)?;
        match slow == Slow::default() {
            true => self.slow.remove(name),
            false => self.slow.insert(name.into(), slow),
        };
        Ok(())
    }

    /// Parts the validators: groups by `/`, names in them by `,`. Those not named are one more
    /// group. A partition that was there before is replaced.
    ///
    /// # Errors
    /// `usage` for an unknown name, one twice, an empty group, or all in one group.
    pub fn part(&mut self, text: &str) -> Result<(), Failure> {
        let mut groups: Vec<Vec<String>> = Vec::new();
        for group in text.split('/') {
            let names: Vec<String> = group.split(',').map(|name| name.trim().into()).collect();
            for (index, name) in names.iter().enumerate() {
                self.known(name)?;
                if names[..index].contains(name) || groups.iter().flatten().any(|n| n == name) {
                    return Err(refused(format!("{name} is named twice")));
                }
            }
            groups.push(names);
        }
        let is_left = |name: &String| !groups.iter().flatten().any(|named| named == name);
        let rest: Vec<String> =
            self.validators.iter().map(|place| place.name.clone()).filter(is_left).collect();
        if !rest.is_empty() {
            groups.push(rest);
        }
        if groups.len() < 2 {
            return Err(refused("all validators are in one group".into()));
        }
        self.groups = groups;
        Ok(())
    }

    /// What happens to datagrams from one validator to another: the sum of what both have.
    pub fn link(&self, from: &str, to: &str) -> Link {
        let of = |name: &str| self.slow.get(name).copied().unwrap_or_default();
        let (a, b) = (of(from), of(to));
        let side = |name: &str| {
            self.groups.iter().position(|group| group.iter().any(|named| named == name))
        };
        Link {
            delay_ms: a.delay_ms.saturating_add(b.delay_ms),
            jitter_ms: a.jitter_ms.saturating_add(b.jitter_ms),
            lose_per_mille: a.lose_per_mille.saturating_add(b.lose_per_mille),
            duplicate_per_mille: a.duplicate_per_mille.saturating_add(b.duplicate_per_mille),
            reorder_per_mille: a.reorder_per_mille.saturating_add(b.reorder_per_mille),
            is_blocked: side(from) != side(to),
        }
    }

    fn known(&self, name: &str) -> Result<(), Failure> {
        if self.validators.iter().any(|place| place.name == name) {
            return Ok(());
        }
        let names: Vec<&str> = self.validators.iter().map(|place| place.name.as_str()).collect();
        let failure = refused(format!("no validator is called {name:?}"));
        Err(failure.help(format!("use {}", names.join(" "))))
    }
}

fn refused(why: String) -> Failure {
    Failure::new(USAGE, format!("{why}; nothing was changed"))
        .help("quorate-testnet partition v0,v1/v2,v3,v4,v5,v6")
}

fn places(file: &TestnetFile) -> Result<Vec<Place>, Failure> {
    let place = |validator: &crate::registry::Validator| {
        let (name, quic) = (validator.name.clone(), &validator.quic);
        let quic = quic.parse().map_err(|_| {
            Failure::new(CONFIG, format!("testnet.json: {quic:?} is no address of {name}"))
        })?;
        Ok(Place { name, quic })
    };
    file.validators.iter().map(place).collect()
}

#[cfg(test)]
mod tests;
