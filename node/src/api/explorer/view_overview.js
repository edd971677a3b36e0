// The overview: validators, finality, and what happens now.

import { getNetwork } from "./api.js";
import { finality } from "./charts.js";
import { h, keyed, panel, say, table } from "./dom.js";
import { ago, bytes, count, duration, time } from "./format.js";
import { accountLink, batchLink, how, howGet, transferLink } from "./links.js";
import { nodeState } from "./node_state.js";
import { ring } from "./ring.js";
import { live, stagesOf } from "./state.js";
import { dots } from "./votes.js";
import { legend, stageBar } from "./waterfall.js";

/** Rows of the live lists. */
const BATCHES_SHOWN = 14;
const TRANSFERS_SHOWN = 14;
/** Above this many transfers a second, those that were looked up are shown and no others. */
const SAMPLED_FROM = 8;
/** The lists follow the events at most this often, ms. */
const DRAW_MS = 250;

/** Whether the panel of a testnet serves this page, and not a node. */
const hasPanel = document.querySelector('meta[name="quorate-panel"]') !== null;

/** `#/`. */
export async function overview() {
    const network = await getNetwork();
    const members = network.committee.map((member) => member.name);
    const tiles = tileRow();
    const testnet = hasPanel ? await (await import("./testnet_panels.js")).testnetPanels() : null;
    const validators = validatorPanel(testnet?.controls);
    const charts = finality();
    const batches = batchPanel(members);
    const transfers = transferPanel();
    const final = panel("Finality", charts.node, {
        how: how(
            ["curl", "curl -s '$API/metrics' | grep stage_seconds"],
            ["quorate", null],
        ),
    });
    const beside =
        testnet === null
            ? final
            : h("div", { class: "column" }, testnet.transfer, testnet.faucet, final);
    const node = h(
        "div",
        {},
        tiles.node,
        h(
            "div",
            { class: "grid" },
            validators.node,
            beside,
            batches.node,
            transfers.node,
        ),
    );
    const onNode = () => {
        tiles.draw();
        validators.draw();
    };
    let last = 0;
    let timer = null;
    const drawLists = () => {
        timer = null;
        last = Date.now();
        batches.draw();
        transfers.draw();
    };
    const onLive = () => {
        timer ??= setTimeout(drawLists, Math.max(0, last + DRAW_MS - Date.now()));
    };
    let ticker = null;
    return {
        title: "Overview",
        isQuiet: true,
        node,
        start() {
            onNode();
            drawLists();
            charts.start();
            testnet?.start();
            nodeState.addEventListener("change", onNode);
            live.addEventListener("change", onLive);
            ticker = setInterval(() => {
                if (document.visibilityState !== "hidden") {
                    charts.draw();
                    onLive();
                }
            }, 1_000);
        },
        close() {
            nodeState.removeEventListener("change", onNode);
            live.removeEventListener("change", onLive);
            clearInterval(ticker);
            clearTimeout(timer);
            charts.close();
            testnet?.close();
        },
    };
}

function tileRow() {
    const values = new Map();
    const tile = (name, text) => {
        const value = h("dd", {}, "–");
        values.set(name, value);
        return h("div", {}, h("dt", {}, text), value);
    };
    const node = h(
        "dl",
        { class: "tiles" },
        tile("applied", "transfers final"),
        tile("batches", "batches"),
        tile("rate", "final per second"),
        tile("locks", "states locked"),
        tile("reach", "weight reached"),
        tile("up", "node up for"),
    );
    const draw = () => {
        const found = nodeState.node;
        if (found === null) {
            return;
        }
        say(values.get("applied"), count(found.applied));
        say(values.get("batches"), count(found.batches));
        say(values.get("rate"), live.rate().toFixed(1));
        say(values.get("locks"), count(found.locks));
        say(values.get("reach"), `${found.reachable}, quorum ${found.quorum}`);
        say(values.get("up"), duration(found.uptime_s));
    };
    return { node, draw };
}

function validatorPanel(controls = null) {
    const { picture, update } = ring();
    const body = h("tbody");
    const heads = [
        "Name",
        "Health",
        ["Round trip", "n"],
        ["Applied", "n"],
        ["Lock votes", "n"],
        ["Commit votes", "n"],
        ["Sent", "n"],
        ["Faults", "n"],
    ];
    const seen = h("span", { class: "quiet" });
    const words = "Around each: its share of the Lock votes seen of late, or of Commit votes.";
    const list = table("Validators as this node sees them", heads, body);
    const shown = [picture, h("p", { class: "quiet middle" }, words), list, controls];
    const node = panel("Validators", shown, {
        how: howGet("/v1/validators", "peers"),
        note: seen,
    });
    const make = () =>
        h(
            "tr",
            {},
            h("th", { scope: "row" }),
            Array.from({ length: 7 }, (_, i) => h("td", { class: i === 0 ? null : "n" })),
        );
    const share = ([voted, counted]) =>
        counted === 0 ? "–" : `${Math.round((100 * voted) / counted)} %`;
    const refresh = (element, row) => {
        const votes = live.votesOf(row.name);
        const health = row.self ? "this node" : row.up ? "up" : "down";
        const cells = [
            row.name,
            health,
            row.self || !row.up ? "–" : time(row.rtt_us),
            count(row.applied),
            share(votes.lock),
            share(votes.commit),
            row.self ? "–" : bytes(row.bytes_sent),
            count(row.blamed),
        ];
        cells.forEach((text, at) => say(element.children[at], text));
        element.children[1].className = row.up ? "good" : "bad";
        element.children[1].title = row.error ?? "";
    };
    const draw = () => {
        const { node: found, validators } = nodeState;
        if (found === null || validators === null) {
            return;
        }
        update(validators.validators, found);
        keyed(body, validators.validators, { key: (row) => row.name, make, update: refresh });
        say(seen, `as ${validators.seen_by} sees them`);
    };
    return { node, draw };
}

function batchPanel(members) {
    const body = h("tbody");
    const heads = ["Batch", "From", ["Transfers", "n"], "Commit votes", "Stages", ["Seen", "n"]];
    const empty = h("p", { class: "quiet" }, "Waiting for the next batch…");
    const node = panel(
        "Live batches",
        [table("Latest batches, newest first", heads, body), empty, legend()],
        {
            how: how(
                ["curl", "curl -sN '$API/v1/events'"],
                ["curl", "curl -s '$API/v1/batches?after=0'"],
                ["quorate", null],
            ),
            note: h("a", { href: "#/batches" }, "all"),
        },
    );
    const make = (batch) =>
        h(
            "tr",
            {},
            h("td", {}, batchLink(batch.id)),
            Array.from({ length: 5 }, (_, i) =>
                h("td", { class: i === 1 || i === 4 ? "n" : null }),
            ),
        );
    const refresh = (element, batch) => {
        const cells = element.children;
        say(cells[1], batch.proposer ?? "");
        say(cells[2], count(batch.transfers));
        const votes = batch.commit?.join() ?? "";
        if (element.dataset.votes !== votes) {
            element.dataset.votes = votes;
            cells[3].replaceChildren(dots(members, batch.commit));
        }
        if (batch.stages !== null && cells[4].childElementCount === 0) {
            cells[4].append(stageBar(stagesOf(batch.stages)));
        }
        say(cells[5], ago(batch.at, Date.now()));
    };
    const draw = () => {
        const shown = live.batches.slice(0, BATCHES_SHOWN);
        empty.hidden = shown.length > 0;
        keyed(body, shown, { key: (batch) => batch.id, make, update: refresh });
    };
    return { node, draw };
}

function transferPanel() {
    const body = h("tbody");
    const heads = ["Transfer", "From", "To", ["Amount", "n"], "State", ["Time", "n"]];
    const empty = h("p", { class: "quiet" }, "Waiting for the next transfer…");
    const sample = h("span", { class: "quiet" });
    const node = panel(
        "Live transfers",
        [table("Latest transfers, newest first", heads, body), empty],
        {
            how: how(["curl", "curl -sN '$API/v1/events'"], ["quorate", "quorate tx list"]),
            note: sample,
        },
    );
    const make = (transfer) =>
        h(
            "tr",
            {},
            h("td", {}, transferLink(transfer.id)),
            Array.from({ length: 5 }, (_, i) =>
                h("td", { class: i === 2 || i === 4 ? "n" : null }),
            ),
        );
    const refresh = (element, transfer) => {
        const cells = element.children;
        if (transfer.from !== null && cells[1].childElementCount === 0) {
            cells[1].append(accountLink(transfer.from));
            cells[2].append(accountLink(transfer.to));
            // An issued asset is named by its id, which is long.
            const asset =
                transfer.asset.length > 20 ? `${transfer.asset.slice(0, 6)}…` : transfer.asset;
            say(cells[3], `${transfer.amount} ${asset}`);
        }
        const status = transfer.status ?? "…";
        say(cells[4], status);
        cells[4].className = status === "final" ? "good" : "bad";
        say(cells[5], transfer.total === undefined ? "–" : time(transfer.total));
    };
    const draw = () => {
        const isSample = live.rate() > SAMPLED_FROM;
        say(sample, isSample ? "a sample" : "");
        const some = live.transfers.filter((transfer) => !isSample || transfer.from !== null);
        const shown = some.slice(0, TRANSFERS_SHOWN);
        empty.hidden = shown.length > 0;
        keyed(body, shown, { key: (transfer) => transfer.id, make, update: refresh });
    };
    return { node, draw };
}
