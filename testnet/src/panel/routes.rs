//! The panel's own routes: each reads what it is given, hands it over, and answers with a document
//! or a problem document, as a node does.

use super::Desk;
use super::orders::{Asked, Order, lost};
use super::payments::{Gift, Payment, give, pay};
use crate::control::members::Action;
use axum::extract::{Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use node::api::{Problem, no_such_route, ok};
use node::error::{Code, TOO_LARGE, USAGE};
use node::{Failure, error};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

/// Largest body of an order: a partition of 256 validators has 2 KiB.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Time for such a body.
const BODY_TIME: Duration = Duration::from_secs(10);

type Answered = Result<Response, Problem>;

/// The explorer's page, marked.
pub(super) async fn page(State(desk): State<Desk>, headers: HeaderMap) -> Response {
    desk.explorer.page(&headers)
}

/// One of its files.
pub(super) async fn file(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Answered {
    match desk.explorer.file(&name, &headers) {
        Some(file) => Ok(file),
        None => Err(no_such_route(uri).await),
    }
}

/// `GET /testnet/state`.
pub(super) async fn state(State(desk): State<Desk>) -> Answered {
    Ok(ok(&super::state::state(&desk).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

/// `POST /testnet/kill {"name"}`.
pub(super) async fn kill(State(desk): State<Desk>, request: Request) -> Answered {
    signal(desk, request, Action::Kill).await
}

/// `POST /testnet/pause {"name"}`.
pub(super) async fn pause(State(desk): State<Desk>, request: Request) -> Answered {
    signal(desk, request, Action::Pause).await
}

/// `POST /testnet/resume {"name"}`.
pub(super) async fn resume(State(desk): State<Desk>, request: Request) -> Answered {
    signal(desk, request, Action::Resume).await
}

async fn signal(desk: Desk, request: Request, action: Action) -> Answered {
    let Named { name } = read(request).await?;
    order(&desk, Order::Signal(action, name)).await
}

/// `POST /testnet/start {"name"}`.
pub(super) async fn start(State(desk): State<Desk>, request: Request) -> Answered {
    let Named { name } = read(request).await?;
    order(&desk, Order::Start(name)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slowed {
    name: String,
    delay_ms: u32,
}

/// `POST /testnet/slow {"name","delay_ms"}`; 0 takes it back.
pub(super) async fn slow(State(desk): State<Desk>, request: Request) -> Answered {
    let Slowed { name, delay_ms } = read(request).await?;
    order(&desk, Order::Slow(name, delay_ms)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parted {
    groups: Vec<Vec<String>>,
}

/// `POST /testnet/partition {"groups"}`, like `[["v0","v1"],["v2","v3"]]`; who is not named is in
/// one more group.
pub(super) async fn partition(State(desk): State<Desk>, request: Request) -> Answered {
    let Parted { groups } = read(request).await?;
    order(&desk, Order::Partition(groups)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `POST /testnet/heal {}`.
pub(super) async fn heal(State(desk): State<Desk>, request: Request) -> Answered {
    let Nothing {} = read(request).await?;
    order(&desk, Order::Heal).await
}

/// `POST /testnet/transfer {"from","to","amount","memo"?}`.
pub(super) async fn transfer(State(desk): State<Desk>, request: Request) -> Answered {
    let payment: Payment = read(request).await?;
    Ok(ok(&pay(&desk, payment).await?))
}

/// `POST /testnet/faucet {"to","amount"?}`.
pub(super) async fn faucet(State(desk): State<Desk>, request: Request) -> Answered {
    let gift: Gift = read(request).await?;
    Ok(ok(&give(&desk, gift).await?))
}

/// Hands an order over and waits for what comes of it.
async fn order(desk: &Desk, order: Order) -> Answered {
    let (answer, answered) = oneshot::channel();
    desk.orders
        .try_send(Asked { order, answer })
        .map_err(|error| lost(matches!(error, TrySendError::Full(_))))?;
    let done = answered.await.map_err(|_| lost(false))?;
    Ok(ok(&done?))
}

/// A body in JSON, all of it, with no more fields than it may have. A browser sends this type to
/// another origin only after it has asked, and that is refused.
async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Failure> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let what = "the body has to be application/json; nothing was done";
        let failure = Failure::new(Code { http: 415, ..USAGE }, what);
        return Err(failure.help("send the header content-type: application/json"));
    }
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect();
    let body = tokio::time::timeout(BODY_TIME, body)
        .await
        .map_err(|_| Failure::new(USAGE, "the body did not come in time; nothing was done"))?;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => {
            let what = format!("the body has more than {BODY_BYTES_MAX} bytes; nothing was done");
            Failure::new(TOO_LARGE, what)
        }
        false => Failure::new(error::MALFORMED, format!("the body broke off: {error}")),
    })?;
    let wrong = |why: String| {
        Failure::new(USAGE, format!("the body is not what this takes: {why}; nothing was done"))
    };
    let value: Value =
        serde_json::from_slice(&body.to_bytes()).map_err(|error| wrong(error.to_string()))?;
    // A list would be taken for the fields in their order.
    if !value.is_object() {
        return Err(wrong("it is no object".into()));
    }
    serde_json::from_value(value).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::{FORWARDS_MAX, ORDERS_MAX, PAYMENTS_MAX, forward};
    use super::*;
    use crate::folder::Folder;
    use axum::body::Body;
    use tokio::sync::{mpsc, watch};

    #[tokio::test]
    async fn what_is_full_refuses() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = Folder::at(folder.path()).expect("a path");
        let (orders, mut queue) = mpsc::channel(ORDERS_MAX);
        let (_stopped, stopping) = watch::channel(false);
        let desk = Desk::new(folder, orders, stopping);
        for _ in 0..ORDERS_MAX {
            let (answer, _) = oneshot::channel();
            desk.orders.try_send(Asked { order: Order::Heal, answer }).expect("a place");
        }
        let Problem(full) = order(&desk, Order::Heal).await.expect_err("no place");
        assert_eq!(full.code, error::OVERLOADED);
        queue.close();
        let Problem(gone) = order(&desk, Order::Heal).await.expect_err("nobody there");
        assert_eq!(gone.code, error::UNREACHABLE);

        let text = r#"{"from":"alice","to":"bob","amount":"1"}"#;
        let payment: Payment = serde_json::from_str(text).expect("a payment");
        let all = desk.payments.try_acquire_many(PAYMENTS_MAX.try_into().expect("a few"));
        let full = pay(&desk, payment.clone()).await.expect_err("no place");
        assert_eq!(full.code, error::OVERLOADED);
        drop(all);
        let missing = pay(&desk, payment).await.expect_err("no testnet here");
        assert_eq!(missing.code, error::CONFIG);

        let question = || {
            let request = Request::get("/v1/node").body(Body::empty()).expect("a request");
            forward::forward(State(desk.clone()), request)
        };
        let all = desk.forwards.try_acquire_many(FORWARDS_MAX.try_into().expect("a few"));
        let Problem(full) = question().await.expect_err("no place");
        assert_eq!(full.code, error::OVERLOADED);
        drop(all);
        let Problem(missing) = question().await.expect_err("no testnet here");
        assert_eq!(missing.code, error::NOT_FOUND);
    }
}
