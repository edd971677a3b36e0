// A js-ipfs daemon on loopback, all ports free ones: `node --import ./polyfill.mjs daemon.mjs REPO`.
// Says where its RPC API listens as one JSON line; ends when its standard input does, so that it
// does not outlive the test that started it.
import { Daemon } from 'ipfs-daemon'

const any = '/ip4/127.0.0.1/tcp/0'
const daemon = new Daemon({
  repo: process.argv[2],
  init: { algorithm: 'Ed25519', emptyRepo: true },
  silent: true,
  config: {
    Addresses: { Swarm: [any], API: any, Gateway: any, RPC: any, Delegates: [] },
    Bootstrap: [],
    Discovery: { MDNS: { Enabled: false }, webRTCStar: { Enabled: false } },
    Routing: { Type: 'dhtserver' },
    Swarm: { ConnMgr: { LowWater: 10, HighWater: 100 } }
  }
})

await daemon.start()
const [server] = daemon._httpApi._apiServers
// Else a block of 1 MiB, the largest that IPFS exchanges, does not fit with its multipart frame.
for (const { settings } of server.table()) {
  if (settings.payload) settings.payload.maxBytes = 2 ** 21
}
console.log(JSON.stringify({ ready: `http://127.0.0.1:${server.info.port}` }))
process.stdin.on('end', () => process.exit(0)).resume()
