// Verifies a receipt in this page, with the browser's own cryptography and nothing from the node
// but the receipt's bytes and the committee. The same checks as `Receipt::verify` in `ledger`:
// form, id, network, rules, owner's signature, place in the batch, every vote, the quorum.
//
// Not checked here: that the committee is the right one. It is the one that this node names; who
// has the genesis file checks with `quorate receipt verify FILE --genesis FILE`.

import { addressOf, keyOf } from "./address.js";
import { NotCanonical, decodeReceipt, hasBit, hex, little, unhex } from "./canonical.js";
import { checkRules } from "./rules.js";

const text = new TextEncoder();

/** Joins byte strings. */
export function join(...parts) {
    const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        out.set(part, at);
        at += part.length;
    }
    return out;
}

/** sha2-256 over a tag (its length, its text) and the parts: hash.rs. */
export async function hash(tag, ...parts) {
    const name = text.encode(`quorate/1/${tag}`);
    const bytes = join(Uint8Array.of(name.length), name, ...parts);
    return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** What is signed: tag (16 bytes), network, epoch, body: statement.rs. */
function statement(tag, network, epoch, ...body) {
    return join(text.encode(`quorate/1 ${tag}`), unhex(network), little(epoch, 8), ...body);
}

/** Whether this browser can check Ed25519 signatures here; a page that did not come from
 *  loopback or over TLS has no cryptography. */
export async function canVerify() {
    try {
        await crypto.subtle.importKey("raw", new Uint8Array(32).fill(7), "Ed25519", false, [
            "verify",
        ]);
        return true;
    } catch (error) {
        // A key that is no point of the curve is refused by some, and that is an Ed25519, too.
        return error instanceof DOMException && error.name === "DataError";
    }
}

async function isSigned(key, signature, message) {
    try {
        const imported = await crypto.subtle.importKey("raw", unhex(key), "Ed25519", false, [
            "verify",
        ]);
        return await crypto.subtle.verify("Ed25519", imported, signature, message);
    } catch {
        return false;
    }
}

/** The batch id that a leaf leads to; null when the path has not the length that index and count
 *  demand: merkle.rs. */
async function rootOfPath(leaf, { index, count, path }) {
    if (index >= count || count > 4_096) {
        return null;
    }
    let [node, at, width, used] = [leaf, index, count, 0];
    while (width > 1) {
        const isRight = at % 2 === 1;
        if (isRight || at + 1 < width) {
            const sibling = path[used];
            if (sibling === undefined) {
                return null;
            }
            used += 1;
            node = await hash("node", ...(isRight ? [sibling, node] : [node, sibling]));
        }
        at = Math.floor(at / 2);
        width = Math.ceil(width / 2);
    }
    return used === path.length ? hash("root", little(count, 4), node) : null;
}

async function leafOf(entry, id) {
    const proof = await hash("proof", entry.signature, entry.justification);
    return hash("leaf", unhex(id), little(entry.round, 4), proof);
}

/** Checks every vote and adds up the weights for entry `index`. */
async function checkVotes({ certificate, inclusion }, network, check) {
    const epoch = BigInt(network.epoch);
    check(
        "Commit certificate of this epoch",
        certificate.phase === "commit" && certificate.epoch === epoch,
    );
    const seen = new Set();
    let weight = 0n;
    for (const group of certificate.groups) {
        const body = [unhex(certificate.batch), group.bitmap.bytes];
        const message = statement("commit", network.network, certificate.epoch, ...body);
        for (const vote of group.votes) {
            const member = network.committee[vote.member];
            const key = member === undefined ? null : keyOf(member.key);
            const isNew = !seen.has(vote.member);
            seen.add(vote.member);
            const isGood =
                key !== null &&
                isNew &&
                group.bitmap.count === inclusion.count &&
                (await isSigned(key, vote.signature, message));
            check(`Commit vote of ${member?.name ?? `stranger ${vote.member}`}`, isGood);
            if (isGood && hasBit(group.bitmap, inclusion.index)) {
                weight += BigInt(member.weight);
            }
        }
    }
    const quorum = BigInt(network.quorum);
    check(`Weight ${weight} of the votes for it reaches the quorum of ${quorum}`, weight >= quorum);
}

/** The quorum that a committee must have: more than two thirds of the weight (committee.rs). */
function quorumOf(committee) {
    const weight = committee.reduce((sum, member) => sum + BigInt(member.weight), 0n);
    return (2n * weight) / 3n + 1n;
}

/** Verifies canonical bytes. `network` is `/v1/network`'s document, `wanted` the transfer's id.
 *  Gives each check with its result; `ok` only when all were made and all hold. */
export async function verifyReceipt(bytes, network, wanted) {
    const checks = [];
    const check = (what, ok) => {
        checks.push({ what, ok });
        return ok;
    };
    let receipt;
    try {
        receipt = decodeReceipt(bytes);
    } catch (error) {
        if (!(error instanceof NotCanonical)) {
            throw error;
        }
        check(`The bytes are no receipt: ${error.message}`, false);
        return { ok: false, checks, receipt: null, id: null };
    }
    const { entry, inclusion, certificate } = receipt;
    const { transfer } = entry;
    const id = hex(await hash("transfer", transfer.bytes));
    check("The bytes are a receipt in canonical form", true);
    check("The transfer's hash is the id asked for", id === wanted);
    check(
        "It is of this network and epoch",
        transfer.network === network.network && transfer.epoch === BigInt(network.epoch),
    );
    const broken = checkRules(transfer, network);
    check(broken ?? "Inputs and outputs balance, and keep the rules of their shape", !broken);
    const owner = addressOf(transfer.owner);
    const signed = statement("xfer  ", transfer.network, transfer.epoch, unhex(id));
    check(
        `Signature of the owner ${owner.slice(8, 16)}…`,
        await isSigned(transfer.owner, entry.signature, signed),
    );
    const root = await rootOfPath(await leafOf(entry, id), inclusion);
    check(
        `Merkle path from entry ${inclusion.index} of ${inclusion.count} to the batch's id`,
        root !== null && hex(root) === certificate.batch,
    );
    check(
        "The quorum named is the one of this committee",
        quorumOf(network.committee) === BigInt(network.quorum),
    );
    await checkVotes(receipt, network, check);
    return { ok: checks.every(({ ok }) => ok), checks, receipt, id };
}
