//! Keys and signatures: alone and batched agree, weak keys are refused.

use super::*;
use curve25519_dalek::{constants::EIGHT_TORSION, edwards::CompressedEdwardsY};
use rand::{Rng, SeedableRng, rngs::StdRng};

fn key(number: u8) -> Keypair {
    Keypair::from_seed([number; 32])
}

#[test]
fn weak_and_second_encodings_are_refused() {
    for point in EIGHT_TORSION {
        let bytes = point.compress().0;
        assert_eq!(PublicKey::from_bytes(bytes), Err(DecodeError::BadKey));
        let mut other_sign = bytes;
        other_sign[31] ^= 0x80;
        assert_eq!(PublicKey::from_bytes(other_sign), Err(DecodeError::BadKey));
    }
    // From y = p on, second encodings of y = 0 to 18; with either sign.
    for low in 0xed..=0xff {
        for high in [0x7f, 0xff] {
            let mut above = [0xff; 32];
            (above[0], above[31]) = (low, high);
            assert_eq!(PublicKey::from_bytes(above), Err(DecodeError::BadKey), "{low:#x}");
        }
    }
    let mut below = [0xff; 32];
    (below[0], below[31]) = (0xeb, 0x7f);
    assert!(PublicKey::from_bytes(below).is_ok(), "p - 2 is the greatest that is not weak");
    let mut lower = [0xff; 32];
    lower[31] = 0x7e;
    assert!(PublicKey::from_bytes(lower).is_ok(), "far below p");
    assert!(PublicKey::from_bytes(*key(1).public().bytes()).is_ok());
}

#[test]
fn points_off_the_curve_are_known() {
    let off = (0..=255u8)
        .map(|number| [number; 32])
        .find(|bytes| CompressedEdwardsY(*bytes).decompress().is_none())
        .expect("half of all encodings are no points");
    let refused = PublicKey::from_bytes(off).map(|key| key.is_on_curve());
    assert_eq!(refused, Ok(false));
    assert!(key(1).public().is_on_curve());
}

#[test]
fn a_signature_covers_its_message_and_key() {
    let signature = key(1).sign(b"pay");
    assert!(key(1).public().verifies(&signature, b"pay"));
    assert!(!key(1).public().verifies(&signature, b"pax"));
    assert!(!key(2).public().verifies(&signature, b"pay"));
}

/// A signature with a point of small order added to R: dalek's single and batch checks disagree on
/// it.
fn crafted(keypair: &Keypair, message: &[u8], torsion: usize) -> Signature {
    use curve25519_dalek::{constants::ED25519_BASEPOINT_POINT, scalar::Scalar};
    use sha2::{Digest, Sha512};
    let wide = Sha512::digest(keypair.seed());
    let mut clamped: [u8; 32] = wide[..32].try_into().expect("32 of 64 bytes");
    clamped[0] &= 248;
    clamped[31] = (clamped[31] & 127) | 64;
    let secret = Scalar::from_bytes_mod_order(clamped);
    let nonce = Scalar::from_bytes_mod_order([7; 32]);
    let r = (ED25519_BASEPOINT_POINT * nonce + EIGHT_TORSION[torsion]).compress().0;
    let mut hasher = Sha512::new();
    hasher.update(r);
    hasher.update(keypair.public().bytes());
    hasher.update(message);
    let k = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
    let s = nonce + k * secret;
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&r);
    bytes[32..].copy_from_slice(s.as_bytes());
    Signature(bytes)
}

#[test]
fn alone_and_batched_agree_on_every_signature() {
    let mut rng = StdRng::seed_from_u64(1);
    for round in 0..20usize {
        let keys: Vec<Keypair> = (0..40).map(key).collect();
        let messages: Vec<[u8; 16]> = (0..40)
            .map(|_| {
                let mut message = [0; 16];
                rng.fill_bytes(&mut message);
                message
            })
            .collect();
        let signatures: Vec<Signature> = keys
            .iter()
            .zip(&messages)
            .enumerate()
            .map(|(index, (key, message))| match (index + round) % 9 {
                0 => crafted(key, message, 4),
                1 => crafted(key, message, 1 + index % 7),
                2 if round % 2 == 0 => Signature([index.try_into().expect("small"); 64]),
                3 if round % 3 == 0 => key.sign(b"another message"),
                _ => key.sign(message),
            })
            .collect();
        let items: Vec<Signed<'_>> = (0..40)
            .map(|i| Signed {
                key: keys[i].public(),
                signature: signatures[i],
                message: &messages[i],
            })
            .collect();
        let alone: Vec<bool> =
            items.iter().map(|item| item.key.verifies(&item.signature, item.message)).collect();
        assert_eq!(verify_batch(&items, &mut rng), alone, "round {round}");
        assert!(alone[(9 - round % 9) % 9], "ZIP-215 accepts the crafted ones, cofactored");
    }
}

#[test]
fn an_empty_batch_is_valid() {
    assert!(verify_batch(&[], &mut StdRng::seed_from_u64(1)).is_empty());
}

#[test]
fn s_must_be_below_the_group_order() {
    let mut signature = key(3).sign(b"m");
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0u16;
    for (byte, add) in signature.0[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    assert!(!key(3).public().verifies(&signature, b"m"), "malleated s is refused");
}

#[test]
fn a_secret_is_wiped_when_dropped() {
    fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
    let Keypair { seed, signing, public: _ } = &key(1);
    wiped(seed);
    wiped(signing);
}

/// A key that decodes and is no point: the whole batch fails with it, and must be taken apart.
fn off_curve() -> PublicKey {
    let keys = (0..=255u8).filter_map(|number| PublicKey::from_bytes([number; 32]).ok());
    keys.into_iter().find(|key| !key.is_on_curve()).expect("half of all encodings are no points")
}

proptest::proptest! {
    #[test]
    fn alone_and_batched_agree_in_any_mix(kinds in proptest::collection::vec(0..7u8, 0..20)) {
        let message = |index: usize| index.to_le_bytes();
        let messages: Vec<[u8; 8]> = (0..kinds.len()).map(message).collect();
        let items: Vec<Signed<'_>> = kinds
            .iter()
            .zip(&messages)
            .map(|(kind, message)| {
                let signer = key(kind % 2);
                let (key, signature) = match kind {
                    0..=2 => (signer.public(), signer.sign(message)),
                    3 => (signer.public(), crafted(&signer, message, 3)),
                    4 => (signer.public(), signer.sign(b"other")),
                    5 => (off_curve(), signer.sign(message)),
                    _ => (signer.public(), Signature([0xff; 64])),
                };
                Signed { key, signature, message }
            })
            .collect();
        let expected: Vec<bool> = kinds.iter().map(|kind| *kind <= 3).collect();
        let verifies = |item: &Signed<'_>| item.key.verifies(&item.signature, item.message);
        let alone: Vec<bool> = items.iter().map(verifies).collect();
        proptest::prop_assert_eq!(&alone, &expected);
        proptest::prop_assert_eq!(verify_batch(&items, &mut StdRng::seed_from_u64(1)), expected);
    }
}

proptest::proptest! {
    /// What a committee's table says of a set is what every signature alone gets, one key twice
    /// and none at all included.
    #[test]
    fn a_table_holds_all_valid_what_each_alone_is(
        kinds in proptest::collection::vec((0..9u8, 0..3usize), 0..9),
    ) {
        let keys: Vec<Keypair> = (0..3).map(key).collect();
        let known: Vec<PublicKey> = keys.iter().map(Keypair::public).collect();
        let table = KeyTable::new(&known).expect("on the curve");
        let messages: Vec<[u8; 8]> = (0..kinds.len()).map(usize::to_le_bytes).collect();
        let signatures: Vec<Signature> = kinds
            .iter()
            .zip(&messages)
            .map(|((kind, index), message)| match kind {
                0..=4 => keys[*index].sign(message),
                5 | 6 => crafted(&keys[*index], message, 1 + usize::from(*kind)),
                7 => keys[*index].sign(b"other"),
                _ => Signature([0xff; 64]),
            })
            .collect();
        let sealed: Vec<Sealed<'_>> = kinds
            .iter()
            .zip(signatures.iter().zip(&messages))
            .map(|((_, key), (signature, message))| Sealed { key: *key, signature, message })
            .collect();
        let alone: Vec<bool> = sealed
            .iter()
            .map(|one| known[one.key].verifies(one.signature, one.message))
            .collect();
        let by_table: Vec<bool> = sealed
            .iter()
            .map(|one| table.verifies(one.key, one.signature, one.message))
            .collect();
        proptest::prop_assert_eq!(&by_table, &alone);
        let all = table.all_valid(&sealed, &mut StdRng::seed_from_u64(1));
        proptest::prop_assert_eq!(all, alone.iter().all(|valid| *valid));
        let first = table.first_invalid(&sealed, &mut StdRng::seed_from_u64(1));
        proptest::prop_assert_eq!(first, alone.iter().position(|valid| !valid));
    }
}

#[test]
fn a_table_knows_its_keys_only() {
    let signature = key(1).sign(b"m");
    let table = KeyTable::new(&[key(1).public(), key(2).public()]).expect("on the curve");
    let seal = |key| Sealed { key, signature: &signature, message: b"m" };
    let mut rng = StdRng::seed_from_u64(1);
    assert!(table.all_valid(&[seal(0)], &mut rng) && table.verifies(0, &signature, b"m"));
    for stranger in [1, 2, usize::MAX - 1] {
        assert!(!table.all_valid(&[seal(0), seal(stranger)], &mut rng));
        assert_eq!(table.first_invalid(&[seal(0), seal(stranger)], &mut rng), Some(1));
        assert!(!table.verifies(stranger, &signature, b"m"));
    }
    assert!(KeyTable::new(&[key(1).public(), off_curve()]).is_none());
    assert_eq!(table, KeyTable::new(&[key(1).public(), key(2).public()]).expect("on the curve"));
    assert_ne!(table, KeyTable::new(&[key(2).public(), key(1).public()]).expect("on the curve"));
}
