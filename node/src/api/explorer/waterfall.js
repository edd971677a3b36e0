// Stages of a transfer as a waterfall, and of a batch as a small bar. Shares go into SVG
// attributes: the page's policy allows no style attributes.

import { h, svg } from "./dom.js";
import { time } from "./format.js";
import { STAGES } from "./state.js";

/** What people call the stages. */
export const NAMES = {
    admit: "admit",
    batch_wait: "wait for batch",
    propose: "propose",
    lock: "lock votes",
    commit: "commit votes",
    rest: "durable, told",
};

/** One row a stage, each beginning where the one before ends. */
export function waterfall(stages, total) {
    const whole = Math.max(
        1,
        STAGES.reduce((sum, name) => sum + stages[name], 0),
    );
    let begin = 0;
    const row = (name) => {
        const width = (100 * stages[name]) / whole;
        const x = (100 * begin) / whole;
        begin += stages[name];
        const bar = svg("rect", {
            x,
            y: 3,
            width: Math.max(width, 0.4),
            height: 10,
            class: `s-${name}`,
        });
        return h(
            "tr",
            {},
            h("th", { scope: "row" }, NAMES[name]),
            h(
                "td",
                { class: "bar" },
                svg(
                    "svg",
                    { viewBox: "0 0 100 16", preserveAspectRatio: "none", "aria-hidden": "true" },
                    bar,
                ),
            ),
            h("td", { class: "n" }, time(stages[name])),
        );
    };
    const sum = h(
        "tr",
        { class: "sum" },
        h("th", { scope: "row" }, "total"),
        h("td"),
        h("td", { class: "n" }, time(total)),
    );
    return h(
        "table",
        { class: "waterfall" },
        h("caption", { class: "unseen" }, "Time of each stage"),
        h("tbody", {}, STAGES.map(row), sum),
    );
}

/** The shares of the stages in one line. */
export function stageBar(stages) {
    const whole = Math.max(
        1,
        STAGES.reduce((sum, name) => sum + stages[name], 0),
    );
    let x = 0;
    const parts = STAGES.map((name) => {
        const width = (100 * stages[name]) / whole;
        const rect = svg("rect", { x, y: 0, width, height: 8, class: `s-${name}` });
        x += width;
        return rect;
    });
    const label = STAGES.map((name) => `${NAMES[name]} ${time(stages[name])}`).join(", ");
    return svg(
        "svg",
        {
            class: "stagebar",
            viewBox: "0 0 100 8",
            preserveAspectRatio: "none",
            role: "img",
            "aria-label": label,
        },
        svg("title", {}, label),
        parts,
    );
}

/** Which colour is which stage. */
export function legend() {
    const item = (name) =>
        h(
            "li",
            {},
            svg(
                "svg",
                { viewBox: "0 0 8 8", "aria-hidden": "true" },
                svg("rect", { width: 8, height: 8, class: `s-${name}` }),
            ),
            NAMES[name],
        );
    return h("ul", { class: "legend" }, STAGES.map(item));
}
