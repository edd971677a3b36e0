//! What a load consists of: which tokens go into which client's lanes, and which nodes are asked.

use super::lane::{Lane, Party};
use crate::cli::args::LoadArgs;
use crate::cli::asset::Asset;
use crate::cli::context::Context;
use crate::error::{Failure, INSUFFICIENT_FUNDS, USAGE};
use crate::keyfile;
use crate::view::TokenRow;
use consensus::limits::BATCH_ENTRIES_MAX;
use ledger::Input;
use ledger::transfer::INPUTS_MAX;
use std::sync::Arc;

/// Clients when nobody says how many.
const CLIENTS_DEFAULT: usize = 256;
/// Validators that get the load when the command line does not say: fewer proposers make larger
/// batches (2 cores, 7 processes, 256 clients: 4,100/s over 1, 4,800/s over 2, 3,500/s over 7).
const NODES_DEFAULT: usize = 2;
/// With `--rate`, a request carries this part of a second's transfers: 5 ms of them.
const REQUESTS_PER_SECOND: u64 = 200;
/// Transfers in one request when nobody says how many: more wait longer for each other than it
/// saves in requests.
const BATCH_DEFAULT_MAX: usize = 256;
/// Most clients; each has a connection and a request under way.
const CLIENTS_MAX: usize = 1_000;

/// A load before it runs.
pub struct Plan {
    /// `clients[i]` is the lanes of client `i`.
    pub clients: Vec<Vec<Lane>>,
    /// URLs for each client to try, in order: rotated, so that the load is spread.
    pub urls: Vec<String>,
    /// Transfers in one request.
    pub batch: usize,
    /// How many nodes are sent to.
    pub nodes: usize,
}

impl Plan {
    /// Reads accounts and tokens.
    ///
    /// # Errors
    /// `usage`, `insufficient_funds`, and what nodes and key files say.
    pub async fn new(context: &Context, args: &LoadArgs) -> Result<Self, Failure> {
        let batch = batch(args)?;
        let tokens_each = args.tokens_per_transfer;
        if !(1..=INPUTS_MAX).contains(&tokens_each) {
            let what = format!("a transfer takes 1 to {INPUTS_MAX} tokens; nothing was sent");
            return Err(Failure::new(USAGE, what).help("quorate help bench load"));
        }
        let mut urls: Vec<String> = context.nodes()?.into_iter().map(|node| node.url).collect();
        urls.truncate(args.nodes.unwrap_or(NODES_DEFAULT).max(1));
        let stocks = stocks(context).await?;
        let lanes_max: usize = stocks.iter().map(|stock| stock.tokens.len() / tokens_each).sum();
        let wanted = args.clients.unwrap_or(CLIENTS_DEFAULT).clamp(1, CLIENTS_MAX);
        let clients = wanted.min(lanes_max / batch);
        if clients == 0 || (args.clients.is_some() && clients < wanted) {
            let what = format!(
                "{wanted} clients with {batch} transfers of {tokens_each} tokens need more tokens \
                 than the accounts have ({lanes_max} transfers at a time); nothing was sent"
            );
            return Err(Failure::new(INSUFFICIENT_FUNDS, what)
                .help("fewer --clients, --batch or --tokens-per-transfer")
                .help("quorate-testnet up --tokens N   gives accounts more tokens"));
        }
        let lanes = lanes(&stocks, tokens_each, clients * batch, context).await?;
        let mut clients: Vec<Vec<Lane>> = (0..clients).map(|_| Vec::new()).collect();
        let count = clients.len();
        for (index, lane) in lanes.into_iter().enumerate() {
            clients[index % count].push(lane);
        }
        Ok(Self { clients, nodes: urls.len(), urls, batch })
    }
}

fn batch(args: &LoadArgs) -> Result<usize, Failure> {
    let of_rate = args.rate.map(|rate| rate / REQUESTS_PER_SECOND);
    let of_rate = of_rate.and_then(|batch| usize::try_from(batch).ok());
    let batch = args.batch.unwrap_or(of_rate.unwrap_or(1).clamp(1, BATCH_DEFAULT_MAX));
    if (1..=BATCH_ENTRIES_MAX).contains(&batch) && args.rate != Some(0) {
        return Ok(batch);
    }
    let what = format!("--batch is 1 to {BATCH_ENTRIES_MAX} and --rate above 0; nothing was sent");
    Err(Failure::new(USAGE, what).help("quorate help bench load"))
}

/// An account's free tokens.
struct Stock {
    party: Party,
    tokens: Vec<Input>,
}

async fn stocks(context: &Context) -> Result<Vec<Stock>, Failure> {
    let accounts = context.testnet().map_or(&[][..], |file| &file.accounts);
    if accounts.len() < 2 {
        let what = "a load needs a testnet with two accounts or more; nothing was sent";
        return Err(Failure::new(USAGE, what).help("quorate-testnet up --detach"));
    }
    let client = context.client()?;
    let network = context.network(&client).await?;
    let wallet = context.wallet(network.id)?;
    let mut stocks = Vec::new();
    for account in accounts {
        let asset = Asset::find(None, &network, &client, account.address).await?;
        let rows = client.tokens(account.address).await?.tokens;
        let promises = wallet.promises()?;
        let is_ours = |row: &&TokenRow| row.asset_id == asset.id && row.locked_by.is_none();
        let inputs = rows.iter().filter(is_ours).map(TokenRow::input);
        let tokens = inputs.filter(|input| promises.is_free(input)).collect();
        let keypair = Arc::new(keyfile::load(&account.key)?);
        stocks.push(Stock { party: Party { keypair, address: account.address }, tokens });
    }
    Ok(stocks)
}

/// Takes lanes from the accounts in turn; each goes to the next account and back.
async fn lanes(
    stocks: &[Stock],
    tokens_each: usize,
    count: usize,
    context: &Context,
) -> Result<Vec<Lane>, Failure> {
    let network = context.network(&context.client()?).await?;
    let network = (network.id, network.epoch);
    let mut slices: Vec<_> =
        stocks.iter().map(|stock| stock.tokens.chunks_exact(tokens_each)).collect();
    let mut lanes = Vec::with_capacity(count);
    while lanes.len() < count {
        let before = lanes.len();
        for (index, slice) in slices.iter_mut().enumerate() {
            let Some(tokens) = slice.next().filter(|_| lanes.len() < count) else { continue };
            let owner = stocks[index].party.clone();
            let other = stocks[(index + 1) % stocks.len()].party.clone();
            lanes.push(Lane::new(network, tokens.to_vec(), owner, other));
        }
        assert!(lanes.len() > before, "the lanes were counted before");
    }
    Ok(lanes)
}
