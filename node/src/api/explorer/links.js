// Links between the pages, and the commands that show the same as a panel.

import { h } from "./dom.js";
import { isZero, short } from "./format.js";

function link(kind, id, text, label) {
    const shown = text ?? short(id);
    return h(
        "a",
        {
            href: `#/${kind}/${encodeURIComponent(id)}`,
            class: "id",
            title: id,
            "aria-label": label,
        },
        shown,
    );
}

export const transferLink = (id, text) => link("transfer", id, text, `transfer ${id}`);
export const batchLink = (id, text) => link("batch", id, text, `batch ${id}`);
export const tokenLink = (id, text) => link("token", id, text, `token ${id}`);
export const accountLink = (did, text) => link("account", did, text, `account ${did}`);

/** An asset by the name that documents give it: a genesis asset's name, else an id. */
export const assetLink = (asset, text) => link("asset", asset, text, `asset ${asset}`);

/** The transfer that made a state: none for the genesis. */
export function makerLink(id) {
    return isZero(id) ? "genesis" : transferLink(id);
}

/** A whole id, to read and to copy. */
export function whole(id) {
    return h("code", { class: "whole" }, id);
}

/** How a terminal shows what a panel shows. Lines are [program, text]; a null text says that the
 *  program has no such command. */
export function how(...lines) {
    const origin = location.origin;
    const row = ([program, text]) => [
        h("dt", {}, program),
        h("dd", {}, text === null ? "has no command for this" : h("code", {}, text)),
    ];
    const all = lines.map(([program, text]) => [program, text?.replaceAll("$API", origin) ?? null]);
    const programs = [...new Set(lines.map(([program]) => program))];
    return h(
        "details",
        { class: "how" },
        h("summary", {}, programs.join(" · ")),
        h("dl", {}, all.map(row)),
    );
}

/** The same for a path of the API and a command of `quorate`. */
export function howGet(path, command, flags = "-s") {
    return how(
        ["curl", `curl ${flags} '$API${path}'`],
        ["quorate", command === null ? null : `quorate --node $API ${command}`],
    );
}
