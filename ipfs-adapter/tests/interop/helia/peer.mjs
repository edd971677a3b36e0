// A Helia node driven by JSON lines, for tests/interop.rs: what nobody here wrote, at the other
// end of the wire. One request a line on stdin, {"id", "command", …}; one reply a line on stdout,
// {"id", "ok": {…}} or {"id", "error": "…"}. The first line is {"ready": {"peer", "addresses"}}.
// Contents go through files, so that no line is long. It ends with its stdin.
//
//   node peer.mjs /ipfs/kad/1.0.0 server|client
//
// A client of Kademlia stands in nobody's table: it is only found by the records' addresses.
//
// Blocks come by Bitswap only: no gateway and no delegated routing is set up, so whatever arrives
// has crossed libp2p.

import { readFile, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'

// No call takes longer; the test's own deadlines are shorter than twice this.
const CALL_MS_MAX = 20_000
const POLL_MS = 20

const [, , protocol, mode] = process.argv
const helia = withBitswap(withLibp2pLight(createHeliaLight(), {
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: {
    identify: identify(),
    ping: ping(),
    // The default mapper removes loopback addresses, and here are no others.
    dht: kadDHT({ protocol, clientMode: mode === 'client', peerInfoMapper: passthroughMapper })
  },
  connectionGater: { denyDialMultiaddr: async () => false }
}))
await helia.start()
const { libp2p } = helia
const files = unixfs(helia)

const deadline = () => AbortSignal.timeout(CALL_MS_MAX)
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const send = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)

// A block or a file arrives whole or in pieces.
async function collect (bytes) {
  if (bytes instanceof Uint8Array) return bytes
  const pieces = []
  for await (const piece of bytes) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function until (isSo, what) {
  const end = Date.now() + CALL_MS_MAX
  while (!await isSo()) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`)
    await pause(POLL_MS)
  }
}

const commands = {
  // Connects, and waits until the peer stands in Kademlia's table: until then nobody is asked.
  async dial ({ address }) {
    const connection = await libp2p.dial(multiaddr(address), { signal: deadline() })
    const peer = connection.remotePeer
    const { routingTable } = libp2p.services.dht
    await until(async () => await routingTable.find(peer) !== undefined, 'the peer in the table')
    return { peer: peer.toString() }
  },

  // The providers of a key by Kademlia; ends early once `peer` is among them.
  async find ({ cid, peer }) {
    const providers = []
    const found = libp2p.contentRouting.findProviders(CID.parse(cid), { signal: deadline() })
    for await (const { id, multiaddrs } of found) {
      providers.push({ peer: id.toString(), addresses: multiaddrs.map(String) })
      if (id.toString() === peer) break
    }
    return { providers }
  },

  // Who is connected; shows that a record's addresses were dialled.
  async peers () {
    return { peers: libp2p.getPeers().map(String) }
  },

  // A block by Bitswap, written to the file `to`.
  async get ({ cid, to }) {
    const bytes = await collect(helia.blockstore.get(CID.parse(cid), { signal: deadline() }))
    await writeFile(to, bytes)
    return { bytes: bytes.length }
  },

  // A UnixFS file, block by block by Bitswap, written to the file `to`.
  async cat ({ cid, to }) {
    const bytes = await collect(files.cat(CID.parse(cid), { signal: deadline() }))
    await writeFile(to, bytes)
    return { bytes: bytes.length }
  },

  // Stores the file `from` as one raw block.
  async put_block ({ from }) {
    const bytes = await readFile(from)
    const cid = CID.createV1(raw.code, await sha256.digest(bytes))
    await helia.blockstore.put(cid, bytes)
    return { cid: cid.toString() }
  },

  // Stores the file `from` as UnixFS, cut as Helia does by default.
  async put_file ({ from }) {
    return { cid: (await files.addBytes(await readFile(from))).toString() }
  },

  // Announces a key to the network by Kademlia.
  async provide ({ cid }) {
    await libp2p.contentRouting.provide(CID.parse(cid), { signal: deadline() })
    return {}
  }
}

send({ ready: { peer: libp2p.peerId.toString(), addresses: libp2p.getMultiaddrs().map(String) } })
for await (const line of createInterface({ input: process.stdin })) {
  const { id, command, ...rest } = JSON.parse(line)
  if (command === 'exit') break
  try {
    send({ id, ok: await commands[command](rest) })
  } catch (error) {
    send({ id, error: String(error.stack ?? error) })
  }
}
process.exit(0)
