//! `content`: files by CID, through a node. They are streamed from and to files; none is held in
//! memory.

use super::answer::Answer;
use super::args::ContentCommand;
use super::context::Context;
use super::progress::{ProgressBar, size};
use crate::client::Client;
use crate::content::CONTENT_BYTES_MAX;
use crate::error::{CONFIG, Failure, USAGE};
use crate::view::ContentDocument;
use ipfs_adapter::ContentId;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// `content put|get|pin|stat`.
pub async fn content(context: &Context, command: &ContentCommand) -> Result<Answer, Failure> {
    let client = context.client()?;
    match command {
        ContentCommand::Put(args) => {
            let stored = put(context, &client, &args.file).await?;
            let text = format!("{}\n", stored.cid);
            if stored.announced == Some(false) {
                context.note("no other peer knows of it yet; it is announced again later");
            }
            Ok(Answer::new(json!(stored), text))
        }
        ContentCommand::Get(args) => {
            get(context, &client, cid(&args.cid)?, args.out.as_deref()).await
        }
        ContentCommand::Pin(args) => {
            let pinned = client.content_pin(cid(&args.cid)?, context.settings.timeout).await?;
            Ok(Answer::new(json!(pinned), text(&pinned)))
        }
        ContentCommand::Stat(args) => {
            let known = client.content_stat(cid(&args.cid)?).await?;
            Ok(Answer::new(json!(known), text(&known)))
        }
    }
}

/// Sends a file to a node, which keeps and announces it.
pub async fn put(
    context: &Context,
    client: &Client,
    path: &Path,
) -> Result<ContentDocument, Failure> {
    let (file, bytes) = open(path)?;
    let mut bar = ProgressBar::new(context);
    let file = tokio::fs::File::from_std(file);
    client.content_put(file, bytes, |sent| bar.show(sent, bytes)).await
}

/// A file that can be sent, and its size.
pub fn open(path: &Path) -> Result<(File, u64), Failure> {
    let failed = |what: String| {
        Failure::new(USAGE, format!("content {}: {what}; nothing was sent", path.display()))
            .help(format!("name a file of at most {}", size(CONTENT_BYTES_MAX)))
    };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| failed(error.to_string()))?;
    if !metadata.is_file() {
        return Err(failed("it is no file".into()));
    }
    if metadata.len() > CONTENT_BYTES_MAX {
        return Err(failed(format!("{} are too much", size(metadata.len()))));
    }
    Ok((file, metadata.len()))
}

async fn get(
    context: &Context,
    client: &Client,
    cid: ContentId,
    out: Option<&Path>,
) -> Result<Answer, Failure> {
    if context.settings.is_json && out.is_none() {
        let what = "with --json the bytes of a file need a file to go to; nothing was fetched";
        return Err(Failure::new(USAGE, what).help("name it with --out FILE"));
    }
    let begin = Instant::now();
    let mut sink = Sink::new(out)?;
    let mut bar = ProgressBar::new(context);
    let mut done = 0;
    let taken = |piece: &[u8], bytes: u64| {
        done += u64::try_from(piece.len()).expect("a piece");
        // On a terminal the bytes themselves are to be seen.
        if out.is_some() {
            bar.show(done, bytes);
        }
        sink.write(piece)
    };
    let bytes = client.content_get(cid, context.settings.timeout, taken).await?;
    drop(bar);
    sink.finish()?;
    let elapsed_us = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
    let document = json!({
        "schema": "quorate.content/1", "ok": true, "cid": cid.to_string(), "bytes": bytes,
        "out": out.map(|out| out.display().to_string()), "elapsed_us": elapsed_us,
    });
    let text = out.map_or_else(String::new, |out| format!("{} {}\n", out.display(), size(bytes)));
    Ok(Answer::new(document, text))
}

/// Where the bytes of a file go. A file gets its name once it is whole.
enum Sink {
    Output(std::io::Stdout),
    File { file: File, part: PathBuf, path: PathBuf, is_whole: bool },
}

impl Sink {
    fn new(out: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = out else { return Ok(Self::Output(std::io::stdout())) };
        let name = path.file_name().ok_or_else(|| {
            let what = format!("{} is no name of a file; nothing was fetched", path.display());
            Failure::new(USAGE, what).help("name a file with --out")
        })?;
        let name = name.to_string_lossy();
        let part = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let opened = OpenOptions::new().write(true).create(true).truncate(true).open(&part);
        let file = opened.map_err(|error| not_written(&part, &error))?;
        Ok(Self::File { file, part, path: path.into(), is_whole: false })
    }

    fn write(&mut self, piece: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Output(out) => match out.write_all(piece) {
                // `quorate content get CID | head` has what it wants.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
                written => {
                    written.map_err(|error| not_written(Path::new("standard output"), &error))
                }
            },
            Self::File { file, part, .. } => {
                file.write_all(piece).map_err(|error| not_written(part, &error))
            }
        }
    }

    fn finish(mut self) -> Result<(), Failure> {
        match &mut self {
            Self::Output(out) => {
                out.flush().map_err(|error| not_written(Path::new("standard output"), &error))
            }
            Self::File { file, part, path, is_whole } => {
                let renamed = file.sync_all().and_then(|()| std::fs::rename(&*part, &*path));
                *is_whole = renamed.is_ok();
                renamed.map_err(|error| not_written(path, &error))
            }
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Self::File { part, is_whole: false, .. } = self {
            // Best effort: a leftover is named like no file that is ever read.
            drop(std::fs::remove_file(part));
        }
    }
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    let what = format!("{}: {error}; nothing was kept", path.display());
    Failure::new(CONFIG, what).help("name another file with --out")
}

fn cid(text: &str) -> Result<ContentId, Failure> {
    text.parse().map_err(|error| {
        let what = format!("{text:?} is no CID that is read here: {error}; nothing was sent");
        Failure::new(USAGE, what).help("CIDs of files look like bafy… and bafkrei…")
    })
}

fn text(known: &ContentDocument) -> String {
    let bytes = known.bytes.map_or_else(|| "unknown".into(), size);
    let yes = |is: bool| if is { "yes" } else { "no" };
    format!(
        "cid       {}\nsize      {bytes}\nblocks    {} of {} here\ncomplete  {}\npinned    {}\n",
        known.cid,
        known.blocks_held,
        known.blocks,
        yes(known.complete),
        yes(known.pinned),
    )
}
