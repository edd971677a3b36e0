// A button that verifies something here, and says which checks were made and what came of each.

import { h, put } from "./dom.js";
import { canVerify } from "./verify.js";

/** Checks that are listed one by one in the open; the rest is behind a fold. */
export function proof(label, work) {
    const result = h("div", { class: "proof", role: "status" });
    const run = async () => {
        button.disabled = true;
        put(result, h("p", { class: "quiet" }, "Verifying…"));
        try {
            if (!(await canVerify())) {
                put(
                    result,
                    h(
                        "p",
                        { class: "bad" },
                        "Not verified: this browser can't verify Ed25519 here.",
                    ),
                );
                return;
            }
            const found = await work();
            put(result, verdict(found), list(found.checks));
        } catch (error) {
            put(result, h("p", { class: "bad" }, `Not verified: ${error.message}`));
        } finally {
            button.disabled = false;
        }
    };
    const button = h("button", { type: "button", onclick: run }, label);
    return h("div", {}, button, result);
}

function verdict({ ok, checks }) {
    const failed = checks.filter((check) => !check.ok).length;
    const words = ok
        ? `Verified in this page: ${checks.length} checks hold.`
        : `Not proved: ${failed} of ${checks.length} checks fail.`;
    const text = h(
        "p",
        { class: ok ? "good" : "bad", "data-verdict": ok ? "holds" : "fails" },
        words,
    );
    const trust =
        "With the committee that this node names; who has the genesis file checks that, too, " +
        "with quorate receipt verify.";
    return [text, h("p", { class: "quiet" }, trust)];
}

/** The checks as a list. */
export function list(checks) {
    const row = ({ what, ok }) =>
        h("li", { class: ok ? "good" : "bad" }, h("b", {}, ok ? "holds " : "fails "), what);
    return h("ul", { class: "checks" }, checks.map(row));
}
