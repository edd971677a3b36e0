"""A py-libp2p node driven by JSON lines, for tests/interop.rs: a second foreign stack.

The same lines as helia/peer.mjs, but for files (this stack cuts them in a way of its own). One
request a line on stdin, one reply a line on stdout; the first line is {"ready": …}. Contents go
through files. It ends with its stdin.

Its Kademlia speaks /ipfs/kad/1.0.0 and no other name, so that is the only one it is asked for.
"""

import hashlib
import json
import logging
import sys
import traceback
from pathlib import Path

import trio
from cid import make_cid
from libp2p import new_host
from libp2p.bitswap import BitswapClient
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

# No call takes longer; the test's own deadlines are shorter than twice this.
CALL_SECONDS_MAX = 20
POLL_SECONDS = 0.02


def send(message):
    print(json.dumps(message), flush=True)


def cid_of(content):
    """CIDv1, raw, sha2-256."""
    return make_cid(1, "raw", b"\x12\x20" + hashlib.sha256(content).digest())


class Commands:
    def __init__(self, host, dht, bitswap):
        self.host, self.dht, self.bitswap = host, dht, bitswap
        self.dialled = None

    async def dial(self, address):
        """Connects, and waits until the peer stands in Kademlia's table."""
        info = info_from_p2p_addr(Multiaddr(address))
        await self.host.connect(info)
        # Fails until identify has told that the peer serves Kademlia.
        while not self.host.get_peerstore().get_protocols(info.peer_id):
            await trio.sleep(POLL_SECONDS)
        while not await self.dht.add_peer(info.peer_id):
            await trio.sleep(POLL_SECONDS)
        self.dialled = info.peer_id
        return {"peer": str(info.peer_id)}

    async def find(self, cid, peer=None):
        """The providers of a key, by Kademlia."""
        found = await self.dht.find_providers(cid)
        return {
            "providers": [
                {"peer": str(one.peer_id), "addresses": [str(address) for address in one.addrs]}
                for one in found
            ]
        }

    async def provide(self, cid):
        """Announces a key to the network."""
        if not await self.dht.provide(cid):
            raise RuntimeError("nobody took the record")
        return {}

    async def get(self, cid, to, peer=None):
        """A block by Bitswap, written to the file `to`."""
        session = self.bitswap.new_session()
        holder = ID.from_string(peer) if peer else self.dialled
        content = await session.get_block(cid, peer_id=holder, timeout=CALL_SECONDS_MAX)
        Path(to).write_bytes(content)
        return {"bytes": len(content)}

    async def put_block(self, **files):
        """Stores the file `from` as one raw block."""
        content = Path(files["from"]).read_bytes()
        cid = cid_of(content)
        await self.bitswap.add_block(cid, content)
        return {"cid": cid.encode("base32").decode()}


async def answer(commands, line):
    request = json.loads(line)
    number, command = request.pop("id"), request.pop("command")
    try:
        with trio.fail_after(CALL_SECONDS_MAX):
            done = await getattr(commands, command)(**request)
        send({"id": number, "ok": done})
    except Exception:
        send({"id": number, "error": traceback.format_exc()})


async def main():
    host = new_host()
    async with (
        host.run(listen_addrs=[Multiaddr("/ip4/127.0.0.1/tcp/0")]),
        trio.open_nursery() as nursery,
    ):
        bitswap = BitswapClient(host)
        bitswap.set_nursery(nursery)
        await bitswap.start()
        dht = KadDHT(host, DHTMode.SERVER)
        async with background_trio_service(dht):
            addresses = [str(address) for address in host.get_addrs()]
            send({"ready": {"peer": str(host.get_id()), "addresses": addresses}})
            commands = Commands(host, dht, bitswap)
            async for line in trio.wrap_file(sys.stdin):
                if json.loads(line)["command"] == "exit":
                    break
                await answer(commands, line)
            nursery.cancel_scope.cancel()


logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
trio.run(main)
