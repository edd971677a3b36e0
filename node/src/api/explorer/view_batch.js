// A batch, and the applied log.

import { get } from "./api.js";
import { facts, h, panel, table } from "./dom.js";
import { count } from "./format.js";
import { batchLink, howGet, transferLink, whole } from "./links.js";
import { memberList } from "./votes.js";

/** Entries on the page; the rest is in the API's document. */
const ENTRIES_SHOWN = 500;
const LINES_SHOWN = 50;

/** `#/batch/ID`. */
export async function batch(id) {
    const found = await get(`/v1/batches/${encodeURIComponent(id)}`);
    const finals = found.entries.filter((entry) => entry.final).length;
    const about = facts(
        ["Id", whole(found.id)],
        ["Proposed by", found.proposer],
        ["Epoch", count(found.epoch)],
        [
            "Entries",
            `${count(found.entries.length)}, ${count(finals)} of them final by this certificate`,
        ],
        ["Commit votes", await memberList(found.commit, found.quorum)],
    );
    const row = (entry, index) =>
        h(
            "tr",
            {},
            h("td", { class: "n" }, index),
            h("td", {}, transferLink(entry.id)),
            h("td", { class: "n" }, entry.round),
            h("td", {}, entry.final ? "final" : "not by this certificate"),
        );
    const shown = found.entries.slice(0, ENTRIES_SHOWN);
    const list = table(
        "Transfers of the batch",
        [["#", "n"], "Transfer", ["Round", "n"], "State"],
        h("tbody", {}, shown.map(row)),
    );
    const rest = found.entries.length - shown.length;
    const node = h(
        "div",
        { class: "grid" },
        panel("Batch", about, { how: howGet(`/v1/batches/${found.id}`, null), wide: true }),
        panel("Transfers", [list, rest > 0 && h("p", { class: "quiet" }, `${count(rest)} more.`)], {
            wide: true,
        }),
    );
    return { title: "Batch", node };
}

/** `#/batches`, `#/batches/BEFORE`: the applied log, newest first. */
export async function batches(before) {
    const { count: lines } = await get("/v1/batches?limit=1");
    const end = /^\d{1,15}$/.test(before) ? Math.min(Number(before), lines) : lines;
    const begin = Math.max(0, end - LINES_SHOWN);
    const after = begin > 0 ? `&after=${begin - 1}` : "";
    const path = `/v1/batches?limit=${Math.max(1, end - begin)}${after}`;
    const found = await get(path);
    const row = (line) =>
        h(
            "tr",
            {},
            h("td", { class: "n" }, count(line.position)),
            h("td", {}, batchLink(line.id)),
            h("td", { class: "n" }, count(line.applied)),
        );
    const body = h("tbody", {}, found.batches.toReversed().map(row));
    const older = begin > 0 && h("a", { href: `#/batches/${begin}` }, "Older");
    const newest = end < lines && h("a", { href: "#/batches" }, "Newest");
    const node = panel(
        "Applied log",
        [
            table(
                "Batches, newest first",
                [["Position", "n"], "Batch", ["Transfers applied", "n"]],
                body,
            ),
            h("p", { class: "pages" }, newest, older),
        ],
        { how: howGet(path, null), wide: true },
    );
    return { title: "Batches", node };
}
