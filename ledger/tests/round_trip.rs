//! Arbitrary values of every object: what is written is read again, the same value and the same
//! bytes. And arbitrary bytes: they fail to decode or are the one form of what they decode to.

use ledger::{
    Address, AssetDefinition, AssetId, AssetKind, Ballot, BatchId, Bitmap, Canonical, Certificate,
    Digest, Entry, Genesis, GenesisAsset, GenesisMember, GenesisTokens, Inclusion, Input, Keypair,
    Member, Name, NetworkId, Output, Phase, PublicKey, Receipt, Signature, SignedTransfer, TokenId,
    TokenState, Transfer, TransferId, Vote,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::fmt::Debug;

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn key() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_filter_map("weak", |bytes| PublicKey::from_bytes(bytes).ok())
}

/// An address whose key is on the curve, so that its text reads.
fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 32]>().prop_map(|seed| Address(Keypair::from_seed(seed).public()))
}

fn signature() -> impl Strategy<Value = Signature> {
    vec(any::<u8>(), 64).prop_map(|bytes| Signature(bytes.try_into().expect("64 bytes")))
}

fn name() -> impl Strategy<Value = Name> {
    "[a-z0-9-]{1,32}".prop_map(|text| Name::new(&text).expect("a good name"))
}

fn state() -> impl Strategy<Value = TokenState> {
    (digest(), any::<u64>(), digest()).prop_map(|(token, height, made_by)| TokenState {
        token: TokenId(token),
        height,
        made_by: TransferId(made_by),
    })
}

fn input() -> impl Strategy<Value = Input> {
    (state(), digest(), any::<u64>()).prop_map(|(state, asset, amount)| Input {
        state,
        asset: AssetId(asset),
        amount,
    })
}

fn definition() -> impl Strategy<Value = AssetDefinition> {
    let cid = (0u8..0x80, any::<[u8; 32]>()).prop_map(|(codec, digest)| {
        let mut content = [1, codec, 0x12, 0x20].to_vec();
        content.extend_from_slice(&digest);
        AssetKind::Item { content: content.try_into().expect("36 bytes") }
    });
    let kind = prop_oneof![(0u8..=18).prop_map(|decimals| AssetKind::Fungible { decimals }), cid];
    ("[!-~]{1,32}", kind).prop_map(|(name, kind)| AssetDefinition { name, kind })
}

fn output() -> impl Strategy<Value = Output> {
    let to = || key().prop_map(Address);
    prop_oneof![
        (any::<u16>(), to()).prop_map(|(input, to)| Output::Move { input, to }),
        (digest(), any::<u64>(), to()).prop_map(|(asset, amount, to)| Output::Create {
            asset: AssetId(asset),
            amount,
            to
        }),
        (definition(), any::<u64>(), to()).prop_map(|(definition, supply, to)| Output::Issue {
            definition,
            supply,
            to
        }),
    ]
}

fn transfer() -> impl Strategy<Value = Transfer> {
    let lists = (vec(input(), 0..6), vec(output(), 0..6));
    (digest(), any::<u64>(), key(), lists, "\\PC{0,64}").prop_map(
        |(network, epoch, owner, (inputs, outputs), memo)| Transfer {
            network: NetworkId(network),
            epoch,
            owner: Address(owner),
            inputs,
            outputs,
            memo,
        },
    )
}

fn signed() -> impl Strategy<Value = SignedTransfer> {
    (transfer(), signature())
        .prop_map(|(transfer, signature)| SignedTransfer { transfer, signature })
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        signed().prop_map(Entry::ordinary),
        (signed(), 1..=u32::MAX, vec(any::<u8>(), 1..200))
            .prop_map(|(signed, round, justification)| Entry { signed, round, justification }),
    ]
}

fn bitmap() -> impl Strategy<Value = Bitmap> {
    vec(any::<bool>(), 0..70).prop_map(|bits| Bitmap::from_bools(&bits))
}

fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![Just(Phase::Lock), Just(Phase::Commit)]
}

fn ballot() -> impl Strategy<Value = Ballot> {
    (any::<u64>(), phase(), digest(), bitmap()).prop_map(|(epoch, phase, batch, bitmap)| Ballot {
        epoch,
        phase,
        batch: BatchId(batch),
        bitmap,
    })
}

fn certificate() -> impl Strategy<Value = Certificate> {
    let votes = btree_map(any::<u16>(), (vec(any::<bool>(), 3), signature()), 1..9);
    (ballot(), votes).prop_map(|(ballot, votes)| {
        let vote = |(member, (bits, signature)): (u16, (Vec<bool>, Signature))| Vote {
            ballot: Ballot { bitmap: Bitmap::from_bools(&bits), ..ballot.clone() },
            member,
            signature,
        };
        let votes: Vec<Vote> = votes.into_iter().map(vote).collect();
        Certificate::from_votes(&votes.iter().collect::<Vec<_>>())
    })
}

fn receipt() -> impl Strategy<Value = Receipt> {
    (entry(), any::<u32>(), any::<u32>(), vec(digest(), 0..=12), certificate()).prop_map(
        |(entry, index, count, path, certificate)| Receipt {
            entry,
            inclusion: Inclusion { index, count, path },
            certificate,
        },
    )
}

fn genesis() -> impl Strategy<Value = Genesis> {
    let member = (address(), 1..1_000_000u64);
    let asset = ("[!-~]{1,28}", 0u8..=18);
    let tokens = (address(), any::<prop::sample::Index>(), 1..10_000u64, 1..100u64);
    (name(), any::<u64>(), vec(member, 1..9), vec(asset, 1..5), vec(tokens, 0..9)).prop_map(
        |(network, epoch, committee, assets, tokens)| {
            let assets: Vec<GenesisAsset> = (0..)
                .zip(assets)
                .map(|(n, (name, decimals))| GenesisAsset { name: format!("{name}{n}"), decimals })
                .collect();
            let member = |(number, (key, weight)): (u32, (Address, u64))| {
                let name = Name::new(&format!("v{number}")).expect("a good name");
                GenesisMember { name, key, weight }
            };
            let tokens = tokens.into_iter().map(|(owner, index, units, count)| {
                let asset = index.get(&assets);
                let amount = ledger::format_amount(units, asset.decimals);
                GenesisTokens { owner, asset: asset.name.clone(), amount, count }
            });
            Genesis {
                schema: ledger::genesis::GENESIS_SCHEMA.into(),
                network,
                epoch,
                tokens: tokens.collect(),
                committee: (0..).zip(committee).map(member).collect(),
                assets,
            }
        },
    )
}

fn check<T: Canonical + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
    let bytes = value.to_bytes();
    let read = T::from_bytes(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&read, value);
    prop_assert_eq!(read.to_bytes(), bytes);
    Ok(())
}

/// Overwrites one byte of the value's bytes, and cuts or extends them.
fn check_damaged<T: Canonical>(
    value: &T,
    at: prop::sample::Index,
    byte: u8,
    tail: &[u8],
) -> Result<(), TestCaseError> {
    let mut bytes = value.to_bytes();
    let position = at.index(bytes.len());
    bytes[position] = byte;
    check_bytes::<T>(&bytes)?;
    bytes.extend_from_slice(tail);
    check_bytes::<T>(&bytes)?;
    bytes.truncate(position);
    bytes.extend_from_slice(tail);
    check_bytes::<T>(&bytes)
}

fn check_bytes<T: Canonical>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(value) = T::from_bytes(bytes) {
        prop_assert_eq!(value.to_bytes(), bytes);
    }
    Ok(())
}

proptest! {
    #[test]
    fn small_parts(
        state in state(),
        input in input(),
        output in output(),
        bitmap in bitmap(),
        ballot in ballot(),
        name in name(),
        (key, weight) in (key(), any::<u64>()),
    ) {
        check(&state)?;
        check(&input)?;
        check(&output)?;
        check(&bitmap)?;
        check(&ballot)?;
        check(&name)?;
        check(&key)?;
        check(&Member { name, key, weight })?;
    }

    #[test]
    fn addresses_and_ids_as_text(address in address(), digest in digest()) {
        check(&address)?;
        prop_assert_eq!(address.to_string().parse(), Ok(address));
        prop_assert_eq!(TransferId(digest).to_string().parse(), Ok(TransferId(digest)));
    }

    #[test]
    fn transfers(signed in signed()) {
        check(&signed)?;
        check(&signed.transfer)?;
    }

    #[test]
    fn entries_votes_certificates_receipts(
        entry in entry(),
        (ballot, member, signature) in (ballot(), any::<u16>(), signature()),
        certificate in certificate(),
        receipt in receipt(),
    ) {
        check(&entry)?;
        check(&Vote { ballot, member, signature })?;
        check(&certificate)?;
        check(&receipt)?;
    }

    #[test]
    fn damaged_objects(
        (receipt, definition) in (receipt(), definition()),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        tail in vec(any::<u8>(), 0..80),
    ) {
        check_damaged(&receipt, at, byte, &tail)?;
        check_damaged(&receipt.entry, at, byte, &tail)?;
        check_damaged(&receipt.certificate, at, byte, &tail)?;
        check_damaged(&definition, at, byte, &tail)?;
    }

    #[test]
    fn arbitrary_bytes(bytes in vec(any::<u8>(), 0..400)) {
        check_bytes::<Transfer>(&bytes)?;
        check_bytes::<Entry>(&bytes)?;
        check_bytes::<Vote>(&bytes)?;
        check_bytes::<Certificate>(&bytes)?;
        check_bytes::<Receipt>(&bytes)?;
        check_bytes::<AssetDefinition>(&bytes)?;
        check_bytes::<Output>(&bytes)?;
        check_bytes::<Name>(&bytes)?;
    }

    #[test]
    fn genesis_files(genesis in genesis()) {
        let read = Genesis::from_json(&genesis.to_json());
        prop_assert_eq!(read.as_ref(), Ok(&genesis));
        let network = genesis.network();
        prop_assert!(network.is_ok(), "{:?}", network);
        prop_assert_eq!(&network, &read.expect("just compared").network());
        let network = network.expect("just checked");
        let tokens: u64 = genesis.tokens.iter().map(|tokens| tokens.count).sum();
        prop_assert_eq!(u64::try_from(network.tokens().count()), Ok(tokens));
    }
}
