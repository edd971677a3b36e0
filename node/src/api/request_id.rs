//! Names of requests: the client's own where it sent a good one, else one that is made here. It
//! stands in the answer's `x-request-id`, in problem documents, and in the log's line of the
//! request.
//!
//! A made one costs an addition and some 20 bytes: no randomness and no clock for each request.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Its header, in requests and answers.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest name that is taken from a client.
const BYTES_MAX: usize = 64;

/// Differs between two runs, and with all likelihood between two nodes.
static RUN: LazyLock<u32> = LazyLock::new(rand::random);
/// How many were made in this run.
static MADE: AtomicU64 = AtomicU64::new(0);

tokio::task_local! {
    /// Of the request that the task serves now.
    static CURRENT: RequestId;
}

/// One request's name. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// What the client calls its request, if that is 1 to 64 of `A-Z a-z 0-9 . _ -`; else a new
    /// one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut sent = headers.get_all(&REQUEST_ID).iter();
        match (sent.next(), sent.next()) {
            (Some(only), None) if is_good(only.as_bytes()) => Self(only.clone()),
            _ => Self::made(),
        }
    }

    fn made() -> Self {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let text = format!("{:08x}-{number}", *RUN);
        Self(HeaderValue::try_from(text).expect("digits make a header"))
    }

    /// Of the request that is served now; `None` outside of one, as on a blocking thread.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs what serves the request.
    pub(super) async fn scope<T>(self, serving: impl Future<Output = T>) -> T {
        CURRENT.scope(self, serving).await
    }

    /// As text.
    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().expect("only good ones are taken or made")
    }

    /// As a header's value.
    pub(super) fn into_value(self) -> HeaderValue {
        self.0
    }
}

fn is_good(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (1..=BYTES_MAX).contains(&text.len()) && text.iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sent: &[&[u8]], is_taken: bool) {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append(REQUEST_ID, HeaderValue::from_bytes(value).expect("a header"));
        }
        let id = RequestId::of(&headers);
        let first = sent.first().copied().unwrap_or_default();
        assert_eq!(id.as_str().as_bytes() == first, is_taken, "{sent:?}: {id:?}");
        assert!(is_good(id.as_str().as_bytes()), "{id:?}");
    }

    #[test]
    fn a_good_name_is_taken_and_any_other_replaced() {
        for good in [b"a".as_slice(), b"A-z_0.9", &[b'x'; BYTES_MAX]] {
            check(&[good], true);
        }
        for bad in [b"".as_slice(), b"a b", b"a\"b", b"a,b", b"\xff", &[b'x'; BYTES_MAX + 1]] {
            check(&[bad], false);
        }
        check(&[b"a", b"b"], false);
        check(&[], false);
    }

    #[test]
    fn two_that_are_made_differ() {
        assert_ne!(RequestId::made(), RequestId::made());
    }
}
