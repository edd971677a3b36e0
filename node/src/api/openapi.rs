//! `GET /openapi.json`: what the routes take and give, as OpenAPI 3.1. The schemas are derived from
//! the types that write the documents; `node/book/src/openapi.json` is a copy that a test holds to
//! what is served.
//!
//! A wallet node serves some of the same routes, and no document of its own.

mod route;
mod routes;
mod schemas;

use super::answer::bytes;
use super::body::WrappedTransfer;
use super::limits::TRANSFER_BODY_BYTES_MAX;
use super::{Answered, input};
use crate::content::CONTENT_BYTES_MAX;
use crate::view::ProblemDocument;
use crate::view::text::{AddressText, CidText, IdText};
use axum::http::StatusCode;
use bytes::Bytes;
use route::{Body, Content, Query, Route};
use schemas::{Schemas, of};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

pub(super) use routes::ROUTES;

/// The document; made once.
static TEXT: LazyLock<Bytes> = LazyLock::new(|| made().to_string().into());

/// Statuses of problems, and what each says.
const PROBLEMS: &[(u16, &str)] = &[
    (400, "The request is not understood, or its body is malformed; nothing was done"),
    (403, "A web page of another origin asks for this; nothing was done"),
    (404, "This node knows no such thing, or found none in time"),
    (409, "A token is locked by another transfer, or was spent"),
    (413, "The body is too large; nothing was done"),
    (421, "The Host header is not this node's; nothing was done"),
    (422, "The transfer breaks a rule, or what was sent proves nothing"),
    (429, "The node has too much to do; nothing was done"),
    (500, "A bug, or what the node's configuration has switched off"),
    (502, "The Kubo daemon in which content lives does not answer"),
    (503, "No quorum can be reached, or the node's store has failed; nothing was proposed"),
    (504, "It took too long; the outcome is unknown, and the same bytes may be sent again"),
    (507, "The content store is full; nothing was kept"),
];

/// What the gate itself may answer, on every route.
const OF_THE_GATE: &[u16] = &[421, 429, 504];

/// Serves it.
pub(super) async fn document() -> Answered {
    Ok(bytes(StatusCode::OK, "application/json", TEXT.clone()))
}

fn made() -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for route in ROUTES {
        let operations = paths.entry(route.path).or_insert_with(|| json!({}));
        operations[route.method] = operation(route, &mut schemas);
    }
    let problem = json!({"$ref": of::<ProblemDocument>(&mut schemas)});
    let responses: Map<String, Value> =
        PROBLEMS.iter().map(|row| (format!("Problem{}", row.0), response(row, &problem))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Quorate node",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Failures are problem documents (RFC 9457) whose `code` is a slug. \
                            Amounts are decimal text; counts, heights and microseconds are \
                            numbers. Lists come in pages: `next` is the `after` of the next one.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.into_value(),
            "responses": responses,
            "parameters": {"RequestId": {
                "name": "x-request-id",
                "in": "header",
                "description": "Names the request in the answer, in problems and in the node's \
                                log. The node makes one unless this is 1 to 64 of A-Z a-z 0-9 \
                                . _ -",
                "schema": {"type": "string"},
            }},
            "headers": {"RequestId": {
                "description": "The request's name, as it was sent or made",
                "required": true,
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
            }},
        },
    })
}

fn headers() -> Value {
    json!({"x-request-id": {"$ref": "#/components/headers/RequestId"}})
}

fn response(row: &(u16, &str), problem: &Value) -> Value {
    let (status, what) = row;
    let mut headers = headers();
    if *status == 429 {
        headers["retry-after"] = json!({
            "description": "Seconds to wait",
            "required": true,
            "schema": {"type": "integer", "minimum": 0},
        });
    }
    json!({
        "description": what,
        "headers": headers,
        "content": {"application/problem+json": {"schema": problem}},
    })
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let mut parameters: Vec<Value> = Vec::new();
    for part in route.path.split('/').filter_map(|part| part.strip_prefix('{')) {
        let name = part.trim_end_matches('}');
        let schema = path_schema(name, schemas);
        parameters.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
    }
    parameters.extend(route.query.iter().map(|query| query_parameter(query, schemas)));
    if route.path == "/v1/events" {
        parameters.push(json!({
            "name": "last-event-id",
            "in": "header",
            "description": "The number of the last event that was seen: goes on behind it",
            "schema": {"type": "integer", "minimum": 0, "maximum": u64::MAX},
        }));
    }
    parameters.push(json!({"$ref": "#/components/parameters/RequestId"}));
    let mut responses = Map::new();
    for (status, forms) in route.answers {
        let forms = forms.iter().map(|form| content(form, schemas));
        let mut answer = json!({"description": answer_word(*status), "headers": headers()});
        if forms.len() > 0 {
            answer["content"] = Value::Object(forms.collect());
        }
        responses.insert(status.to_string(), answer);
    }
    for status in problems(route) {
        let problem = json!({"$ref": format!("#/components/responses/Problem{status}")});
        responses.insert(status.to_string(), problem);
    }
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric());
    let words = std::iter::once(route.method).chain(words.filter(|word| !word.is_empty()));
    let mut operation = json!({
        "operationId": words.collect::<Vec<_>>().join("_"),
        "summary": route.summary,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = &route.body {
        operation["requestBody"] = request_body(body, schemas);
    }
    operation
}

/// A route's own problems and those of the gate.
fn problems(route: &Route) -> BTreeSet<u16> {
    let mut all: BTreeSet<u16> = route.problems.iter().chain(OF_THE_GATE).copied().collect();
    if route.method != "get" || route.path.starts_with("/v1/content") {
        all.insert(403);
    }
    // Whether the process is alive is answered under any load.
    if route.path == "/v1/health/live" {
        all.remove(&429);
    }
    all
}

fn answer_word(status: u16) -> &'static str {
    match status {
        202 => "It is taken, and on its way",
        304 => "It is what the client has already",
        503 => "Not ready",
        _ => "What was asked for",
    }
}

fn path_schema(name: &str, schemas: &mut Schemas) -> Value {
    match name {
        "id" => json!({"$ref": of::<IdText>(schemas)}),
        "did" => json!({"$ref": of::<AddressText>(schemas)}),
        "cid" => json!({"$ref": of::<CidText>(schemas)}),
        _ => json!({"type": "string", "pattern": "^[A-Za-z_]+\\.[A-Za-z]+$"}),
    }
}

fn query_parameter(query: &Query, schemas: &mut Schemas) -> Value {
    let (name, what, schema) = match query {
        Query::AfterId => (
            "after",
            "The `next` of the page before".to_string(),
            json!({"$ref": of::<IdText>(schemas)}),
        ),
        Query::AfterPosition => (
            "after",
            "The `next` of the page before".to_string(),
            json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}),
        ),
        Query::Limit((without, most)) => (
            "limit",
            "Most rows of the page".to_string(),
            json!({"type": "integer", "minimum": 1, "maximum": most, "default": without}),
        ),
        Query::Wait(without) => (
            "wait",
            format!("How long to wait for the end, 30s at most; {without}. `final`: as long"),
            json!({"type": "string", "pattern": input::WAIT_PATTERN, "examples": ["final"]}),
        ),
        Query::Did => (
            "did",
            "Further addresses, 64 in all".to_string(),
            json!({"type": "array", "items": {"$ref": of::<AddressText>(schemas)}}),
        ),
    };
    json!({"name": name, "in": "query", "description": what, "schema": schema})
}

fn request_body(body: &Body, schemas: &mut Schemas) -> Value {
    let bytes = json!({"schema": {"type": "string", "format": "binary"}});
    let mut content = json!({"application/octet-stream": bytes});
    let what = match body {
        Body::Transfer => {
            let wrapped = json!({"$ref": of::<WrappedTransfer>(schemas)});
            content["application/json"] = json!({"schema": wrapped});
            format!(
                "A signed transfer: its canonical bytes, or these as hexadecimal text in JSON; at \
                 most {TRANSFER_BODY_BYTES_MAX} bytes"
            )
        }
        Body::Bytes(what, bytes_max) => format!("{what}; at most {bytes_max} bytes"),
        Body::File => format!("The file; at most {CONTENT_BYTES_MAX} bytes"),
    };
    // An empty file is a file.
    let is_required = !matches!(body, Body::File);
    json!({"description": what, "required": is_required, "content": content})
}

fn content(form: &Content, schemas: &mut Schemas) -> (String, Value) {
    let text = json!({"type": "string"});
    let (kind, schema) = match form {
        Content::Json(of) => ("application/json", json!({"$ref": of(schemas)})),
        Content::Object => ("application/json", json!({"type": "object"})),
        Content::Text(kind) => (*kind, text),
        Content::Bytes => {
            ("application/octet-stream", json!({"type": "string", "format": "binary"}))
        }
    };
    (kind.into(), json!({"schema": schema}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_has_every_route() {
        let book = include_str!("../../book/src/http-api.md");
        for route in ROUTES {
            assert!(book.contains(&format!("`{}`", route.path)), "{}", route.path);
        }
    }
}
