//! `issue`: a fungible asset, or one item. An issuer needs an input: it moves one of its own tokens
//! to itself in the same transfer.

use super::answer::Answer;
use super::args::IssueArgs;
use super::asset::{Asset, amount};
use super::context::Context;
use super::send::{ReceiptOrder, Sender};
use super::signer::{Draft, Need, Signer};
use super::transfer::{dry_run, finish};
use crate::durable;
use crate::error::{CONFIG, Failure, USAGE};
use crate::wallet::{Wallet, Wanted};
use ledger::asset::issued_asset_id;
use ledger::state::raw_cid;
use ledger::{AssetDefinition, AssetKind, Output, cid_text, format_amount};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Largest content of an item, bytes: one raw block.
const CONTENT_BYTES_MAX: u64 = 1024 * 1024;
/// Index of the `Issue` output; the token that is moved comes first.
const ISSUE_INDEX: u32 = 1;

/// `issue FROM --name N (--decimals D --supply S | --content FILE)`.
pub async fn issue(context: &Context, args: &IssueArgs) -> Result<Answer, Failure> {
    let keypair = context.keypair(&args.from)?;
    let content = args.content.as_deref().map(read_content).transpose()?;
    let (kind, supply) = definition(args, content.as_deref())?;
    let definition = AssetDefinition { name: args.name.clone(), kind };
    let receipt = ReceiptOrder::new(context, args.sending.receipt.as_ref())?;
    let client = context.client()?;
    let network = context.network(&client).await?;
    let wallet = context.wallet(network.id)?;
    let (client, network, wallet) = (&client, &network, &wallet);
    let signer = Signer { context, client, network, wallet, keypair: &keypair };
    let owner = signer.owner();
    let asset = Asset::find(None, network, client, owner).await?;
    let need = Need { asset, wanted: Wanted::Count(1), is_free_of_promises: false };
    let (mut promises, chosen) = signer.choose(&need).await?;
    let decimals = definition.decimals();
    let mut outputs = chosen.outputs(owner, owner);
    outputs.push(Output::Issue { definition, supply, to: owner });
    let transfer = signer.transfer(chosen.inputs.clone(), outputs, &args.sending.memo)?;
    let issued = issued_asset_id(transfer.id(), ISSUE_INDEX);
    let amount = format_amount(supply, decimals);
    let draft = Draft { transfer, to: owner, asset: issued.to_string(), amount };
    if args.sending.dry_run {
        return Ok(dry_run(context, &draft, &need.asset, &chosen));
    }
    let cid = content.as_deref().map(|bytes| keep_content(wallet, bytes)).transpose()?;
    let signed = signer.sign(&draft, &mut promises, &args.sending, true)?;
    drop(promises);
    let token = ledger::state::created_token_id(signed.transfer.id(), ISSUE_INDEX);
    let sender = Sender { context, client, wallet };
    let mut answer = finish(&sender, &draft, signed, &args.sending, receipt).await?;
    if let Some(document) = answer.document.as_object_mut() {
        document.insert("asset_id".into(), serde_json::json!(issued));
        document.insert("token".into(), serde_json::json!(token));
        document.insert("name".into(), serde_json::json!(args.name));
        document.insert("content".into(), serde_json::json!(cid));
    }
    answer.text.push_str(&format!("asset {issued}\ntoken {token}\n"));
    if let Some(cid) = cid {
        answer.text.push_str(&format!("content {cid}\n"));
    }
    Ok(answer)
}

fn definition(args: &IssueArgs, content: Option<&[u8]>) -> Result<(AssetKind, u64), Failure> {
    if let Some(bytes) = content {
        return Ok((AssetKind::Item { content: raw_cid(bytes) }, 1));
    }
    let (Some(decimals), Some(supply)) = (args.decimals, &args.supply) else {
        let what = "an asset has --decimals and --supply, an item has --content; nothing was sent";
        return Err(Failure::new(USAGE, what).help("quorate help issue"));
    };
    if decimals > ledger::amount::DECIMALS_MAX {
        let what = format!("an asset has at most {} decimals", ledger::amount::DECIMALS_MAX);
        return Err(Failure::new(USAGE, what + "; nothing was sent").help("quorate help issue"));
    }
    Ok((AssetKind::Fungible { decimals }, amount(supply, decimals)?))
}

fn read_content(file: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |what: String| {
        Failure::new(USAGE, format!("content {}: {what}; nothing was sent", file.display()))
            .help("name a file of at most 1 MiB with --content")
    };
    let bytes = std::fs::metadata(file).map_err(|error| failed(error.to_string()))?.len();
    if bytes > CONTENT_BYTES_MAX {
        return Err(failed(format!("{bytes} bytes are more than the {CONTENT_BYTES_MAX} allowed")));
    }
    std::fs::read(file).map_err(|error| failed(error.to_string()))
}

/// Keeps the content in the wallet, under its CID.
fn keep_content(wallet: &Wallet, bytes: &[u8]) -> Result<String, Failure> {
    let cid = cid_text(&raw_cid(bytes));
    let folder = wallet.folder().join("content");
    let kept = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    kept.and_then(|()| durable::replace(&folder.join(&cid), bytes)).map_err(|error| {
        let what = format!("{}: {error}; nothing was sent", folder.display());
        Failure::new(CONFIG, what).help("use another --home")
    })?;
    Ok(cid)
}
