//! Recovery for owners: asking the validators for a round, and proposing what the answer allows.

use super::answer::{document, ok};
use super::body;
use super::input::Params;
use super::transfers::outcomes_of;
use super::{Answered, Api};
use crate::view::{OutcomesDocument, RecoveriesDocument, RecoveryRow};
use axum::extract::{Request, State};
use axum::http::StatusCode;

/// `POST /v1/recoveries`: up to 256 `Recover`s, a canonical list.
pub(super) async fn recover(State(api): State<Api>, params: Params, request: Request) -> Answered {
    params.only(&[])?;
    let recovers = body::recovers(&api, request).await?;
    let collected = api.handle.recover(recovers).await?;
    let rows = api.blocking(move |handle| {
        let row = |collected| RecoveryRow::of(&handle.shared, collected);
        collected.iter().map(row).collect::<Result<Vec<_>, _>>()
    });
    let recoveries = rows.await??;
    Ok(ok(&RecoveriesDocument { schema: "quorate.recoveries/1".into(), ok: true, recoveries }))
}

/// `POST /v1/recoveries/entries`: transfers with their rounds and justifications, as a batch body.
pub(super) async fn propose(State(api): State<Api>, params: Params, request: Request) -> Answered {
    let wait = params.only(&["wait"])?.wait()?;
    let entries = body::many_entries(&api, request).await?;
    api.handle.can_propose()?;
    let mut outcomes = api.take(entries).await;
    let status = if wait.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    if let Some(time) = wait {
        outcomes_of(&api, &mut outcomes, time).await;
    }
    let outcomes = OutcomesDocument { schema: "quorate.outcomes/1".into(), ok: true, outcomes };
    Ok(document(status, &outcomes))
}
