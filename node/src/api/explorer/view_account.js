// An account: its balances and its tokens.

import { get } from "./api.js";
import { facts, h, panel, table } from "./dom.js";
import { count } from "./format.js";
import { assetLink, howGet, makerLink, tokenLink, transferLink, whole } from "./links.js";

const TOKENS_SHOWN = 50;

/** `#/account/DID`. */
export async function account(did) {
    const path = `/v1/accounts/${encodeURIComponent(did).replaceAll("%3A", ":")}`;
    const [found, first] = await Promise.all([
        get(path),
        get(`${path}/tokens?limit=${TOKENS_SHOWN}`),
    ]);
    const node = h(
        "div",
        { class: "grid" },
        panel("Account", facts(["Address", whole(found.address)]), { wide: true }),
        panel("Balances", balances(found), {
            how: howGet(path, `balance ${found.address}`),
            wide: true,
        }),
        panel("Tokens", tokens(path, first), {
            how: howGet(`${path}/tokens`, `tokens ${found.address}`),
            wide: true,
        }),
    );
    return { title: "Account", node };
}

function balances(found) {
    if (found.balances.length === 0) {
        return h("p", { class: "quiet" }, "It has nothing.");
    }
    const row = (balance) =>
        h(
            "tr",
            {},
            h(
                "td",
                {},
                assetLink(balance.asset),
                balance.name !== balance.asset && ` ${balance.name}`,
            ),
            h("td", { class: "n" }, balance.amount),
            h("td", { class: "n" }, balance.locked),
            h("td", { class: "n" }, count(balance.tokens)),
        );
    const heads = ["Asset", ["Amount", "n"], ["Of that locked", "n"], ["Tokens", "n"]];
    return table("Balances by asset", heads, h("tbody", {}, found.balances.map(row)));
}

function tokens(path, first) {
    const body = h("tbody");
    let next = null;
    const more = h("button", { type: "button" }, "Next tokens");
    // A page at a time, in the place of the one before: an account may have millions.
    const show = (page) => {
        body.replaceChildren(...page.tokens.map(row));
        next = page.next;
        more.hidden = next === null;
    };
    more.addEventListener("click", async () => {
        more.disabled = true;
        try {
            show(await get(`${path}/tokens?limit=${TOKENS_SHOWN}&after=${next}`));
        } finally {
            more.disabled = false;
        }
    });
    show(first);
    const heads = ["Token", "Asset", ["Amount", "n"], ["Height", "n"], "Made by", "Locked by"];
    return [table("Tokens, in order of their ids", heads, body), more];
}

function row(token) {
    return h(
        "tr",
        {},
        h("td", {}, tokenLink(token.id)),
        h("td", {}, assetLink(token.asset)),
        h("td", { class: "n" }, token.amount),
        h("td", { class: "n" }, count(token.height)),
        h("td", {}, makerLink(token.made_by)),
        h("td", {}, token.locked_by ? transferLink(token.locked_by) : "–"),
    );
}
