// Writes unixfs.txt: the root CIDs that another implementation (npm ipfs-unixfs-importer 17.1.1,
// set as `ipfs add --cid-version 1 --raw-leaves` of Kubo) gives to content that both sides compute.
//
//   npm install ipfs-unixfs-importer@17.1.1 blockstore-core@7
//   node unixfs.mjs > unixfs.txt
//
// The builder was also held against Kubo's own words: with chunks of 1 MiB it gives the two roots
// (174 and 175 MiB, ChaCha20 under the key sha256("v1-seed")) of Kubo's test/cli/add_test.go.
//
// The content: xorshift32 (13, 17, 5) from 0x9e3779b9, each new state as four bytes, little-endian.
import { importByteStream } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { MemoryBlockstore } from 'blockstore-core'

const LINKS = 174
const CHUNK = 262144

function content (size) {
  const bytes = new Uint8Array(Math.ceil(size / 4) * 4)
  const view = new DataView(bytes.buffer)
  let state = 0x9e3779b9
  for (let at = 0; at < size; at += 4) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    view.setUint32(at, state >>> 0, true)
  }
  return bytes.subarray(0, size)
}

async function collect (generator) {
  const parts = []
  for await (const part of generator) parts.push(part)
  return Buffer.concat(parts)
}

async function row (size, chunk) {
  const store = new MemoryBlockstore()
  const { cid } = await importByteStream([content(size)], store, {
    cidVersion: 1,
    rawLeaves: true,
    reduceSingleLeafToSelf: true,
    chunker: fixedSize({ chunkSize: chunk }),
    layout: balanced({ maxChildrenPerNode: LINKS })
  })
  let blocks = 0
  for await (const _ of store.getAll()) blocks += 1
  const root = await collect(store.get(cid))
  const shown = cid.code === 0x70 && root.length < 300 ? root.toString('hex') : '-'
  console.log(`${size} ${chunk} ${cid} ${blocks} ${shown}`)
}

console.log('# size, chunk size, root, distinct blocks, root node if short (hex)')
for (const size of [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 1 << 20, LINKS * CHUNK, LINKS * CHUNK + 1]) {
  await row(size, CHUNK)
}
// Small chunks, so that three levels are affordable.
for (const size of [3, 8, 9, 4 * LINKS, 4 * LINKS + 1, 4 * LINKS ** 2, 4 * LINKS ** 2 + 1]) {
  await row(size, 4)
}
