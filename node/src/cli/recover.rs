//! `recover TOKEN…`: frees tokens whose locks are split (protocol §4). Whose they are is looked up;
//! the owner's key signs the rounds, and a refresh where nothing was accepted. What was accepted
//! and may live is completed instead: that is a payment of the owner's own.
//!
//! The rounds are in `recover/rounds.rs`, the node's answers in `recover/advice.rs`; here is what
//! is asked and what is said of the end.

mod advice;
mod rounds;

use super::answer::{Answer, note};
use super::args::RecoverArgs;
use super::context::Context;
use super::table::Table;
use crate::client::Client;
use crate::error::{Failure, KEY_FILE, TOKEN_LOCKED, USAGE};
use crate::keyfile;
use crate::view::TokenDocument;
use ledger::{Address, Keypair, TokenId, TransferId};
use rounds::{Rounds, Token};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Tokens of one command.
const TOKENS_MAX: usize = 1_024;

/// What became of one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// A refresh: it is its owner's, and free.
    Freed { transfer: TransferId, round: u32 },
    /// A transfer of its owner that was accepted already is final.
    Completed { transfer: TransferId, round: u32 },
    /// It was spent before, or meanwhile.
    Spent { transfer: Option<TransferId> },
}

/// `recover TOKEN…`.
pub async fn recover(context: &Context, args: &RecoverArgs) -> Result<Answer, Failure> {
    let ids = token_ids(&args.tokens)?;
    let client = context.client()?;
    let network = context.network(&client).await?;
    let wallet = context.wallet(network.id)?;
    let mut keys = keys(context, args)?;
    let mut tokens = Vec::new();
    let mut ended: BTreeMap<TokenId, Ended> = BTreeMap::new();
    for id in &ids {
        let found = client.token(*id).await?;
        if let Some(by) = found.ended_by {
            ended.insert(*id, Ended::Spent { transfer: Some(by) });
            continue;
        }
        key_of(context, &client, &mut keys, &found)?;
        tokens.push(Token { input: found.token.input(), owner: found.owner, round: 1 });
    }
    let mut rounds = Rounds { context, client: &client, network: &network, wallet: &wallet, keys };
    ended.extend(rounds.run(tokens).await?);
    Ok(answer(&ids, &ended))
}

/// On a terminal, a transfer that met a split lock is followed by the question whether to free its
/// tokens now. Nothing is asked of programs.
///
/// # Errors
/// The transfer's failure, when that is not wanted; what `recover` says.
pub async fn offer(context: &Context, failure: Failure) -> Result<Answer, Failure> {
    let tokens = failure.details.get("tokens").and_then(Value::as_array);
    let tokens: Vec<String> =
        tokens.into_iter().flatten().filter_map(|token| token.as_str().map(String::from)).collect();
    let is_asked = failure.code.slug == TOKEN_LOCKED.slug && !tokens.is_empty();
    if !is_asked || !context.is_interactive() {
        return Err(failure);
    }
    note(&format!("{}\nfree its {} tokens now? [y/N]", failure.message, tokens.len()));
    let answered = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    match answered.await {
        Ok(Ok(line)) if line.trim().eq_ignore_ascii_case("y") => {
            recover(context, &RecoverArgs { tokens, key: Vec::new() }).await
        }
        _ => Err(failure),
    }
}

fn token_ids(texts: &[String]) -> Result<Vec<TokenId>, Failure> {
    let refused = |what: String| {
        Failure::new(USAGE, what + "; nothing was asked")
            .help("quorate tokens ADDR   lists token ids")
    };
    let parse = |text: &String| {
        text.parse().map_err(|error: ledger::hash::BadId| refused(error.to_string()))
    };
    let ids: BTreeSet<TokenId> = texts.iter().map(parse).collect::<Result<_, _>>()?;
    if ids.len() > TOKENS_MAX {
        return Err(refused(format!("{} tokens; a command takes {TOKENS_MAX}", ids.len())));
    }
    Ok(ids.into_iter().collect())
}

/// The keys that were named.
fn keys(context: &Context, args: &RecoverArgs) -> Result<BTreeMap<Address, Keypair>, Failure> {
    let load = |path: &std::path::PathBuf| {
        let keypair = keyfile::open(path, &context.settings.unlock)?;
        Ok((keyfile::address_of(&keypair), keypair))
    };
    args.key.iter().map(load).collect()
}

/// Sees to it that the owner's key is among `keys`.
fn key_of(
    context: &Context,
    client: &Client,
    keys: &mut BTreeMap<Address, Keypair>,
    found: &TokenDocument,
) -> Result<(), Failure> {
    if keys.contains_key(&found.owner) {
        return Ok(());
    }
    let accounts = context.testnet().into_iter().flat_map(|file| &file.accounts);
    let mut own = accounts.filter(|account| account.address == found.owner);
    let Some(account) = own.next() else {
        let (token, owner) = (found.token.id, found.owner);
        let what = format!("the key of {owner}, who owns token {token}, is not known here");
        let node = client.nodes().next().unwrap_or_default();
        return Err(Failure::new(KEY_FILE, what + "; nothing was asked")
            .help(format!("quorate recover {token} --key KEYFILE --node {node}")));
    };
    keys.insert(found.owner, keyfile::open(&account.key, &context.settings.unlock)?);
    Ok(())
}

fn answer(ids: &[TokenId], ended: &BTreeMap<TokenId, Ended>) -> Answer {
    let mut table = Table::new(&["token", "now", "transfer", "round"]);
    let mut rows: Vec<Value> = Vec::new();
    for id in ids {
        let (status, words, transfer, round) = match ended.get(id) {
            Some(Ended::Freed { transfer, round }) => {
                ("freed", "free again", Some(*transfer), Some(*round))
            }
            Some(Ended::Completed { transfer, round }) => {
                ("completed", "paid, as signed before", Some(*transfer), Some(*round))
            }
            Some(Ended::Spent { transfer }) => ("spent", "spent already", *transfer, None),
            None => ("unknown", "not known", None, None),
        };
        rows.push(json!({"token": id, "status": status, "transfer": transfer, "round": round}));
        table.row([
            id.to_string(),
            words.into(),
            transfer.map_or("-".into(), |transfer| transfer.to_string()),
            round.map_or("-".into(), |round| round.to_string()),
        ]);
    }
    let document = json!({"schema": "quorate.recover/1", "ok": true, "tokens": rows});
    Answer::new(document, table.render())
}
