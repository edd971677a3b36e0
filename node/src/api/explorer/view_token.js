// A token: where it stands, and its provenance as a vertical chain, each link with its certificate.

import { get, getBytes, getNetwork } from "./api.js";
import { verifyEnd, verifyLink } from "./chain.js";
import { facts, h, panel, put } from "./dom.js";
import { count, isZero, short } from "./format.js";
import { accountLink, assetLink, howGet, transferLink, whole } from "./links.js";
import { list } from "./proof.js";
import { canVerify } from "./verify.js";

/** `#/token/ID`. */
export async function token(id) {
    const path = `/v1/tokens/${encodeURIComponent(id)}`;
    const [found, history] = await Promise.all([get(path), get(`${path}/history`)]);
    const state = found.ended_by ? "ended" : found.locked_by ? "locked" : "live";
    const about = facts(
        ["Id", whole(found.id)],
        ["Owner", accountLink(found.owner, found.owner)],
        ["Amount", [h("strong", {}, found.amount), " ", assetLink(found.asset)]],
        ["Height", count(found.height)],
        ["State CID", whole(found.state_cid)],
        ["Locked by", found.locked_by && transferLink(found.locked_by, found.locked_by)],
        ["Ended by", found.ended_by && transferLink(found.ended_by, found.ended_by)],
    );
    const chain = new Chain(found, history);
    const node = h(
        "div",
        { class: "grid" },
        panel("Token", about, {
            how: howGet(path, `token show ${found.id}`),
            note: h(
                "span",
                { class: "state", "data-state": state === "live" ? "good" : "quiet" },
                state,
            ),
            wide: true,
        }),
        panel("Provenance", chain.node, {
            how: howGet(`${path}/history`, `token verify ${found.id}`),
            wide: true,
        }),
    );
    return { title: "Token", node };
}

/** The links that are loaded, newest first, and what was found of each. */
class Chain {
    #id;
    #rows = [];
    #next;
    #endedBy;
    #items = [];
    #list = h("ol", { class: "chain", reversed: true });
    #says = h("p", { role: "status", class: "verdict" });
    #verify = h(
        "button",
        { type: "button", onclick: () => this.#verifyAll() },
        "Verify this chain in this page",
    );
    #more = h("button", { type: "button", onclick: () => this.#load() }, "Load older links");
    #end = null;

    constructor(found, history) {
        this.#id = found.id;
        this.#endedBy = history.ended_by;
        if (this.#endedBy) {
            this.#end = h("div", { class: "found" });
            this.#list.append(
                h(
                    "li",
                    { class: "end" },
                    h("b", {}, "ended"),
                    " by ",
                    transferLink(this.#endedBy),
                    this.#end,
                ),
            );
        }
        this.#add(history);
        this.node = h("div", {}, h("p", {}, this.#verify), this.#says, this.#list, this.#more);
    }

    #add(history) {
        for (const row of history.history) {
            const found = h("div", { class: "found" });
            const item = h("li", {}, link(row), found);
            this.#rows.push(row);
            this.#items.push({ item, found });
            this.#list.append(item);
        }
        this.#next = history.next;
        this.#more.hidden = this.#next === null;
    }

    async #load() {
        this.#more.disabled = true;
        try {
            this.#add(await get(`/v1/tokens/${this.#id}/history?after=${this.#next}`));
            put(this.#says);
        } catch (error) {
            put(this.#says, error.message);
        }
        this.#more.disabled = false;
    }

    async #verifyAll() {
        this.#verify.disabled = true;
        put(this.#says, "Verifying…");
        delete this.#says.dataset.verdict;
        try {
            put(this.#says, await this.#verifyLoaded());
        } catch (error) {
            put(this.#says, `Not verified: ${error.message}`);
        }
        this.#verify.disabled = false;
    }

    async #verifyLoaded() {
        if (!(await canVerify())) {
            return "Not verified: this browser can't verify Ed25519 here.";
        }
        const receiptOf = (id) => getBytes(`/v1/receipts/${id}`);
        const with_ = { network: await getNetwork(), receiptOf };
        let [failed, proved, genesis] = [0, 0, 0];
        const mark = (found, result, element) => {
            const words =
                result.ok === null ? "genesis state" : result.ok ? "verified" : "not proved";
            element?.setAttribute(
                "data-proof",
                result.ok === null ? "genesis" : result.ok ? "holds" : "fails",
            );
            const summary = h("summary", {}, `${words}: ${result.checks.length} checks`);
            put(found, h("details", { open: result.ok === false }, summary, list(result.checks)));
            failed += result.ok === false ? 1 : 0;
            proved += result.ok === true ? 1 : 0;
            genesis += result.ok === null ? 1 : 0;
        };
        if (this.#endedBy) {
            mark(this.#end, await verifyEnd(this.#id, this.#endedBy, this.#rows[0], with_));
        }
        const rows = [...this.#rows];
        for (const [at, row] of rows.entries()) {
            const { found, item } = this.#items[at];
            mark(found, await verifyLink(this.#id, row, rows[at + 1], with_), item);
        }
        this.#says.dataset.verdict = failed > 0 ? "fails" : proved > 0 ? "holds" : "nothing";
        return words({ failed, proved, genesis, isWhole: this.#next === null });
    }
}

function words({ failed, proved, genesis, isWhole }) {
    if (failed > 0) {
        return `Not proved: ${failed} of ${failed + proved + genesis} links fail.`;
    }
    const first =
        genesis > 0
            ? " Its first state is said to be of the genesis, which this page does not have: " +
              "quorate token verify checks that, too."
            : "";
    const rest = isWhole ? "" : " Older links are not loaded and not verified.";
    const number = `${count(proved)} ${proved === 1 ? "link" : "links"}`;
    const links = `${number} verified in this page, with the committee that this node names.`;
    return proved === 0 && isWhole
        ? `No transfer has moved it: nothing to verify.${first}`
        : links + first + rest;
}

function link(row) {
    const owner = accountLink(row.owner);
    const by = isZero(row.made_by)
        ? h("span", {}, "genesis")
        : [
              h("span", { class: "quiet" }, row.from ? "moved by " : "made by "),
              transferLink(row.made_by),
          ];
    return h(
        "div",
        { class: "link" },
        h("span", { class: "height" }, `height ${count(row.height)}`),
        h("span", {}, row.from ? [accountLink(row.from), " → ", owner] : owner),
        h("span", {}, by),
        h("code", { class: "quiet", title: row.state_cid }, short(row.state_cid)),
    );
}
