//! Tests of the wire form: what is not exactly one canonical message is refused, and costs little.

use super::*;
use crate::batch::AppliedBatch;
use crate::message::{Message, Progress, Reply, Request};
use crate::testkit::*;
use ledger::{Digest, Output, Phase, TransferId};

fn frame(compression: u8, length: usize, body: &[u8]) -> Vec<u8> {
    let mut out = vec![VERSION, compression];
    out.extend_from_slice(&u32::try_from(length).expect("32 bits").to_le_bytes());
    out.extend_from_slice(body);
    out
}

fn refused(frame: &[u8]) -> FrameError {
    decode::<Message>(frame).expect_err("it must be refused")
}

/// A message that is worth compressing.
fn large() -> Message {
    let transfers: Vec<_> = (0..8).map(|position| pay_coin(position, "")).collect();
    Message::Propose((*batch(0, &transfers).0).clone())
}

fn small() -> Message {
    Message::Progress(Progress { applied: 1, digest: Digest([2; 32]), lines: 3 })
}

#[test]
fn small_ones_go_as_they_are_and_large_ones_compressed() {
    for (message, compression) in [(small(), 0), (large(), 1)] {
        let frame = encode(&message);
        assert_eq!((frame[0], frame[1]), (VERSION, compression));
        assert_eq!(decode::<Message>(&frame), Ok(message));
    }
}

#[test]
fn batches_that_are_encoded_already_make_the_same_frame() {
    let applied: Vec<AppliedBatch> = [0u16, 1]
        .map(|position| {
            let (proposal, batch) = batch(position, &[pay_coin(usize::from(position), "")]);
            let certificate = certificate(Phase::Commit, &batch, "1").certificate().clone();
            AppliedBatch { proposal: (*proposal).clone(), certificate }
        })
        .into();
    for count in 0..=2 {
        let items: Vec<Vec<u8>> = applied[..count].iter().map(Canonical::to_bytes).collect();
        let slow = encode(&Reply::Applied(applied[..count].to_vec()));
        assert_eq!(encode_applied(&items), slow);
    }
}

#[test]
fn r1_decode_truncated_at_each_byte_is_refused() {
    for message in [small(), large()] {
        let frame = encode(&message);
        for length in 0..frame.len() {
            let error = refused(&frame[..length]);
            assert_eq!(length < HEADER_BYTES, error == FrameError::Short, "{length}: {error}");
        }
    }
}

#[test]
fn r1_decode_another_version_and_unknown_compressions_are_refused() {
    let mut other = encode(&small());
    other[0] = VERSION + 1;
    assert_eq!(refused(&other), FrameError::Version(VERSION + 1));
    let mut other = encode(&small());
    other[1] = 2;
    assert_eq!(refused(&other), FrameError::Compression(2));
}

#[test]
fn r1_decode_lengths_are_checked_before_anything_is_allocated() {
    assert_eq!(
        refused(&frame(0, MESSAGE_BYTES_MAX + 1, &[])),
        FrameError::TooLong(MESSAGE_BYTES_MAX + 1)
    );
    let huge = usize::try_from(u32::MAX).expect("64 bits");
    assert_eq!(refused(&frame(1, huge, &[0; 64])), FrameError::TooLong(huge));
    let body = &encode(&small())[HEADER_BYTES..];
    for wrong in [body.len() - 1, body.len() + 1, 0] {
        assert_eq!(refused(&frame(0, wrong, body)), FrameError::Length, "{wrong}");
    }
}

#[test]
fn r1_decode_a_lie_about_the_size_is_refused() {
    let mut bytes = Vec::new();
    large().write(&mut bytes);
    let packed = zstd::bulk::compress(&bytes, ZSTD_LEVEL).expect("memory");
    assert!(decode::<Message>(&frame(1, bytes.len(), &packed)).is_ok());
    for wrong in [bytes.len() - 1, bytes.len() + 1, 1, 0] {
        assert_eq!(refused(&frame(1, wrong, &packed)), FrameError::Length, "{wrong}");
    }
}

#[test]
fn r1_decode_a_zip_bomb_is_refused_before_and_while_it_is_unpacked() {
    let zeros = vec![0; 64 * 1024 * 1024];
    let bomb = zstd::bulk::compress(&zeros, 19).expect("memory");
    assert!(bomb.len() * 1_000 < zeros.len());
    assert_eq!(refused(&frame(1, MESSAGE_BYTES_MAX, &bomb)), FrameError::Compressed);
    let modest = bomb.len() * RATIO_MAX;
    assert_eq!(refused(&frame(1, modest, &bomb)), FrameError::Length, "stops above the claim");
}

#[test]
fn r1_decode_a_window_of_2_to_31_is_refused() {
    // RFC 8878 3.1.1: magic, descriptor without content size, window descriptor, one raw block.
    let with_window = |log: u8| {
        let mut body = vec![0x28, 0xb5, 0x2f, 0xfd, 0b0000_0000, (log - 10) << 3];
        let content: &[u8] = &encode(&small())[HEADER_BYTES..];
        let header = (u32::try_from(content.len()).expect("short") << 3) | 1;
        body.extend_from_slice(&header.to_le_bytes()[..3]);
        body.extend_from_slice(content);
        (content.len(), body)
    };
    let (length, body) = with_window(23);
    assert!(decode::<Message>(&frame(1, length, &body)).is_ok(), "the frame itself is right");
    for log in [24, 27, 31] {
        let (length, body) = with_window(log);
        assert_eq!(refused(&frame(1, length, &body)), FrameError::Compressed, "2^{log}");
    }
}

#[test]
fn r1_decode_a_second_frame_a_nested_one_and_trailing_bytes_are_refused() {
    let mut bytes = Vec::new();
    large().write(&mut bytes);
    let packed = zstd::bulk::compress(&bytes, ZSTD_LEVEL).expect("memory");
    let twice = [packed.clone(), packed.clone()].concat();
    assert_eq!(refused(&frame(1, bytes.len(), &twice)), FrameError::Compressed);
    assert_eq!(refused(&frame(1, bytes.len() * 2, &twice)), FrameError::Length);
    let trailing = [packed.clone(), vec![0]].concat();
    assert_eq!(refused(&frame(1, bytes.len(), &trailing)), FrameError::Compressed);
    let skippable = [packed.clone(), vec![0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0]].concat();
    assert_eq!(refused(&frame(1, bytes.len(), &skippable)), FrameError::Compressed);
    let nested = zstd::bulk::compress(&packed, ZSTD_LEVEL).expect("memory");
    assert!(decode::<Message>(&frame(1, packed.len(), &nested)).is_err());
    let raw = [bytes.clone(), vec![0]].concat();
    assert_eq!(refused(&frame(0, raw.len(), &raw)), FrameError::Decode(DecodeError::Trailing(1)));
}

#[test]
fn r1_decode_flipped_bytes_never_give_the_same_message_and_never_panic() {
    for message in [small(), large()] {
        let frame = encode(&message);
        for at in 0..frame.len() {
            let mut changed = frame.clone();
            changed[at] ^= 1;
            if let Ok(found) = decode::<Message>(&changed) {
                assert_ne!(found, message, "byte {at}");
            }
        }
    }
}

#[test]
fn what_shrinks_a_thousandfold_arrives_too() {
    // A split into 4,000 equal tokens is the same 73 bytes over and over.
    let mut transfer = pay_coin(0, "").transfer;
    let (asset, to) = (coin(0).asset, address(1));
    transfer.outputs = vec![Output::Create { asset, amount: 1, to }; 4_000];
    let split = Message::Propose((*batch(0, &[transfer.sign(&owner_key(0))]).0).clone());
    assert_eq!(decode::<Message>(&encode(&split)), Ok(split));
    let nobody = Reply::Locks(vec![TransferId::default(); 4_096]);
    assert_eq!(decode::<Reply>(&encode(&nobody)), Ok(nobody));
    let same = Request::Transfers(vec![TransferId::default(); 4_096]);
    assert_eq!(decode::<Request>(&encode(&same)), Ok(same));
}
