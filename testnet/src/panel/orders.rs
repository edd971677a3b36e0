//! What changes the testnet's processes and links: one order at a time, carried out to its end even
//! if who gave it has gone away. Half a start would leave a process that nobody knows.

use super::stopped;
use crate::control::members::{Action, signal_all, start_all};
use crate::faults::{DELAY_MAX, Faults, Slow, switch};
use crate::folder::Folder;
use crate::launch::bury;
use crate::spawn::Node;
use node::Failure;
use node::error::{INTERNAL, UNREACHABLE, USAGE};
use serde_json::Value;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot, watch};

/// Time that an order has when the panel ends: a process that was just started is stopped in it.
const GRACE: Duration = Duration::from_secs(2);

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// `kill`, `pause` or `resume` a member.
    Signal(Action, String),
    /// `start` a member.
    Start(String),
    /// Make a validator slow by so many milliseconds each way; 0 takes it back.
    Slow(String, u32),
    /// Part the validators: groups of names.
    Partition(Vec<Vec<String>>),
    /// Take all faults back.
    Heal,
}

/// An order, and who waits for what comes of it.
pub(super) struct Asked {
    pub(super) order: Order,
    pub(super) answer: oneshot::Sender<Result<Value, Failure>>,
}

/// Carries out orders until the panel ends. Processes started here that have ended are buried.
pub(super) async fn work(
    folder: Folder,
    mut queue: mpsc::Receiver<Asked>,
    mut children: Signal,
    stopping: watch::Receiver<bool>,
) {
    let mut nodes: Vec<Node> = Vec::new();
    loop {
        bury(&mut nodes);
        tokio::select! {
            biased;
            () = stopped(stopping.clone()) => return,
            _ = children.recv() => {}
            asked = queue.recv() => {
                let Some(Asked { order, answer }) = asked else { return };
                let done = tokio::select! {
                    done = obey(&folder, order, &mut nodes, stopped(stopping.clone())) => done,
                    () = out_of_time(stopping.clone()) => Err(ended()),
                };
                // Who asked may have gone away; then nobody is to be told.
                drop(answer.send(done));
            }
        }
    }
}

/// The failure of what was asked of a panel that ends.
pub(super) fn ended() -> Failure {
    Failure::new(UNREACHABLE, "the panel has ended; look at what was done")
        .help("quorate-testnet status")
}

async fn out_of_time(stopping: watch::Receiver<bool>) {
    stopped(stopping).await;
    tokio::time::sleep(GRACE).await;
}

async fn obey(
    folder: &Folder,
    order: Order,
    nodes: &mut Vec<Node>,
    stop: impl Future<Output = ()>,
) -> Result<Value, Failure> {
    let done = match order {
        Order::Signal(action, name) => return signal_all(folder, &[name], action).await,
        Order::Start(name) => {
            let (done, started) = start_all(folder, &[name], stop).await?;
            nodes.extend(started);
            return Ok(done);
        }
        Order::Slow(name, delay_ms) => {
            if Duration::from_millis(delay_ms.into()) > DELAY_MAX {
                let what = format!("a delay is at most {} ms", DELAY_MAX.as_millis());
                return Err(Failure::new(USAGE, what + "; nothing was changed"));
            }
            let slow = Slow { delay_ms, ..Slow::default() };
            switch::change(folder, "slow", |faults| faults.set_slow(&name, slow)).await?
        }
        Order::Partition(groups) => {
            let text = groups_text(&groups)?;
            let edit = |faults: &mut Faults| faults.part(&text);
            switch::change(folder, "partition", edit).await?
        }
        Order::Heal => switch::heal_all(folder).await?,
    };
    Ok(done.document)
}

/// Groups as the command line has them.
fn groups_text(groups: &[Vec<String>]) -> Result<String, Failure> {
    let is_odd = |name: &&String| name.contains([',', '/']);
    if let Some(name) = groups.iter().flatten().find(is_odd) {
        let what = format!("no validator is called {name:?}; nothing was changed");
        return Err(Failure::new(USAGE, what));
    }
    let groups: Vec<String> = groups.iter().map(|group| group.join(",")).collect();
    Ok(groups.join("/"))
}

/// An order that got no place in the queue, or no answer, because of a bug or of the panel's end.
pub(super) fn lost(is_full: bool) -> Failure {
    if !is_full {
        return ended();
    }
    let what = "too many orders wait for their turn; nothing was done";
    Failure::new(node::error::OVERLOADED, what).help("give it again in a second")
}

/// What a blocking thread that panicked leaves behind.
pub(super) fn broken(error: &tokio::task::JoinError) -> Failure {
    Failure::new(INTERNAL, format!("the panel failed: {error}; look at what was done"))
        .help("quorate tx list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_written_as_on_the_command_line() {
        let groups = |groups: &[&[&str]]| -> Vec<Vec<String>> {
            groups.iter().map(|group| group.iter().map(|name| (*name).into()).collect()).collect()
        };
        let text = groups_text(&groups(&[&["v0", "v1"], &["v2"]])).expect("good");
        assert_eq!(text, "v0,v1/v2");
        for odd in ["v0,v1", "v0/v1"] {
            let failure = groups_text(&groups(&[&[odd], &["v2"]])).expect_err("odd");
            assert_eq!(failure.code, USAGE);
        }
    }
}
