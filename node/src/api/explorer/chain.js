// Verifies a token's chain, link by link: each link's receipt, and that links fit together. What is
// compared with is what the node says in `/v1/tokens/{id}/history`.

import { addressOf, stateCid } from "./address.js";
import { hex, little, unhex } from "./canonical.js";
import { isZero } from "./format.js";
import { hash, join, verifyReceipt } from "./verify.js";

/** The canonical bytes of a token's state. */
function stateBytes(token, height, madeBy) {
    return join(unhex(token), little(height, 8), unhex(madeBy));
}

/** What a receipt's transfer says of a token: the state it spends, and what it makes. */
async function stepOf(token, id, transfer) {
    const at = transfer.inputs.findIndex((input) => input.token === token);
    if (at >= 0) {
        const output = transfer.outputs.find((o) => o.kind === "move" && o.input === at);
        const spent = transfer.inputs[at];
        const made = output && { height: spent.height + 1n, owner: addressOf(output.to) };
        return { spent: { ...spent, owner: addressOf(transfer.owner) }, made: made ?? null };
    }
    for (const [index, output] of transfer.outputs.entries()) {
        if (output.kind !== "move") {
            const made = await hash("token", unhex(id), little(index, 4));
            if (hex(made) === token) {
                return { spent: null, made: { height: 0n, owner: addressOf(output.to) } };
            }
        }
    }
    return null;
}

/** Verifies the link `row`; `below` is the row of the height before, where it is loaded. Gives
 *  checks as `verifyReceipt` does. Of a genesis state there is no receipt: `ok` is null. */
export async function verifyLink(token, row, below, { network, receiptOf }) {
    const state = stateBytes(token, row.height, row.made_by);
    const isCid = (await stateCid(state)) === row.state_cid;
    const cid = { what: "The state's CID is the hash of token, height and maker", ok: isCid };
    if (isZero(row.made_by)) {
        const isFirst = row.height === 0;
        const first = { what: "A state of the genesis has height 0", ok: isFirst };
        return { ok: isCid && isFirst ? null : false, checks: [cid, first] };
    }
    const bytes = await receiptOf(row.made_by);
    const found = await verifyReceipt(bytes, network, row.made_by);
    const checks = [cid, ...found.checks];
    const step = found.receipt && (await stepOf(token, found.id, found.receipt.entry.transfer));
    const made = step?.made;
    checks.push({
        what: "The transfer makes this height, for this owner",
        ok: made?.height === BigInt(row.height) && made?.owner === row.owner,
    });
    if (below !== undefined) {
        const { spent } = step ?? {};
        checks.push({
            what: "It spends exactly the state below, signed by that state's owner",
            ok:
                spent?.height === BigInt(below.height) &&
                spent?.madeBy === below.made_by &&
                spent?.owner === below.owner,
        });
    } else {
        const isLowest = row.height === 0;
        checks.push({
            what: isLowest ? "The token begins here" : "It spends a state of the height below",
            ok: isLowest ? step?.spent === null : step?.spent?.height === BigInt(row.height) - 1n,
        });
    }
    return { ok: checks.every(({ ok }) => ok), checks };
}

/** Verifies what ended a token: a transfer that spends its newest state and does not move it. */
export async function verifyEnd(token, endedBy, newest, { network, receiptOf }) {
    const found = await verifyReceipt(await receiptOf(endedBy), network, endedBy);
    const step = found.receipt && (await stepOf(token, found.id, found.receipt.entry.transfer));
    const isEnd =
        step?.made === null &&
        step.spent?.height === BigInt(newest.height) &&
        step.spent.madeBy === newest.made_by &&
        step.spent.owner === newest.owner;
    const end = { what: "It spends the newest state and does not move the token on", ok: isEnd };
    const checks = [...found.checks, end];
    return { ok: checks.every(({ ok }) => ok), checks };
}
