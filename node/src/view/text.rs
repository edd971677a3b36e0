//! How ids and addresses look as text, for the schemas of documents: the types of `ledger` know
//! nothing of OpenAPI. Nothing here is read or written; these types have no values.

use std::borrow::Cow;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// An id: of a transfer, token, batch, asset or network.
pub enum IdText {}

/// An account, or the key of a validator.
pub enum AddressText {}

/// A file's CID.
pub enum CidText {}

fn text(what: &str, pattern: &str, example: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(what))
        .pattern(Some(pattern))
        .examples([example])
        .build()
}

impl PartialSchema for IdText {
    fn schema() -> RefOr<Schema> {
        let example = "4be1f4a1c7a5d0d2b39a0d6c1ff6f0d0a3c9e5b7d8f6a4c2e0b1d3f5a7c9e1b3";
        text("32 bytes, lower-case hexadecimal", "^[0-9a-f]{64}$", example).into()
    }
}

impl ToSchema for IdText {
    fn name() -> Cow<'static, str> {
        "Id".into()
    }
}

impl PartialSchema for AddressText {
    fn schema() -> RefOr<Schema> {
        let pattern = "^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$";
        let example = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";
        let mut object = text("An Ed25519 key as did:key", pattern, example);
        object.format = Some(SchemaFormat::Custom("did-key".into()));
        object.into()
    }
}

impl ToSchema for AddressText {
    fn name() -> Cow<'static, str> {
        "Address".into()
    }
}

impl PartialSchema for CidText {
    fn schema() -> RefOr<Schema> {
        let pattern = "^baf(krei|ybei)[a-z2-7]{52}$";
        let example = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
        let what = "CIDv1 in base32: sha2-256, of raw bytes or dag-pb";
        let mut object = text(what, pattern, example);
        object.format = Some(SchemaFormat::Custom("cid".into()));
        object.into()
    }
}

impl ToSchema for CidText {
    fn name() -> Cow<'static, str> {
        "Cid".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn check<T: ToSchema, Read: FromStr>() {
        let schema = serde_json::to_value(T::schema()).expect("a schema");
        let example = schema["examples"][0].as_str().expect("an example");
        assert!(Read::from_str(example).is_ok(), "{schema}");
    }

    #[test]
    fn the_examples_are_what_they_are_examples_of() {
        check::<IdText, ledger::TransferId>();
        check::<AddressText, ledger::Address>();
        check::<CidText, ipfs_adapter::ContentId>();
    }
}
