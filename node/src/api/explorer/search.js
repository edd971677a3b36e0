// Finds what an id, an address or a name stands for.

import { get } from "./api.js";
import { keyOf } from "./address.js";
import { findAsset } from "./view_asset.js";

/** The address of the view for a text; null when this node knows nothing of that name. */
export async function find(text) {
    if (text.startsWith("did:key:")) {
        return keyOf(text) === null ? null : `#/account/${text}`;
    }
    if (!/^[0-9a-f]{64}$/.test(text)) {
        const { assets } = await get("/v1/network").catch(() => ({ assets: [] }));
        const known = assets.find((asset) => asset.name.toLowerCase() === text.toLowerCase());
        return known === undefined ? null : `#/asset/${encodeURIComponent(known.name)}`;
    }
    const tries = ["transfer", "batch", "token"].map(async (kind) => {
        await get(`/v1/${kind === "batch" ? "batches" : `${kind}s`}/${text}`);
        return `#/${kind}/${text}`;
    });
    tries.push(assetOf(text));
    return Promise.any(tries).catch(() => null);
}

async function assetOf(id) {
    const found = await findAsset(id);
    if (found === null) {
        throw new Error("no such asset");
    }
    return `#/asset/${id}`;
}
