//! `issue`: a fungible asset, or one item. An issuer needs an input: it moves one of its own tokens
//! to itself in the same transfer. An item's content is named by the CID that IPFS has for the
//! file: a copy stays in the wallet, and the node that is asked first keeps and announces it.

use super::answer::Answer;
use super::args::IssueArgs;
use super::asset::{Asset, amount};
use super::content;
use super::context::Context;
use super::send::{ReceiptOrder, Sender};
use super::signer::{Draft, Need, Signer};
use super::transfer::{dry_run, finish};
use crate::client::Client;
use crate::durable;
use crate::error::{CONFIG, Failure, USAGE};
use crate::wallet::{Wallet, Wanted};
use ipfs_adapter::ContentId;
use ipfs_adapter::dag::{Layout, build};
use ledger::asset::issued_asset_id;
use ledger::{AssetDefinition, AssetKind, Output, format_amount};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Index of the `Issue` output; the token that is moved comes first.
const ISSUE_INDEX: u32 = 1;

/// `issue FROM --name N (--decimals D --supply S | --content FILE)`.
pub async fn issue(context: &Context, args: &IssueArgs) -> Result<Answer, Failure> {
    let keypair = context.keypair(&args.from)?;
    let content = args.content.as_deref().map(root_of).transpose()?;
    let (kind, supply) = definition(args, content)?;
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
    let kept = match (content, args.content.as_deref()) {
        (Some(root), Some(file)) => Some((root, keep_content(wallet, file, root)?)),
        _ => None,
    };
    let signed = signer.sign(&draft, &mut promises, &args.sending, true)?;
    drop(promises);
    let stored = match &kept {
        Some((root, file)) if args.sending.sign_only.is_none() => {
            store_content(context, client, file, *root).await
        }
        _ => false,
    };
    let cid = kept.map(|(root, _)| root.to_string());
    let token = ledger::state::created_token_id(signed.transfer.id(), ISSUE_INDEX);
    let sender = Sender { context, client, wallet, may_be_sent: false };
    let mut answer = finish(&sender, &draft, signed, &args.sending, receipt).await?;
    if args.sending.sign_only.is_none() {
        // The transfer moves one of the issuer's tokens to itself; that is not the news.
        let status = answer.document["status"].as_str().unwrap_or("sent").to_string();
        let rest = answer.text.split_once('\n').map_or("", |(_, rest)| rest);
        let (from, amount, name) = (&args.from, &draft.amount, &args.name);
        answer.text = format!("{status}: {from} issued {amount} {name}\n{rest}");
    }
    if let Some(document) = answer.document.as_object_mut() {
        document.insert("issued".into(), serde_json::json!(draft.amount));
        document.insert("asset_id".into(), serde_json::json!(issued));
        document.insert("token".into(), serde_json::json!(token));
        document.insert("name".into(), serde_json::json!(args.name));
        document.insert("content".into(), serde_json::json!(cid));
        document.insert("content_stored".into(), serde_json::json!(stored));
    }
    answer.text.push_str(&format!("asset {issued}\ntoken {token}\n"));
    if let Some(cid) = cid {
        answer.text.push_str(&format!("content {cid}\n"));
    }
    Ok(answer)
}

fn definition(args: &IssueArgs, content: Option<ContentId>) -> Result<(AssetKind, u64), Failure> {
    if let Some(root) = content {
        let content = root.to_bytes().try_into().expect("CIDs of sha2-256 have 36 bytes");
        return Ok((AssetKind::Item { content }, 1));
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

/// The CID that IPFS has for a file: of its bytes up to 256 KiB, beyond that of its DAG's root.
fn root_of(path: &Path) -> Result<ContentId, Failure> {
    let (file, _bytes) = content::open(path)?;
    root(&file).map_err(|error| {
        let what = format!("content {}: {error}; nothing was sent", path.display());
        Failure::new(USAGE, what).help("name a file that can be read with --content")
    })
}

fn root(file: &File) -> io::Result<ContentId> {
    build(file, Layout::KUBO, |_block| Ok::<(), io::Error>(())).map(|(root, _bytes)| root)
}

/// Keeps the content in the wallet, under its CID; returns where.
fn keep_content(wallet: &Wallet, file: &Path, cid: ContentId) -> Result<PathBuf, Failure> {
    let folder = wallet.folder().join("content");
    let path = folder.join(cid.to_string());
    let kept = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    let kept = kept.and_then(|()| durable::copy(file, &path));
    let copied = kept.and_then(|()| root(&File::open(&path)?)).map_err(|error| {
        let what = format!("{}: {error}; nothing was sent", folder.display());
        Failure::new(CONFIG, what).help("use another --home")
    })?;
    if copied == cid {
        return Ok(path);
    }
    let what = format!("content {} changed while it was read; nothing was sent", file.display());
    Err(Failure::new(USAGE, what).help("run the same command again"))
}

/// Has the node keep and announce the content. That it does not is no reason not to issue: the
/// wallet has it.
async fn store_content(context: &Context, client: &Client, file: &Path, cid: ContentId) -> bool {
    match content::put(context, client, file).await {
        Ok(stored) if stored.cid == cid.to_string() => true,
        Ok(stored) => {
            context.note(&format!("the node names the content {}, not {cid}", stored.cid));
            false
        }
        Err(failure) => {
            let file = file.display();
            context.note(&format!(
                "the content is only in the wallet, no node keeps it: {failure}\n\
                 next: quorate content put {file}"
            ));
            false
        }
    }
}
