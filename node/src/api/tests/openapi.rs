//! `/openapi.json`: a copy stands beside the book, every route is in it, and every answer that any
//! test of the API gets is held to what it says (`Server::ask`).

use super::server::{Got, start};
use crate::api::openapi::ROUTES;
use crate::error::{CODES, Failure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let response = runtime.block_on(crate::api::openapi::document());
    let response = response.unwrap_or_else(|_| panic!("it is always there"));
    let body = axum::body::to_bytes(response.into_body(), 1 << 20);
    serde_json::from_slice(&runtime.block_on(body).expect("a body")).expect("JSON")
});

/// Panics unless the answer is one that the document foretells. Of routes and methods that it does
/// not have nothing is said.
pub(crate) fn conforms(method: &str, path: &str, got: &Got) {
    let bare = path.split('?').next().unwrap_or_default();
    let is_head = method == "HEAD";
    let method = if is_head { "get" } else { &method.to_lowercase() };
    let Some(operation) = template(bare).map(|path| &DOCUMENT["paths"][path][method]) else {
        return;
    };
    if operation.is_null() {
        return;
    }
    let told = format!("{method} {path}: {}: {}", got.head, String::from_utf8_lossy(&got.body));
    let response = resolved(&operation["responses"][got.status.to_string()]);
    assert!(response.is_object(), "a status that is not in the document: {told}");
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let value = got.header(name);
        let is_required = resolved(header)["required"] == true;
        assert!(value.is_some() || !is_required, "{name} is missing: {told}");
    }
    let Some(forms) = response["content"].as_object() else {
        return assert_eq!(got.body, b"", "{told}");
    };
    let kind = got.header("content-type").unwrap_or_else(|| panic!("no type: {told}"));
    let form = forms.get(&kind).unwrap_or_else(|| panic!("another type: {told}"));
    if kind.ends_with("json") && !is_head {
        let schema = &form["schema"];
        fits(&got.json(), schema).unwrap_or_else(|why| panic!("{why}: {told}"));
    }
}

/// The document's path for this one: what is written out goes before what has holes.
fn template(path: &str) -> Option<&'static str> {
    let fits = |template: &&str| {
        let mut parts = template.split('/').zip(path.split('/'));
        template.split('/').count() == path.split('/').count()
            && parts.all(|(hole, part)| hole == part || hole.starts_with('{') && !part.is_empty())
    };
    ROUTES.iter().map(|route| route.path).filter(fits).min_by_key(|path| path.contains('{'))
}

fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(to) => DOCUMENT.pointer(to.trim_start_matches('#')).expect("what is referred to"),
        None => value,
    }
}

/// Whether a value is as its schema says: what of JSON Schema the document uses, but for patterns.
fn fits(value: &Value, schema: &Value) -> Result<(), String> {
    if let Some(to) = schema["$ref"].as_str() {
        let schema = DOCUMENT.pointer(to.trim_start_matches('#'));
        return fits(value, schema.ok_or_else(|| format!("no {to}"))?);
    }
    if let Some(all) = schema["allOf"].as_array() {
        all.iter().try_for_each(|schema| fits(value, schema))?;
    }
    if let Some(any) = schema["anyOf"].as_array()
        && !any.iter().any(|schema| fits(value, schema).is_ok())
    {
        return Err(format!("{value} fits none of {any:?}"));
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return Err(format!("{value} is not {}", schema["const"]));
    }
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        kinds => kinds.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    let is_kind = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    if !kinds.is_empty() && !kinds.iter().any(is_kind) {
        return Err(format!("{value} is no {kinds:?}"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        value.get(name).ok_or_else(|| format!("{value} lacks {name}"))?;
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let more = schema.get("additionalProperties").unwrap_or(&Value::Null);
        let known = schema["properties"].get(name).unwrap_or(more);
        if *known == Value::Bool(false) {
            return Err(format!("{name} is unknown"));
        }
        fits(member, known).map_err(|why| format!("{name}: {why}"))?;
    }
    let mut items = value.as_array().into_iter().flatten();
    items.try_for_each(|item| fits(item, &schema["items"]))
}

#[test]
fn the_copy_beside_the_book_is_what_is_served() {
    let server = start(1);
    let served = server.get("/openapi.json").json();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src/openapi.json");
    if std::env::var_os("QUORATE_WRITE_OPENAPI").is_some() {
        std::fs::write(&path, format!("{served:#}\n")).expect("writing");
    }
    let copy: Value = std::fs::read(&path)
        .map_or(Value::Null, |text| serde_json::from_slice(&text).expect("JSON"));
    assert!(
        copy == served,
        "node/book/src/openapi.json is not what a node serves; this writes it anew: \
         QUORATE_WRITE_OPENAPI=1 cargo test -p node --lib openapi"
    );
}

#[test]
fn the_document_has_every_route_and_no_other_and_all_that_it_refers_to() {
    let listed = |(path, operations): (&String, &Value)| {
        let methods: Vec<String> =
            operations.as_object().expect("operations").keys().cloned().collect();
        methods.into_iter().map(|method| (method, path.clone())).collect::<Vec<_>>()
    };
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let documented: BTreeSet<_> = paths.iter().flat_map(listed).collect();
    // The router is made of these, and of nothing else.
    let routes = ROUTES.iter().map(|route| (route.method.to_string(), route.path.to_string()));
    assert_eq!(documented, routes.collect());
    let mut left = vec![&*DOCUMENT];
    let mut count = 0;
    while let Some(value) = left.pop() {
        if let Some(to) = value["$ref"].as_str() {
            count += 1;
            assert!(DOCUMENT.pointer(to.trim_start_matches('#')).is_some(), "{to}");
        }
        left.extend(value.as_object().into_iter().flatten().map(|(_, member)| member));
        left.extend(value.as_array().into_iter().flatten());
    }
    assert!(count > 100, "{count}");
}

#[test]
fn every_document_is_named_by_its_schema() {
    let schemas = DOCUMENT["components"]["schemas"].as_object().expect("schemas");
    for (name, schema) in schemas.iter().filter(|(name, _)| name.ends_with("Document")) {
        let text = schema.to_string();
        assert!(text.contains("\"const\":\"quorate.") || name == "ProblemDocument", "{name}");
    }
}

#[test]
fn every_problem_is_as_the_document_says() {
    let problem = json!({"$ref": "#/components/schemas/ProblemDocument"});
    for code in CODES {
        assert_eq!(fits(&Failure::new(*code, "x").problem(), &problem), Ok(()));
    }
}

#[test]
fn what_does_not_fit_its_schema_is_found() {
    let health = json!({"$ref": "#/components/schemas/HealthDocument"});
    let good = json!({
        "schema": "quorate.health/1", "ok": true, "name": "v0", "ready": true, "mode": "voting",
        "reachable": 1, "quorum": 1, "down": [], "failed": null,
    });
    assert_eq!(fits(&good, &health), Ok(()));
    for (name, bad) in [
        ("schema", json!("quorate.node/1")),
        ("ok", json!("true")),
        ("quorum", json!("1")),
        ("down", json!([1])),
        ("failed", json!(1)),
    ] {
        let mut document = good.clone();
        document[name] = bad;
        assert!(fits(&document, &health).is_err(), "{name}");
    }
    assert!(fits(&json!({}), &health).is_err());
}
