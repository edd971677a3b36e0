//! Genesis: a strict file, each error, and one id for one meaning.

use super::*;
use crate::fixture;
use crate::key::PublicKey;
use std::fmt::Debug;

fn genesis() -> Genesis {
    fixture::genesis(&[1, 1, 1, 1])
}

/// The network of the fixture's genesis after `change`.
fn network(change: impl FnOnce(&mut Genesis)) -> Result<Network, GenesisError> {
    let mut genesis = genesis();
    change(&mut genesis);
    genesis.network()
}

fn id(change: impl FnOnce(&mut Genesis)) -> NetworkId {
    network(change).expect("a good genesis").id
}

/// Reads the fixture's file after `from` became `to`, which must be a JSON error that says `why`.
fn check_json(from: &str, to: &str, why: &str) {
    let text = genesis().to_json();
    assert!(text.contains(from), "{from}");
    match Genesis::from_json(&text.replacen(from, to, 1)) {
        Err(GenesisError::Json(found)) => assert!(found.contains(why), "{found}"),
        other => panic!("{to}: {other:?}"),
    }
}

fn refused<T: Debug + PartialEq>(found: Result<T, GenesisError>, expected: GenesisError) {
    assert_eq!(found, Err(expected));
}

#[test]
fn the_file_round_trips() {
    let genesis = genesis();
    assert_eq!(Genesis::from_json(&genesis.to_json()), Ok(genesis.clone()));
    let compact = serde_json::to_string(&genesis).expect("strings and numbers only");
    let read = Genesis::from_json(&compact).expect("white space is free");
    assert_eq!(read.network(), genesis.network());
}

#[test]
fn the_file_is_strict() {
    check_json("\"epoch\": 7", "\"epoch\": 7, \"port\": 9000", "unknown field `port`");
    check_json("\"weight\": 1", "\"weight\": 1, \"host\": \"a\"", "unknown field `host`");
    check_json("\"decimals\": 3", "\"decimals\": 3, \"max\": 1", "unknown field `max`");
    check_json("\"count\": 4", "\"count\": 4, \"memo\": \"\"", "unknown field `memo`");
    check_json("\"epoch\": 7", "\"epoch\": 7, \"epoch\": 7", "duplicate field `epoch`");
    check_json("\"weight\": 1", "\"weight\": 1, \"weight\": 2", "duplicate field `weight`");
    check_json("\"decimals\": 3", "\"decimals\": 3, \"decimals\": 3", "duplicate field");
    check_json("\"count\": 4", "\"count\": 4, \"count\": 4", "duplicate field `count`");
    check_json("\"epoch\": 7,", "", "missing field `epoch`");
    check_json("\"epoch\": 7", "\"epoch\": 7.0", "floating point");
    check_json("\"epoch\": 7", "\"epoch\": -1", "invalid value");
    check_json("\"epoch\": 7", "\"epoch\": \"7\"", "invalid type");
    check_json("\"epoch\": 7", "\"epoch\": 18446744073709551616", "invalid type");
    check_json("\"decimals\": 3", "\"decimals\": 256", "invalid value");
    check_json("\"amount\": \"100\"", "\"amount\": 100", "invalid type");
    check_json("\"network\": \"fixture\"", "\"network\": \"Fix ture\"", "a name is");
    check_json("\"name\": \"v0\"", "\"name\": \"\"", "a name is");
    check_json("did:key:z6Mk", "did:key:z6mk", "Ed25519");
    check_json("did:key:z6Mk", "did:web:z6Mk", "an address begins");
    let text = genesis().to_json();
    for text in [format!("{text}x"), format!("{text}{text}"), format!("\u{feff}{text}"), "".into()]
    {
        assert!(matches!(Genesis::from_json(&text), Err(GenesisError::Json(_))));
    }
}

#[test]
fn fields_without_their_names_are_refused() {
    let genesis = genesis();
    let member = &genesis.committee[0];
    let with_names = serde_json::to_string(member).expect("strings and numbers only");
    let without = serde_json::to_string(&(&member.name, member.key, member.weight));
    let text = serde_json::to_string(&genesis).expect("strings and numbers only");
    let text = text.replacen(&with_names, &without.expect("strings and numbers only"), 1);
    assert!(matches!(Genesis::from_json(&text), Err(GenesisError::Json(_))), "{text}");
    let Genesis { schema, network, epoch, committee, assets, tokens } = genesis;
    let whole = serde_json::to_string(&(schema, network, epoch, committee, assets, tokens));
    let whole = Genesis::from_json(&whole.expect("strings and numbers only"));
    assert!(matches!(whole, Err(GenesisError::Json(_))));
}

#[test]
fn weak_and_foreign_keys_are_refused() {
    let key = genesis().committee[0].key.to_string();
    let did = |key: [u8; 32]| {
        let bytes = [&[0xed, 0x01][..], &key].concat();
        format!("did:key:z{}", bs58::encode(bytes).into_string())
    };
    let mut one = [0; 32];
    one[0] = 1;
    for weak in [[0; 32], one, [0xff; 32]] {
        check_json(&key, &did(weak), "weak");
    }
    let secp = "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme";
    check_json(&key, secp, "Ed25519");
}

#[test]
fn another_schema_is_refused() {
    let other = "quorate.genesis/2";
    let text = genesis().to_json().replace(GENESIS_SCHEMA, other);
    refused(Genesis::from_json(&text), GenesisError::Schema(other.into()));
    // Also of a value that did not come through `from_json`.
    refused(network(|g| g.schema = other.into()), GenesisError::Schema(other.into()));
}

#[test]
fn odd_committees_are_refused() {
    let committee = |error| GenesisError::Committee(error);
    let v1 = || Name::new("v1").expect("a good name");
    refused(network(|g| g.committee.clear()), committee(CommitteeError::Size(0)));
    let many = |count: u16| {
        network(|g| {
            let member = |number: u16| {
                let [low, high] = number.to_le_bytes();
                let mut seed = [9; 32];
                seed[..2].copy_from_slice(&[low, high]);
                let key = Address(crate::key::Keypair::from_seed(seed).public());
                let name = Name::new(&format!("m{number}")).expect("a good name");
                GenesisMember { name, key, weight: 1 }
            };
            g.committee = (0..count).map(member).collect();
        })
    };
    assert!(many(256).is_ok());
    refused(many(257), committee(CommitteeError::Size(257)));
    let same_key = network(|g| g.committee[1].key = g.committee[0].key);
    refused(same_key, committee(CommitteeError::Repeated(v1())));
    let same_name = network(|g| g.committee[2].name = v1());
    refused(same_name, committee(CommitteeError::Repeated(v1())));
    let weightless = network(|g| g.committee[1].weight = 0);
    refused(weightless, committee(CommitteeError::NoWeight(v1())));
    let heavy = network(|g| g.committee[1].weight = u64::MAX / 2);
    refused(heavy, committee(CommitteeError::TooHeavy));
    let off = (0..=255u8)
        .filter_map(|number| PublicKey::from_bytes([number; 32]).ok())
        .find(|key| !key.is_on_curve())
        .expect("half of all encodings are no points");
    let off = network(|g| g.committee[1].key = Address(off));
    refused(off, committee(CommitteeError::BadKey(v1())));
}

#[test]
fn the_quorum_is_above_two_thirds_of_the_weight() {
    for (weights, quorum) in [(&[1, 1, 1, 1][..], 3), (&[1; 7], 5), (&[3, 1, 1, 1], 5), (&[2], 2)] {
        let network = fixture::genesis(weights).network().expect("a good genesis");
        assert_eq!(network.committee.quorum(), quorum, "{weights:?}");
    }
}

#[test]
fn odd_assets_are_refused() {
    for name in ["", "two words", "ü", &"x".repeat(33), "SILVER"] {
        let found = network(|g| g.assets[0].name = name.into());
        // The second of two equal names is the one refused.
        refused(found, GenesisError::Asset(name.into()));
    }
    refused(network(|g| g.assets[0].decimals = 19), GenesisError::Asset("GOLD".into()));
    let many = |count: usize| {
        network(|g| {
            let asset = |number| GenesisAsset { name: format!("a{number}"), decimals: 0 };
            g.assets.extend((2..count).map(asset));
        })
    };
    assert!(many(1_000).is_ok());
    refused(many(1_001), GenesisError::Asset("a1000".into()));
}

#[test]
fn odd_tokens_are_refused() {
    let unknown = network(|g| g.tokens[0].asset = "LEAD".into());
    refused(unknown, GenesisError::UnknownAsset("LEAD".into()));
    let amount = |text: &str| network(|g| g.tokens[0].amount = text.into());
    refused(amount("0"), AmountError::Zero.into());
    refused(amount("x"), AmountError::NotANumber("x".into()).into());
    assert!(matches!(
        amount("1.0001"),
        Err(GenesisError::Amount(AmountError::TooFine { found: 4, max: 3, .. }))
    ));
    let large = "18446744073709551.616";
    refused(amount(large), AmountError::TooLarge(large.into()).into());
}

#[test]
fn no_supply_wraps() {
    let gold = || GenesisError::Supply("GOLD".into());
    let count = |count: u64| network(|g| g.tokens[0].count = count);
    refused(count(0), gold());
    refused(count(u64::MAX), gold());
    // Five tokens come after the first line.
    let most = network(|g| {
        g.tokens[0].amount = "0.001".into();
        g.tokens[0].count = GENESIS_TOKENS_MAX - 2;
    });
    assert_eq!(most.map(|network| network.tokens().count()), Ok(20_000_000));
    refused(count(GENESIS_TOKENS_MAX - 1), gold());
    // One line above 64 bits, and two lines that are so together.
    refused(
        network(|g| {
            g.tokens[0].amount = "9223372036854775.808".into();
            g.tokens[0].count = 2;
        }),
        gold(),
    );
    let together = |bob: &str| {
        network(|g| {
            g.tokens[0].amount = "18446744073709551.614".into();
            g.tokens[0].count = 1;
            g.tokens[2].amount = bob.into();
        })
    };
    assert!(together("0.001").is_ok());
    refused(together("0.002"), gold());
}

#[test]
fn every_field_is_in_the_id() {
    let changes: [fn(&mut Genesis); 17] = [
        |_| (),
        |g| g.network = Name::new("fixtury").expect("a good name"),
        |g| g.epoch = 8,
        |g| g.committee[0].name = Name::new("v9").expect("a good name"),
        |g| g.committee[0].key = fixture::address(9),
        |g| g.committee[0].weight = 2,
        |g| g.committee.swap(0, 1),
        |g| drop(g.committee.pop()),
        |g| {
            g.assets[0].name = "GOLDE".into();
            g.tokens[0].asset = "GOLDE".into();
            g.tokens[2].asset = "GOLDE".into();
        },
        |g| g.assets[1].decimals = 1,
        |g| g.assets.push(GenesisAsset { name: "LEAD".into(), decimals: 0 }),
        |g| g.tokens[0].owner = fixture::address(fixture::BOB),
        |g| g.tokens[0].asset = "SILVER".into(),
        |g| g.tokens[0].amount = "100.001".into(),
        |g| g.tokens[0].count = 3,
        |g| g.tokens.swap(0, 1),
        |g| drop(g.tokens.pop()),
    ];
    let mut ids = Vec::new();
    for (index, change) in changes.into_iter().enumerate() {
        let id = id(change);
        assert!(!ids.contains(&id), "change {index}");
        ids.push(id);
    }
}

#[test]
fn one_meaning_has_one_id() {
    let same = id(|_| ());
    assert_eq!(id(|g| g.tokens[0].amount = "0100.00".into()), same);
    let split = |genesis: &mut Genesis| {
        let mut one = genesis.tokens[0].clone();
        one.count = 1;
        genesis.tokens[0].count = 3;
        genesis.tokens.insert(0, one);
    };
    assert_eq!(id(split), same, "1 + 3 equal tokens are 4");
    assert_eq!(network(split), network(|_| ()));
    let json = genesis().to_json().replace("fixture", "fi\\u0078ture");
    let escaped = Genesis::from_json(&json).expect("an escape is only spelling");
    assert_eq!(escaped.network().map(|network| network.id), Ok(same));
}

#[test]
fn tokens_are_numbered_over_all_lines() {
    let network = network(|_| ()).expect("a good genesis");
    let tokens: Vec<Made> = network.tokens().collect();
    assert_eq!(tokens.len(), 6);
    for (position, made) in (0u64..).zip(&tokens) {
        assert_eq!(made.state.token, genesis_token_id(position));
        assert_eq!((made.state.height, made.state.made_by), (0, TransferId::default()));
    }
    let (gold, definition) = network.asset_named("GOLD").expect("it is defined");
    assert_eq!((*gold, definition.decimals()), (genesis_asset_id(0), 3));
    assert_eq!(network.asset_named("gold"), None);
    assert_eq!((tokens[3].asset, tokens[3].amount), (*gold, 100_000));
    assert_eq!(tokens[4].asset, genesis_asset_id(1));
    assert_eq!(tokens[5].owner, fixture::address(fixture::BOB));
}

#[test]
fn the_rules_are_the_genesis() {
    let network = network(|_| ()).expect("a good genesis");
    assert_eq!((Rules::network(&network), Rules::epoch(&network)), (network.id, 7));
    assert!(network.is_reserved("GOLD") && network.is_reserved("SILVER"));
    assert!(!network.is_reserved("gold") && !network.is_reserved("GOLD2"));
    assert!(!network.is_indivisible(&genesis_asset_id(0)));
}
