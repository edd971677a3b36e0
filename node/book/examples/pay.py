#!/usr/bin/env python3
"""Pays, asks and follows by a node's HTTP API, with Python's standard library alone.

It signs nothing: `quorate transfer FROM TO AMOUNT --sign-only FILE` makes the signed transfer,
on whatever machine has the key. This program sends the file, waits for the end, reads balances
and follows events.

    pay.py URL submit FILE          send a signed transfer and wait until it has ended
    pay.py URL batch FILE...        send up to 4,096 of them in one request
    pay.py URL wait ID              what became of a transfer
    pay.py URL balance ADDRESS      what an account has
    pay.py URL follow [--state FILE] [--count N]
                                    events from now on; with a state file, from where it ended

It ends with the exit status that the `quorate` program has for the same failure, 4 when the node
does not answer, and 7 when a transfer may have been taken: then send the same file again, which
can't pay twice.
"""

import argparse
import http.client
import json
import os
import struct
import sys
import time
import urllib.error
import urllib.request

BYTES = {"content-type": "application/octet-stream"}
# A node says that a stream is alive every 15 s.
SILENCE_S = 40


class Failed(Exception):
    """A failure with the exit status of the program."""

    def __init__(self, message, exit_status):
        super().__init__(message)
        self.exit_status = exit_status


def ask(url, body=None, headers=None):
    """One request; the document of the answer. A body makes it a POST."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    # Once the body may have left, silence is no refusal.
    silent = 4 if body is None else 7
    try:
        with urllib.request.urlopen(request, timeout=45) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        try:
            problem = json.load(error)
        except ValueError:
            raise Failed(f"{url}: HTTP {error.code}", silent) from error
        raise Failed(f"{problem['detail']} [{problem['code']}]", problem["exit"]) from error
    except urllib.error.URLError as error:
        refused = isinstance(error.reason, ConnectionRefusedError)
        raise Failed(f"{url}: {error.reason}", 4 if refused else silent) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Failed(f"{url}: {error}", silent) from error


def submit(node, file):
    """Sends one signed transfer; the same bytes again get the same answer."""
    with open(file, "rb") as signed:
        return ask(f"{node}/v1/transfers?wait=final", signed.read(), BYTES)


def batch(node, files):
    """Sends many: their count, then each with its length before it, 32 bits, little-endian."""
    body = struct.pack("<I", len(files))
    for file in files:
        with open(file, "rb") as signed:
            transfer = signed.read()
        body += struct.pack("<I", len(transfer)) + transfer
    return ask(f"{node}/v1/transfers/batch?wait=final", body, BYTES)


def events(node, last):
    """Server-sent events as (number, kind, document), from behind event `last` on. Ends when the
    connection does."""
    headers = {"accept": "text/event-stream"}
    if last is not None:
        headers["last-event-id"] = str(last)
    request = urllib.request.Request(f"{node}/v1/events", headers=headers)
    fields = {}
    with urllib.request.urlopen(request, timeout=SILENCE_S) as stream:
        for line in stream:
            line = line.decode().rstrip("\r\n")
            if line:
                # A line that begins with a colon only says that the stream is alive.
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if "data" in fields:
                number = int(fields["id"]) if "id" in fields else None
                yield number, fields.get("event", "message"), json.loads(fields["data"])
            fields = {}


def follow(node, state, count):
    """Prints events, and begins again behind the last one whenever the connection breaks."""
    last = None
    if state and os.path.exists(state):
        with open(state, encoding="utf-8") as file:
            last = int(file.read())
    while True:
        try:
            for number, kind, document in events(node, last):
                print(json.dumps({"number": number, "event": kind, "data": document}), flush=True)
                if number is None:
                    # A gap has no number: events were missed, so read what you rest on again. Of a
                    # node that was started anew, the numbers begin again.
                    if document["missed"] is None:
                        last = 0
                    continue
                last = number
                if state:
                    with open(f"{state}.new", "w", encoding="utf-8") as file:
                        file.write(str(last))
                    os.replace(f"{state}.new", state)
                if count is not None:
                    count -= 1
                    if count <= 0:
                        return
        except urllib.error.HTTPError as error:
            raise Failed(f"{node}: HTTP {error.code}", 4) from error
        except (OSError, http.client.HTTPException) as error:
            # Also what is cut off in the middle, as by a killed node.
            print(f"{node}: {error}; again in a second", file=sys.stderr)
        time.sleep(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("node", help="the node's URL, like http://127.0.0.1:7401")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("submit").add_argument("file")
    commands.add_parser("batch").add_argument("files", nargs="+")
    commands.add_parser("wait").add_argument("id")
    commands.add_parser("balance").add_argument("address")
    following = commands.add_parser("follow")
    following.add_argument("--state", help="file that keeps the number of the last event")
    following.add_argument("--count", type=int, help="end after so many events")
    given = parser.parse_args()
    node = given.node.rstrip("/")
    if given.command == "follow":
        return follow(node, given.state, given.count)
    if given.command == "submit":
        document = submit(node, given.file)
    elif given.command == "batch":
        document = batch(node, given.files)
    elif given.command == "wait":
        document = ask(f"{node}/v1/transfers/{given.id}?wait=10s")
    else:
        document = ask(f"{node}/v1/accounts/{given.address}")
    print(json.dumps(document))


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(failure.exit_status)
    except KeyboardInterrupt:
        sys.exit(130)
