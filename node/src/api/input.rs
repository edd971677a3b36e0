//! What comes in paths and queries: ids, addresses, cursors, limits, times.

use super::answer::Problem;
use super::limits::WAIT_TIME_MAX;
use crate::error::{Failure, USAGE};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use std::str::FromStr;
use std::time::Duration;

/// The one parameter of a route's path.
pub(super) struct In<T>(pub(super) T);

impl<S, T> FromRequestParts<S> for In<T>
where
    S: Send + Sync,
    T: FromStr<Err: std::fmt::Display>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = text.map_err(|error| usage(error.to_string()))?;
        text.parse().map(Self).map_err(|error| Problem(usage(error)))
    }
}

/// The pairs `name=value` of the query, percent-decoded, in order.
pub(super) struct Pairs(pub(super) Vec<(String, String)>);

impl Pairs {
    fn parse(uri: &Uri) -> Result<Self, Failure> {
        let Query(pairs) = Query::try_from_uri(uri).map_err(|error| usage(error.to_string()))?;
        Ok(Self(pairs))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Pairs {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self::parse(&parts.uri)?)
    }
}

/// The query, `name=value` each at most once.
pub(super) struct Params(Vec<(String, String)>);

/// Most parameters of a query.
const PARAMS_MAX: usize = 8;

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self::parse(&parts.uri)?)
    }
}

impl Params {
    fn parse(uri: &Uri) -> Result<Self, Failure> {
        let Pairs(params) = Pairs::parse(uri)?;
        let mut before = params.iter().enumerate();
        let is_twice =
            before.any(|(at, (name, _))| params[..at].iter().any(|(known, _)| known == name));
        if params.len() > PARAMS_MAX || is_twice {
            return Err(usage("the query has too many parameters, or one of them twice"));
        }
        Ok(Self(params))
    }

    /// Refuses parameters that the route does not know.
    pub(super) fn only(&self, known: &[&str]) -> Result<&Self, Failure> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(self),
            Some((name, _)) => {
                let name: String = name.chars().take(60).collect();
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                Err(usage(format!("unknown parameter {name:?}; this route knows: {known}")))
            }
        }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The cursor `after`.
    pub(super) fn after<T: FromStr<Err: std::fmt::Display>>(&self) -> Result<Option<T>, Failure> {
        let parse = |text: &str| text.parse().map_err(|error| usage(format!("after: {error}")));
        self.value("after").map(parse).transpose()
    }

    /// `limit`; `page` is what is taken without it, and the most.
    pub(super) fn limit(&self, page: (usize, usize)) -> Result<usize, Failure> {
        let Some(text) = self.value("limit") else { return Ok(page.0) };
        let limit = text.parse().ok().filter(|limit| (1..=page.1).contains(limit));
        limit.ok_or_else(|| usage(format!("limit is a number from 1 to {}", page.1)))
    }

    /// `wait`: `final`, or a time like `10s`; at most 30 s. `None` without it.
    pub(super) fn wait(&self) -> Result<Option<Duration>, Failure> {
        match self.value("wait") {
            None => Ok(None),
            Some("final") => Ok(Some(WAIT_TIME_MAX)),
            Some(text) => {
                let time = duration(text);
                let time =
                    time.ok_or_else(|| usage("wait is \"final\" or a time like 10s or 500ms"));
                time.map(|time| Some(time.min(WAIT_TIME_MAX)))
            }
        }
    }
}

/// What `wait` may be, as a regular expression for clients.
pub(super) const WAIT_PATTERN: &str = "^(final|[0-9]{1,19}(s|ms))$";

/// A whole number with `s` or `ms` behind it.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let is_number = digits.len() <= 19 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    match &text[digits.len()..] {
        "s" => Some(Duration::from_secs(number)),
        "ms" => Some(Duration::from_millis(number)),
        _ => None,
    }
}

fn usage(why: impl std::fmt::Display) -> Failure {
    let failure = Failure::new(USAGE, format!("the request is refused: {why}; nothing was done"));
    failure.help("GET /openapi.json lists the routes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds_or_milliseconds() {
        assert_eq!(duration("10s"), Some(Duration::from_secs(10)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        for text in
            ["", "s", "10", "-1s", "+1s", "1.5s", "10S", "10 s", "1h", "99999999999999999999s"]
        {
            assert_eq!(duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_query_is_refused_for_what_it_should_not_have() {
        let uri = |query: &str| format!("/?{query}").parse::<Uri>().expect("a URI");
        let parse = |query: &str| Params::parse(&uri(query)).expect("a good query");
        assert!(Params::parse(&uri("a=1&a=2")).is_err());
        assert!(Params::parse(&uri("a=1&%61=2")).is_err());
        assert!(Params::parse(&uri("a&b&c&d&e&f&g&h&i")).is_err());
        assert!(parse("limt=5").only(&["limit"]).is_err());
        assert_eq!(parse("").limit((5, 9)), Ok(5));
        assert_eq!(parse("limit=9").limit((5, 9)), Ok(9));
        for bad in ["limit=0", "limit=10", "limit=x", "limit="] {
            assert!(parse(bad).limit((5, 9)).is_err(), "{bad}");
        }
        assert_eq!(parse("wait=final").wait(), Ok(Some(WAIT_TIME_MAX)));
        assert_eq!(parse("wait=99s").wait(), Ok(Some(WAIT_TIME_MAX)));
        assert!(parse("wait").wait().is_err());
        assert_eq!(parse("after=7").after::<u64>(), Ok(Some(7)));
        assert_eq!(parse("after=%37").after::<u64>(), Ok(Some(7)));
        assert!(parse("after=x").after::<u64>().is_err());
    }
}
