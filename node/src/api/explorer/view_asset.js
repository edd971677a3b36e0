// Assets: all of them with their supply, and one.

import { get, getNetwork } from "./api.js";
import { facts, h, panel, table } from "./dom.js";
import { count } from "./format.js";
import { assetLink, howGet, whole } from "./links.js";

const ASSETS_SHOWN = 100;

/** The supply's row of an asset by its id; null when this node knows none. Rows come in order of
 *  the ids, so the one after the id before is it. */
export async function findAsset(id) {
    const number = BigInt(`0x${id}`);
    const before = number > 0n ? (number - 1n).toString(16).padStart(64, "0") : null;
    const after = before === null ? "" : `&after=${before}`;
    const [row] = (await get(`/v1/supply?limit=1${after}`)).supply;
    return row?.asset_id === id ? row : null;
}

/** `#/asset/NAME` of a genesis asset, `#/asset/ID` of any. */
export async function asset(name) {
    const network = await getNetwork();
    const known = network.assets.find((asset) => asset.name === name || asset.id === name);
    const id = known?.id ?? name;
    const row = /^[0-9a-f]{64}$/.test(id) ? await findAsset(id) : null;
    if (row === null) {
        return { title: "Not known here", node: h("p", {}, "This node knows no such asset.") };
    }
    const isWhole = row.issued === row.live;
    const about = facts(
        ["Name", row.name],
        ["Id", whole(row.asset_id)],
        ["From", known ? "the genesis" : "an issue; its name is only a label and may repeat"],
        ["Decimals", count(row.decimals)],
        ["Issued", row.issued],
        ["Live", row.live],
        [
            "Books",
            h(
                "span",
                { class: isWhole ? "good" : "bad" },
                isWhole
                    ? "issued and live are equal"
                    : "issued and live differ: something is wrong",
            ),
        ],
    );
    const node = panel("Asset", about, {
        how: howGet(`/v1/supply`, "status"),
        wide: true,
    });
    return { title: `Asset ${row.name}`, node };
}

/** `#/assets`, `#/assets/AFTER`. */
export async function assets(after) {
    const from = /^[0-9a-f]{64}$/.test(after) ? `&after=${after}` : "";
    const path = `/v1/supply?limit=${ASSETS_SHOWN}${from}`;
    const { supply, next } = await get(path);
    const row = (asset) =>
        h(
            "tr",
            {},
            h("td", {}, assetLink(asset.asset, asset.name)),
            h("td", {}, assetLink(asset.asset_id)),
            h("td", { class: "n" }, asset.issued),
            h("td", { class: "n" }, asset.live),
        );
    const heads = ["Name", "Id", ["Issued", "n"], ["Live", "n"]];
    const node = panel(
        "Supply",
        [
            table("Assets, in order of their ids", heads, h("tbody", {}, supply.map(row))),
            next && h("p", { class: "pages" }, h("a", { href: `#/assets/${next}` }, "Next")),
        ],
        { how: howGet(path, "status"), wide: true },
    );
    return { title: "Assets", node };
}
