// Evidence: proofs that keys misbehaved.

import { get } from "./api.js";
import { facts, h, panel } from "./dom.js";
import { count } from "./format.js";
import { accountLink, batchLink, how, tokenLink, transferLink } from "./links.js";

const SHOWN = 20;
const KINDS = {
    owner: "an owner signed two transfers of one state",
    votes: "a validator took a vote back",
    fork: "two final transfers of one state",
};

/** `#/evidence`, `#/evidence/AFTER`. */
export async function evidence(after) {
    const from = /^\d{1,15}$/.test(after) ? `&after=${after}` : "";
    const found = await get(`/v1/evidence?limit=${SHOWN}${from}`);
    const commands = how(
        ["curl", "curl -s '$API/v1/evidence' > evidence.json"],
        ["quorate", "quorate --node $API --json evidence list > evidence.json"],
        ["quorate", "quorate evidence verify evidence.json --genesis genesis.json"],
    );
    const none = h("p", {}, "This node keeps none: it has seen no key contradict itself.");
    const body = found.count === 0 ? none : found.evidence.map(piece);
    const next = found.next !== null && h("a", { href: `#/evidence/${found.next}` }, "Next");
    const words =
        "Two signed statements that contradict each other. They are shown as this node tells " +
        "them; the command below checks them with the genesis file alone.";
    const node = panel(
        "Evidence",
        [h("p", { class: "quiet" }, words), body, h("p", { class: "pages" }, next)],
        {
            how: commands,
            note: h("span", { class: "quiet" }, count(found.count)),
            wide: true,
        },
    );
    return { title: "Evidence", node };
}

function piece(row) {
    const isVotes = row.kind === "votes";
    const about = isVotes ? [batchLink(row.about[0])] : row.about.map((id) => transferLink(id));
    const { contradiction: what } = row;
    return h(
        "section",
        { class: "piece" },
        h("h3", {}, `${row.position} · ${KINDS[row.kind] ?? row.kind}`),
        facts(
            ["By", row.by.startsWith("did:") ? accountLink(row.by) : row.by],
            [isVotes ? "Batch" : "Transfers", about.map((link) => [link, " "])],
            [
                "Token",
                what.token && [
                    tokenLink(what.token),
                    ` height ${what.height}, round ${what.round}`,
                ],
            ],
            ["Phase", what.phase ?? null],
            ["Only first", what.only_first && what.only_first.slice(0, 40).join(" ")],
            ["Only second", what.only_second && what.only_second.slice(0, 40).join(" ")],
            ["Digest", h("code", { class: "whole" }, row.digest)],
        ),
    );
}
