//! The documents' schemas, as `utoipa` derives them from the types that write and read them.

use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// Schemas by name.
#[derive(Default)]
pub(super) struct Schemas {
    named: Map<String, Value>,
}

/// Adds a type with those that it contains; gives what refers to it.
pub(super) fn of<T: ToSchema>(schemas: &mut Schemas) -> String {
    let mut all = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut all);
    for (name, schema) in all {
        schemas.add(name, &schema);
    }
    format!("#/components/schemas/{}", T::name())
}

impl Schemas {
    fn add(&mut self, name: String, schema: &RefOr<Schema>) {
        let mut schema = serde_json::to_value(schema).expect("schemas have a JSON form");
        settle(&mut schema);
        self.named.insert(name, schema);
    }

    /// All of them.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.named)
    }
}

/// What derived schemas leave open. The member `schema` of a document is the one that its
/// description names. And an alternative need not be the only one that fits: of an untagged enum
/// the first is taken.
fn settle(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(settle),
        Value::Object(members) => {
            if let Some(one_of) = members.remove("oneOf") {
                members.insert("anyOf".into(), one_of);
            }
            if let Some(named) = members.get_mut("schema").and_then(Value::as_object_mut) {
                let text = named.get("description").and_then(Value::as_str).unwrap_or_default();
                let name = text.trim_start_matches('`').trim_end_matches("`.").to_string();
                if name.starts_with("quorate.") {
                    named.insert("const".into(), name.into());
                }
            }
            members.values_mut().for_each(settle);
        }
        _ => {}
    }
}
