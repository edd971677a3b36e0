//! Accounts and tokens.

use super::answer::{held_document, not_found, ok};
use super::input::{In, Params};
use super::limits::{HISTORY_PAGE, TOKENS_PAGE};
use super::{Answered, Api};
use crate::view::{BalanceDocument, HistoryDocument, TokenDocument, TokensDocument};
use axum::extract::State;
use ledger::{Address, TokenId};

/// `GET /v1/accounts/{did}`.
pub(super) async fn balance(
    State(api): State<Api>,
    In(address): In<Address>,
    params: Params,
) -> Answered {
    params.only(&[])?;
    // Who has issued a million assets has a row of each.
    let found = api.blocking(move |handle| BalanceDocument::of(&handle.shared, address)).await?;
    Ok(held_document(&api.answer_kib, &found)?)
}

/// `GET /v1/accounts/{did}/tokens`.
pub(super) async fn tokens(
    State(api): State<Api>,
    In(address): In<Address>,
    params: Params,
) -> Answered {
    let params = params.only(&["after", "limit"])?;
    let (after, limit) = (params.after()?, params.limit(TOKENS_PAGE)?);
    let read =
        move |handle: &crate::Handle| TokensDocument::of(&handle.shared, address, after, limit);
    Ok(ok(&api.blocking(read).await?))
}

/// `GET /v1/tokens/{id}`.
pub(super) async fn token(State(api): State<Api>, In(id): In<TokenId>, params: Params) -> Answered {
    params.only(&[])?;
    let found = TokenDocument::of(api.shared(), id);
    Ok(ok(&found.ok_or_else(|| not_found(format!("token {id}")))?))
}

/// `GET /v1/tokens/{id}/history`.
pub(super) async fn history(
    State(api): State<Api>,
    In(id): In<TokenId>,
    params: Params,
) -> Answered {
    let params = params.only(&["after", "limit"])?;
    let (after, limit) = (params.after()?, params.limit(HISTORY_PAGE)?);
    let read = move |handle: &crate::Handle| HistoryDocument::of(&handle.shared, id, after, limit);
    let found = api.blocking(read).await??;
    Ok(ok(&found.ok_or_else(|| not_found(format!("such state of token {id}")))?))
}
