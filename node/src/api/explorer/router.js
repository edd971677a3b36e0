// Addresses of the views: what stands behind the `#`.

import { Problem } from "./api.js";
import { h } from "./dom.js";
import { account } from "./view_account.js";
import { api } from "./view_api.js";
import { asset, assets } from "./view_asset.js";
import { batch, batches } from "./view_batch.js";
import { evidence } from "./view_evidence.js";
import { overview } from "./view_overview.js";
import { token } from "./view_token.js";
import { transfer } from "./view_transfer.js";

/** Each takes what stands behind its name, and gives {title, node, start?, close?, isQuiet?}. */
const VIEWS = new Map([
    ["", overview],
    ["batches", batches],
    ["assets", assets],
    ["evidence", evidence],
    ["api", api],
    ["batch", batch],
    ["transfer", transfer],
    ["token", token],
    ["account", account],
    ["asset", asset],
]);
/** Under which entry of the menu a view stands. */
const SECTIONS = new Map([
    ["batch", "batches"],
    ["asset", "assets"],
]);

/** What an address names. */
export function viewOf(hash) {
    const [name = "", ...rest] = hash.replace(/^#?\/?/, "").split("/");
    let argument = rest.join("/");
    try {
        argument = decodeURIComponent(argument);
    } catch {
        // It is shown as it is, and the node will know nothing of that name.
    }
    return { name, argument, section: SECTIONS.get(name) ?? name };
}

/** Opens a view; a failure is a view, too. */
export async function open({ name, argument }) {
    const view = VIEWS.get(name);
    if (view === undefined) {
        const back = h("a", { href: "#/" }, "Back to the overview");
        return { title: "No such page", node: h("p", {}, "There is nothing here. ", back) };
    }
    try {
        return await view(argument);
    } catch (error) {
        if (!(error instanceof Problem)) {
            throw error;
        }
        const help = error.help.map((line) => h("li", {}, line));
        const node = h("section", { class: "panel" }, h("p", {}, error.message), h("ul", {}, help));
        return { title: error.code === "not_found" ? "Not known here" : "No answer", node };
    }
}
