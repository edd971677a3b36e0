//! A validator that a wallet node asks: its client, and whether it answers.

use crate::client::Client;
use crate::error::{Failure, OVERLOADED, STORE_FAILED, TOO_LARGE};
use crate::inbox::INBOX_PAGE;
use crate::journal::JournalError;
use crate::receive::ReceiveError;
use ledger::{Address, Input};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long one question may take; a share of a silent validator then goes to the others.
const ASK_TIME_MAX: Duration = Duration::from_secs(3);
/// Tokens that one validator may list in one drain, 112 bytes each: as many as `TOKENS_MAX` of the
/// heads would be of a liar's making. Later ones come with the next drain's pages.
const LISTED_MAX: usize = 1_000_000;

/// One validator.
pub struct Source {
    /// Its URL.
    pub url: String,
    /// Asks only this one.
    pub client: Client,
    is_up: AtomicBool,
}

impl Source {
    /// The validator at this URL; nothing is asked yet.
    pub(super) fn new(url: &str) -> Result<Self, Failure> {
        let client = Client::new([url], ASK_TIME_MAX)?;
        Ok(Self { url: url.into(), client, is_up: AtomicBool::new(true) })
    }

    /// Whether its last answer came.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Notes whether an answer came.
    pub(super) fn saw<T>(&self, answer: Result<T, Failure>) -> Option<T> {
        let is_up = answer.is_ok();
        if self.is_up.swap(is_up, Ordering::Relaxed) != is_up {
            match &answer {
                Ok(_) => tracing::info!(url = %self.url, "a validator answers again"),
                Err(error) => tracing::warn!(url = %self.url, %error, "a validator is silent"),
            }
        }
        answer.ok()
    }

    /// All live tokens of these addresses, as it tells.
    pub(super) async fn list(&self, addresses: &[Address]) -> Option<Vec<Input>> {
        let mut all: Vec<Input> = Vec::new();
        'addresses: for address in addresses {
            let mut after = None;
            loop {
                let page = self.client.inbox_page(*address, after, INBOX_PAGE.1).await;
                let page = self.saw(page)?;
                let last = page.tokens.last().map(|input| input.state.token);
                // A page that does not go on from the last one would never end.
                let goes_on = page.has_more && last > after;
                all.extend(page.tokens);
                if all.len() >= LISTED_MAX {
                    break 'addresses;
                }
                if !goes_on {
                    break;
                }
                after = last;
            }
        }
        Some(all)
    }
}

/// Why a batch was not received.
pub(super) fn refused(error: &ReceiveError) -> Failure {
    let what = format!("nothing was received: {error}");
    match error {
        ReceiveError::TooMany { .. } | ReceiveError::Journal(JournalError::TooLarge { .. }) => {
            Failure::new(TOO_LARGE, what).help("send fewer receipts at a time")
        }
        ReceiveError::Busy | ReceiveError::Journal(JournalError::Full { .. }) => {
            Failure::new(OVERLOADED, what).help("send the same receipts again in a second")
        }
        ReceiveError::Journal(_) => {
            Failure::new(STORE_FAILED, what).help("look at the disk, then start the node again")
        }
    }
}
