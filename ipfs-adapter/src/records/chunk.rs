//! The bytes of `records.log`: a head, then chunks of groups.
//!
//! ```text
//! head    "qrecords", u8 version, salt (8), check (8)
//! chunk   salt (8), u32 length of the body, check (8), body
//! check   the first 8 bytes of sha2-256(salt, all of the head or chunk but its check)
//! body    groups
//! group   u8 kind (1 stored, 2 removed), provider, u32 expires (unix seconds), u32 count, keys
//! ```
//!
//! The salt is random for each file and known to nobody outside. It marks where a chunk begins, so
//! that reading goes on behind damage, and it keeps peers, whose keys are in the bodies, from
//! writing chunks of their own into them. Each chunk stands alone: a lost one takes no other's
//! peers along.

use sha2::{Digest, Sha256};

use crate::{
    ContentId, KEYS_PER_QUERY_MAX, Provider,
    encoding::{KEY_BYTES, PROVIDER_BYTES_MAX, Reader, put_keys, put_provider},
};

/// The most keys of one group.
pub(super) const GROUP_KEYS_MAX: usize = KEYS_PER_QUERY_MAX;
/// The most bytes of a chunk's body.
pub(super) const BODY_BYTES_MAX: usize = 256 << 10;
/// A body of so many bytes takes no further group.
const BODY_BYTES_FULL: usize = 64 << 10;
const GROUP_BYTES_MAX: usize = 1 + PROVIDER_BYTES_MAX + 8 + GROUP_KEYS_MAX * KEY_BYTES;
const _: () = assert!(BODY_BYTES_FULL + GROUP_BYTES_MAX <= BODY_BYTES_MAX);

const MAGIC: &[u8; 8] = b"qrecords";
const VERSION: u8 = 1;
/// Of head and chunk alike.
const CHECK_BYTES: usize = 8;
pub(super) const HEAD_BYTES: usize = MAGIC.len() + 1 + size_of::<Salt>() + CHECK_BYTES;
/// What a chunk has before its body.
pub(super) const FRONT_BYTES: usize = size_of::<Salt>() + 4 + CHECK_BYTES;

pub(super) type Salt = [u8; 8];

/// Records of one peer that expire together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub is_removal: bool,
    pub provider: Provider,
    /// Unix seconds.
    pub expires: u32,
    /// None at all: only the addresses have changed.
    pub keys: Vec<ContentId>,
}

/// Why there is no chunk here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoChunk {
    /// The bytes end before the chunk does: it was not written to its end, or its length is wrong.
    Short,
    /// The check fails.
    Corrupt,
}

pub(super) fn head(salt: Salt) -> Vec<u8> {
    let mut head = [MAGIC.as_slice(), &[VERSION], &salt].concat();
    let check = check(salt, &head, &[]);
    head.extend_from_slice(&check);
    head
}

/// The salt of a file that begins with these bytes; `None` when it is no log of this version.
pub(super) fn salt_of(bytes: &[u8]) -> Option<Salt> {
    let salt = *bytes.get(MAGIC.len() + 1..)?.first_chunk()?;
    (bytes.get(..HEAD_BYTES)? == head(salt)).then_some(salt)
}

/// Writes the groups as chunks behind `out`.
pub(super) fn put_chunks(out: &mut Vec<u8>, salt: Salt, groups: &[Group]) {
    let mut body = Vec::new();
    for group in groups {
        if group.keys.is_empty() {
            put_group(&mut body, group, &[]);
        }
        for keys in group.keys.chunks(GROUP_KEYS_MAX) {
            put_group(&mut body, group, keys);
            if body.len() >= BODY_BYTES_FULL {
                put_chunk(out, salt, &std::mem::take(&mut body));
            }
        }
        if body.len() >= BODY_BYTES_FULL {
            put_chunk(out, salt, &std::mem::take(&mut body));
        }
    }
    if !body.is_empty() {
        put_chunk(out, salt, &body);
    }
}

/// The groups of the chunk at the front of `bytes`, and the chunk's length.
pub(super) fn open(salt: Salt, bytes: &[u8]) -> Result<(Vec<Group>, usize), NoChunk> {
    let mut reader = Reader(bytes);
    if reader.array::<8>().ok_or(NoChunk::Short)? != salt {
        return Err(NoChunk::Corrupt);
    }
    let length = reader.u32().ok_or(NoChunk::Short)?;
    let found = reader.array::<CHECK_BYTES>().ok_or(NoChunk::Short)?;
    let count = usize::try_from(length).ok().filter(|count| *count <= BODY_BYTES_MAX);
    let body = reader.bytes(count.ok_or(NoChunk::Corrupt)?).ok_or(NoChunk::Short)?;
    if check(salt, &length.to_be_bytes(), body) != found {
        return Err(NoChunk::Corrupt);
    }
    let groups = groups(body).ok_or(NoChunk::Corrupt)?;
    Ok((groups, FRONT_BYTES + body.len()))
}

fn put_chunk(out: &mut Vec<u8>, salt: Salt, body: &[u8]) {
    let length = u32::try_from(body.len()).expect("at most BODY_BYTES_MAX").to_be_bytes();
    out.extend_from_slice(&salt);
    out.extend_from_slice(&length);
    out.extend_from_slice(&check(salt, &length, body));
    out.extend_from_slice(body);
}

fn put_group(out: &mut Vec<u8>, group: &Group, keys: &[ContentId]) {
    out.push(if group.is_removal { 2 } else { 1 });
    put_provider(out, &group.provider);
    out.extend_from_slice(&group.expires.to_be_bytes());
    let count = u32::try_from(keys.len()).expect("at most GROUP_KEYS_MAX");
    out.extend_from_slice(&count.to_be_bytes());
    put_keys(out, keys);
}

fn groups(body: &[u8]) -> Option<Vec<Group>> {
    let (mut reader, mut groups) = (Reader(body), Vec::new());
    while !reader.is_at_end() {
        let is_removal = match reader.u8()? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let (provider, expires) = (reader.provider()?, reader.u32()?);
        let count = usize::try_from(reader.u32()?).ok()?;
        groups.push(Group { is_removal, provider, expires, keys: reader.keys(count)? });
    }
    Some(groups)
}

fn check(salt: Salt, front: &[u8], body: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = Sha256::new().chain_update(salt).chain_update(front).chain_update(body);
    *hash.finalize().first_chunk().expect("a digest has 32 bytes")
}
