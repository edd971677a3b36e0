//! One payment of the demo: tokens chosen, a transfer signed, sent and waited for.

use bytes::Bytes;
use ledger::{Address, Canonical, Keypair, Network, Transfer, TransferId, parse_amount};
use node::Failure;
use node::client::{Client, Wait};
use node::error::{INSUFFICIENT_FUNDS, INTERNAL};
use node::view::{StagesUs, TransferDocument};
use node::wallet::{Wanted, choose};

/// A payment that has become final.
pub struct Paid {
    /// The transfer.
    pub id: TransferId,
    /// How many tokens were spent.
    pub inputs: usize,
    /// How many tokens were made.
    pub outputs: usize,
    /// Who voted to lock it, by name.
    pub lock: Vec<String>,
    /// Who voted to commit it, by name.
    pub commit: Vec<String>,
    /// How long each stage took.
    pub stages: StagesUs,
}

/// Pays `amount` of the network's first asset, given as decimal text, through the client's nodes.
///
/// # Errors
/// Too little is there, or the transfer does not become final.
pub async fn pay(
    client: &Client,
    network: &Network,
    from: &Keypair,
    (to, amount): (Address, &str),
) -> Result<Paid, Failure> {
    let owner = Address(from.public());
    let (asset, definition) = network
        .asset_named(crate::plan::ASSET)
        .ok_or_else(|| Failure::new(INTERNAL, "the testnet's genesis lacks its asset"))?;
    let units = parse_amount(amount, definition.decimals())
        .map_err(|error| Failure::new(INTERNAL, error.to_string()))?;
    let tokens = client.tokens(owner).await?.tokens;
    let free = tokens.iter().filter(|token| token.asset_id == *asset && token.locked_by.is_none());
    let free: Vec<ledger::Input> = free.map(|token| token.input()).collect();
    let chosen = choose(&free, &Wanted::Amount(units))
        .map_err(|error| Failure::new(INSUFFICIENT_FUNDS, error.to_string()))?;
    let transfer = Transfer {
        network: network.id,
        epoch: network.epoch,
        owner,
        outputs: chosen.outputs(owner, to),
        inputs: chosen.inputs,
        memo: String::new(),
    };
    let (inputs, outputs) = (transfer.inputs.len(), transfer.outputs.len());
    let signed = transfer.sign(from);
    let outcome = client.submit(Bytes::from(signed.to_bytes()), Wait::Final).await?;
    finished(outcome.transfer, inputs, outputs)
}

fn finished(transfer: TransferDocument, inputs: usize, outputs: usize) -> Result<Paid, Failure> {
    let (id, status) = (transfer.id, transfer.status);
    match (status.as_str(), transfer.votes, transfer.stages_us) {
        ("final", Some(votes), Some(stages)) => {
            let (lock, commit) = (votes.lock, votes.commit);
            Ok(Paid { id, inputs, outputs, lock, commit, stages })
        }
        _ => {
            let what = format!("transfer {id} did not become final; its status is {status}");
            Err(Failure::new(INTERNAL, what).help("quorate-testnet demo --once"))
        }
    }
}
