//! `transfer` and `submit`.

use super::answer::Answer;
use super::args::{SendingArgs, SubmitArgs, TransferArgs};
use super::asset::Asset;
use super::context::Context;
use super::send::{ReceiptOrder, Sender};
use super::shortage;
use super::signer::{Draft, Need, Signer};
use crate::client::Client;
use crate::durable;
use crate::error::{CONFIG, Failure, MALFORMED, USAGE};
use crate::wallet::{Chosen, Progress, Record, Wallet, Wanted};
use ledger::{Canonical, Output, SignedTransfer, TokenId};
use serde_json::{Value, json};
use std::path::Path;

/// `transfer FROM TO (AMOUNT | --count N | --token ID…)`.
pub async fn transfer(context: &Context, args: &TransferArgs) -> Result<Answer, Failure> {
    let keypair = context.keypair(&args.from)?;
    let to = context.address(&args.to)?;
    let tokens = token_ids(&args.token)?;
    let receipt = ReceiptOrder::new(context, args.sending.receipt.as_ref())?;
    let client = context.client()?;
    let network = context.network(&client).await?;
    let wallet = context.wallet(network.id)?;
    let (client, network, wallet) = (&client, &network, &wallet);
    let signer = Signer { context, client, network, wallet, keypair: &keypair };
    if to == signer.owner() {
        context.note("the receiver is the sender: tokens are split or joined, none leaves");
    }
    let need = need(&signer, args, tokens).await?;
    if need.is_free_of_promises {
        context.note("named tokens are signed away whatever else they are promised to");
    }
    let (mut promises, chosen) = signer.choose(&need).await?;
    let outputs = chosen.outputs(signer.owner(), to);
    let transfer = signer.transfer(chosen.inputs.clone(), outputs, &args.sending.memo)?;
    let (asset, amount) = (need.asset.label.clone(), need.asset.format(chosen.amount));
    let draft = Draft { transfer, to, asset, amount };
    if args.sending.dry_run {
        return Ok(dry_run(context, &draft, &need.asset, &chosen));
    }
    let is_promised = !need.is_free_of_promises;
    let signed = signer.sign(&draft, &mut promises, &args.sending, is_promised)?;
    drop(promises);
    let sender = Sender { context, client, wallet, may_be_sent: false };
    finish(&sender, &draft, signed, &args.sending, receipt).await
}

/// Sends, or writes the file of `--sign-only`.
pub async fn finish(
    sender: &Sender<'_>,
    draft: &Draft,
    signed: SignedTransfer,
    sending: &SendingArgs,
    receipt: Option<ReceiptOrder>,
) -> Result<Answer, Failure> {
    match &sending.sign_only {
        Some(file) => sign_only(sender.context, draft, &signed, file),
        None => sender.send(&signed, sending.wait, receipt).await,
    }
}

async fn need(
    signer: &Signer<'_>,
    args: &TransferArgs,
    tokens: Vec<TokenId>,
) -> Result<Need, Failure> {
    let owner = signer.owner();
    let asset = match tokens.first() {
        None => Asset::find(args.asset.as_deref(), signer.network, signer.client, owner).await?,
        Some(token) => {
            let row = signer.client.token(*token).await?.token;
            let id = row.asset_id.to_string();
            Asset::find(Some(&id), signer.network, signer.client, owner).await.or_else(
                |failure| {
                    // The sender has nothing of it: the token is told to be foreign below.
                    let asset = Asset { id: row.asset_id, label: row.asset, decimals: 0 };
                    if args.amount.is_none() { Ok(asset) } else { Err(failure) }
                },
            )?
        }
    };
    let amount = args.amount.as_deref().map(|text| asset.parse(text)).transpose()?;
    let is_free_of_promises = args.sending.sign_only.is_some() && !tokens.is_empty();
    let wanted = match (amount, args.count) {
        (Some(amount), _) if tokens.is_empty() => Wanted::Amount(amount),
        (Some(amount), _) => Wanted::From(tokens, amount),
        (None, Some(count)) => Wanted::Count(count),
        (None, None) => Wanted::Whole(tokens),
    };
    Ok(Need { asset, wanted, is_free_of_promises })
}

fn token_ids(texts: &[String]) -> Result<Vec<TokenId>, Failure> {
    let parse = |text: &String| {
        text.parse().map_err(|error: ledger::hash::BadId| {
            Failure::new(USAGE, format!("{error}; nothing was sent"))
                .help("quorate tokens ADDR   lists token ids")
        })
    };
    texts.iter().map(parse).collect()
}

/// What would be signed.
pub fn dry_run(context: &Context, draft: &Draft, asset: &Asset, chosen: &Chosen) -> Answer {
    let transfer = &draft.transfer;
    let inputs: Vec<Value> = transfer
        .inputs
        .iter()
        .map(|input| {
            json!({"token": input.state.token, "height": input.state.height,
                "amount": asset.format(input.amount)})
        })
        .collect();
    let output = |output: &Output| match output {
        Output::Move { input, to } => json!({"kind": "move", "input": input, "to": to}),
        Output::Create { amount, to, .. } => {
            json!({"kind": "create", "amount": asset.format(*amount), "to": to})
        }
        Output::Issue { definition, supply, to } => json!({"kind": "issue",
            "name": definition.name, "supply_units": supply.to_string(), "to": to}),
    };
    let outputs: Vec<Value> = transfer.outputs.iter().map(output).collect();
    let change = asset.format(chosen.change);
    let document = json!({
        "schema": "quorate.draft/1", "ok": true, "id": transfer.id(), "from": transfer.owner,
        "to": draft.to, "asset": draft.asset, "amount": draft.amount, "change": change,
        "tokens_spent": transfer.inputs.len(), "memo": transfer.memo,
        "inputs": inputs, "outputs": outputs,
    });
    let (from, to) = (context.name_of(&transfer.owner), context.name_of(&draft.to));
    let text = format!(
        "would sign: {from} → {to} {} {} (tokens spent {}, made or moved {}, change {change})\n\
         transfer {}\nnothing was signed or sent\n",
        draft.amount,
        draft.asset,
        transfer.inputs.len(),
        transfer.outputs.len(),
        transfer.id()
    );
    Answer::new(document, text)
}

fn sign_only(
    context: &Context,
    draft: &Draft,
    signed: &SignedTransfer,
    file: &Path,
) -> Result<Answer, Failure> {
    let id = signed.transfer.id();
    durable::replace(file, &signed.to_bytes()).map_err(|error| {
        let what = format!("{}: {error}; nothing was sent", file.display());
        Failure::new(CONFIG, what).help("choose another file for --sign-only")
    })?;
    let transfer = &signed.transfer;
    let document = json!({
        "schema": "quorate.transfer/1", "ok": true, "id": id, "status": "signed",
        "from": transfer.owner, "to": draft.to, "asset": draft.asset, "amount": draft.amount,
        "tokens_spent": transfer.inputs.len(), "memo": transfer.memo,
        "file": file.display().to_string(),
    });
    let (from, to) = (context.name_of(&transfer.owner), context.name_of(&draft.to));
    let (amount, asset, shown) = (&draft.amount, &draft.asset, file.display());
    let text = format!(
        "signed: {from} → {to} {amount} {asset}\ntransfer {id}\nin {shown}; nothing was sent\n\
         next: quorate submit {shown}\n"
    );
    Ok(Answer::new(document, text))
}

/// `submit FILE`.
pub async fn submit(context: &Context, args: &SubmitArgs) -> Result<Answer, Failure> {
    let shown = args.file.display();
    let bytes = std::fs::read(&args.file).map_err(|error| {
        Failure::new(USAGE, format!("{shown}: {error}; nothing was sent"))
            .help("quorate transfer FROM TO AMOUNT --sign-only FILE")
    })?;
    let signed = SignedTransfer::from_bytes(&bytes).map_err(|error| {
        let what = format!("{shown} holds no signed transfer: {error}; nothing was sent");
        Failure::new(MALFORMED, what).help("sign again with --sign-only FILE")
    })?;
    let receipt = ReceiptOrder::new(context, args.receipt.as_ref())?;
    let client = context.client()?;
    let wallet = context.wallet(signed.transfer.network)?;
    let before = wallet.record(&signed.transfer.id())?;
    adopt(context, &client, &wallet, &signed).await?;
    let may_be_sent = before.is_some_and(|record| record.status.is_open());
    let sender = Sender { context, client: &client, wallet: &wallet, may_be_sent };
    sender.send(&signed, args.wait, receipt).await
}

/// Stores a transfer that was signed elsewhere. Its tokens are promised if they are free; when they
/// are not, the validators decide, for the owner has signed both.
async fn adopt(
    context: &Context,
    client: &Client,
    wallet: &Wallet,
    signed: &SignedTransfer,
) -> Result<(), Failure> {
    let id = signed.transfer.id();
    if wallet.record(&id)?.is_none() {
        let network = context.network(client).await?;
        wallet.store(signed, &summary(signed, &network.assets))?;
    }
    let mut promises = wallet.promises()?;
    if let Err(held) = promises.promise(id, signed, Progress::Submitted)? {
        let said = shortage::promised(held.token, held.held_by).failure.message;
        context.note(&said.replace("nothing was signed or sent", "sent all the same"));
    }
    drop(promises);
    wallet.settle(&id, Progress::Submitted)
}

/// What can be said of a transfer by its bytes alone.
pub(super) fn summary(signed: &SignedTransfer, assets: &[(ledger::AssetId, String, u8)]) -> Record {
    let transfer = &signed.transfer;
    let id = transfer.id();
    let is_good = transfer.outputs.iter().all(|output| match output {
        Output::Move { input, .. } => usize::from(*input) < transfer.inputs.len(),
        Output::Create { .. } | Output::Issue { .. } => true,
    });
    let made = if is_good { transfer.made(id) } else { Vec::new() };
    let first = made.iter().find(|made| made.owner != transfer.owner).or(made.first()).copied();
    let same = made.iter().filter(|made| first.is_some_and(|f| f.owner == made.owner));
    let same = same.filter(|made| first.is_some_and(|f| f.asset == made.asset));
    let units = same.fold(0u64, |sum, made| sum.saturating_add(made.amount));
    let known = first.and_then(|first| assets.iter().find(|(id, ..)| *id == first.asset));
    let label = first.map(|first| first.asset.to_string()).unwrap_or_default();
    Record {
        id,
        status: Progress::Signed,
        from: transfer.owner,
        to: first.map(|first| first.owner),
        asset: known.map_or(label, |(_, name, _)| name.clone()),
        amount: ledger::format_amount(units, known.map_or(0, |(_, _, decimals)| *decimals)),
        tokens_spent: transfer.inputs.len(),
        memo: transfer.memo.clone(),
        signed_s: std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
    }
}
