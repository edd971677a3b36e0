//! Which asset a command means, and how its amounts are written.

use super::context::NetworkFacts;
use super::settings::nearest;
use crate::client::Client;
use crate::error::{Failure, NOT_FOUND, USAGE};
use ledger::{Address, AmountError, AssetId, format_amount, parse_amount};

/// The native asset of testnets.
const NATIVE: &str = "QRT";

/// An asset as a command names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its id.
    pub id: AssetId,
    /// Name of a genesis asset, id of another.
    pub label: String,
    /// Digits behind the point.
    pub decimals: u8,
}

impl Asset {
    /// The asset that was named, or the native one.
    ///
    /// # Errors
    /// `not_found` for one that neither genesis nor the owner has; `usage` when none is named and
    /// the network has several.
    pub async fn find(
        named: Option<&str>,
        network: &NetworkFacts,
        client: &Client,
        owner: Address,
    ) -> Result<Self, Failure> {
        let genesis = |wanted: &str| {
            let mut assets = network.assets.iter();
            assets.find(|(id, name, _)| name == wanted || id.to_string() == wanted)
        };
        let found = match (named, network.assets.as_slice()) {
            (Some(named), _) => genesis(named),
            (None, [only]) => Some(only),
            (None, _) => Some(genesis(NATIVE).ok_or_else(|| {
                Failure::new(USAGE, "the network has several assets; nothing was sent")
                    .help("name one with --asset")
            })?),
        };
        if let Some((id, name, decimals)) = found {
            return Ok(Self { id: *id, label: name.clone(), decimals: *decimals });
        }
        Self::issued(named.unwrap_or(NATIVE), network, client, owner).await
    }

    /// An asset that a transfer issued, by id or by its label, out of what the owner has.
    async fn issued(
        named: &str,
        network: &NetworkFacts,
        client: &Client,
        owner: Address,
    ) -> Result<Self, Failure> {
        let rows = client.account(owner).await?.balances;
        let is_meant =
            |row: &&crate::view::BalanceRow| row.asset_id.to_string() == named || row.name == named;
        let mut meant = rows.iter().filter(is_meant);
        match (meant.next(), meant.next()) {
            (Some(row), None) => {
                Ok(Self { id: row.asset_id, label: row.asset.clone(), decimals: row.decimals })
            }
            (Some(_), Some(_)) => {
                let what = format!("the sender has several assets labelled {named:?}");
                Err(Failure::new(USAGE, what + "; nothing was sent")
                    .help("name the asset by its id; see: quorate balance"))
            }
            (None, _) => {
                let known = network.assets.iter().map(|(_, name, _)| name.as_str());
                let known = known.chain(rows.iter().map(|row| row.name.as_str()));
                let nearest = nearest(named, known).unwrap_or(NATIVE);
                let what = format!("the sender has no asset {named:?}; nothing was sent");
                Err(Failure::new(NOT_FOUND, what).help(format!("did you mean {nearest}?")))
            }
        }
    }

    /// Reads an amount of it.
    ///
    /// # Errors
    /// `usage`.
    pub fn parse(&self, text: &str) -> Result<u64, Failure> {
        amount(text, self.decimals)
    }

    /// Writes an amount of it.
    pub fn format(&self, units: u64) -> String {
        format_amount(units, self.decimals)
    }
}

/// Reads an amount.
///
/// # Errors
/// `usage`.
pub fn amount(text: &str, decimals: u8) -> Result<u64, Failure> {
    parse_amount(text, decimals).map_err(|error: AmountError| {
        Failure::new(USAGE, format!("{error}; nothing was sent"))
            .help("write digits with at most one point, like 12.5")
    })
}
