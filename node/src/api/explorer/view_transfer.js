// A transfer: what it is, its stages, its votes, its receipt, and the receipt verified here.

import { get, getBytes, getNetwork, getText } from "./api.js";
import { facts, h, panel } from "./dom.js";
import { count, time } from "./format.js";
import { accountLink, assetLink, batchLink, how, howGet, tokenLink, whole } from "./links.js";
import { proof } from "./proof.js";
import { stagesOf } from "./state.js";
import { waterfall } from "./waterfall.js";
import { verifyReceipt } from "./verify.js";
import { decodeReceipt } from "./canonical.js";
import { memberList } from "./votes.js";

/** Tokens named on the page. */
const TOKENS_SHOWN = 50;

/** `#/transfer/ID`. */
export async function transfer(id) {
    const path = `/v1/transfers/${encodeURIComponent(id)}`;
    const found = await get(path);
    const isFinal = found.status === "final";
    const bytes = isFinal ? await getBytes(`/v1/receipts/${found.id}`).catch(() => null) : null;
    const receipt = bytes && read(bytes);
    const parts = [
        panel("Transfer", about(found, receipt), {
            how: howGet(path, `tx show ${found.id}`),
            note: h(
                "span",
                { class: "state", "data-state": isFinal ? "good" : "bad" },
                found.status,
            ),
            wide: true,
        }),
        panel("Stages", stages(found), { how: howGet(path, `tx show ${found.id}`) }),
        panel("Votes", await votes(found), { how: howGet(path, `tx show ${found.id}`) }),
    ];
    if (isFinal) {
        parts.push(receiptPanel(found, receipt));
    }
    if (receipt) {
        parts.push(panel("Tokens", tokens(receipt), { how: howGet(path, `tx show ${found.id}`) }));
    }
    const node = h("div", { class: "grid" }, parts);
    return { title: "Transfer", node, ...(found.status === "submitted" && waiting(path)) };
}

/** Opens the view again when the transfer has ended. */
function waiting(path) {
    let isOpen = true;
    const start = async () => {
        while (isOpen) {
            const found = await get(`${path}?wait=5s`).catch(() => null);
            if (isOpen && found !== null && found.status !== "submitted") {
                window.dispatchEvent(new Event("hashchange"));
                return;
            }
            await new Promise((done) => setTimeout(done, 1_000));
        }
    };
    return { start, close: () => (isOpen = false) };
}

/** What the receipt says, unchecked; null for bytes that are none. */
function read(bytes) {
    try {
        return decodeReceipt(bytes);
    } catch {
        return null;
    }
}

function about(found, receipt) {
    return facts(
        ["Id", whole(found.id)],
        ["From", accountLink(found.from, found.from)],
        ["To", accountLink(found.to, found.to)],
        ["Amount", [h("strong", {}, found.amount), " ", assetLink(found.asset)]],
        ["Tokens spent", count(found.tokens_spent)],
        ["Memo", found.memo || null],
        ["Round", found.round ?? null],
        ["Batch", receipt && batchLink(receipt.certificate.batch, receipt.certificate.batch)],
        ["DHT", found.dht ?? null],
        ["Failure", found.error ? `${found.error.code}: ${found.error.message}` : null],
    );
}

function stages(found) {
    if (!found.stages_us) {
        return h(
            "p",
            { class: "quiet" },
            "Another validator proposed it, or it is long ago: only its proposer knows the " +
                "timings, and only for a while.",
        );
    }
    return waterfall(stagesOf(found.stages_us), found.stages_us.total);
}

async function votes(found) {
    if (found.locked) {
        const row = async ([of, members]) => [of.slice(0, 8), members.join(" ")];
        return facts(...(await Promise.all(Object.entries(found.locked.votes).map(row))));
    }
    if (!found.votes) {
        return h("p", { class: "quiet" }, "None that are kept.");
    }
    const { lock, commit, quorum } = found.votes;
    const kept = h("span", { class: "quiet" }, "not kept: the store holds Commit votes only");
    return facts(
        ["Lock", lock.length > 0 ? await memberList(lock, quorum) : kept],
        ["Commit", await memberList(commit, quorum)],
    );
}

function receiptPanel(found, receipt) {
    const path = `/v1/receipts/${found.id}`;
    const name = `${found.id.slice(0, 12)}.receipt.json`;
    const says = h("span", { class: "quiet", role: "status" });
    const download = h(
        "button",
        { type: "button", onclick: () => save(path, name, says) },
        "Download receipt",
    );
    const verify = proof("Verify in this page", async () => {
        const network = await getNetwork();
        return verifyReceipt(await getBytes(path), network, found.id);
    });
    const where = receipt
        ? `Entry ${receipt.inclusion.index} of ${receipt.inclusion.count} in its batch. `
        : "This node has no receipt of it. ";
    const words = `${where}A receipt proves without any node that the transfer is final.`;
    return panel("Receipt", [h("p", {}, words), h("p", {}, download, " ", says), verify], {
        how: how(
            ["curl", `curl -s -H 'accept: application/json' '$API${path}' > ${name}`],
            ["quorate", `quorate receipt verify ${name} --genesis genesis.json`],
        ),
    });
}

async function save(path, name, says) {
    try {
        const url = URL.createObjectURL(
            new Blob([await getText(path)], { type: "application/json" }),
        );
        h("a", { href: url, download: name }).click();
        setTimeout(() => URL.revokeObjectURL(url), 10_000);
        says.textContent = `saved as ${name}`;
    } catch (error) {
        says.textContent = `not saved: ${error.message}`;
    }
}

function tokens(receipt) {
    const { inputs } = receipt.entry.transfer;
    const shown = inputs.slice(0, TOKENS_SHOWN);
    const row = (input) =>
        h(
            "li",
            {},
            tokenLink(input.token),
            h("span", { class: "quiet" }, ` height ${input.height}`),
        );
    const rest = inputs.length - shown.length;
    return [
        h("p", {}, "Spent states of"),
        h("ul", { class: "ids" }, shown.map(row)),
        rest > 0 && h("p", { class: "quiet" }, `${count(rest)} more`),
    ];
}
