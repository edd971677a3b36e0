// What the panel of a testnet adds to the overview: buttons that kill, pause, slow and part
// validators. The forms that pay are in `view_pay.js`.

import { Problem } from "./api.js";
import { h, keyed, put, say, table } from "./dom.js";
import { how } from "./links.js";
import { testnet } from "./testnet.js";

/** What "slow" is here, ms each way. */
const SLOW_MS = 80;

/** How a terminal gives the same order. */
export function howOrder(command, name, body) {
    const dir = testnet.state?.dir ?? "DIR";
    const text = JSON.stringify(body);
    return how(
        ["quorate-testnet", `quorate-testnet ${command} --dir ${dir}`],
        ["curl", `curl -s -H 'content-type: application/json' -d '${text}' '$API/testnet/${name}'`],
    );
}

/** A place for what came of an order: `tell(words)`, and `fail(error)` for a problem. */
export function result() {
    const node = h("div", { class: "result", role: "status", "aria-live": "polite" });
    const tell = (...words) => {
        node.classList.remove("bad");
        put(node, words);
    };
    const fail = (error, ...more) => {
        if (!(error instanceof Problem)) {
            throw error;
        }
        node.classList.add("bad");
        put(node, h("p", {}, error.message, more), error.help.map((line) => h("p", {}, line)));
    };
    return { node, tell, fail };
}

/** The controls below the ring: `{node, draw}`. */
export function controls() {
    const said = result();
    let isBusy = false;
    /** One order at a time. The button keeps the keyboard's focus meanwhile. */
    const order = async (words, name, body) => {
        if (isBusy) {
            return;
        }
        isBusy = true;
        node.setAttribute("aria-busy", "true");
        said.tell(`${words}…`);
        try {
            await testnet.order(name, body);
            said.tell(`${words}: done`);
        } catch (error) {
            said.fail(error);
        } finally {
            isBusy = false;
            node.removeAttribute("aria-busy");
        }
    };
    const body = h("tbody");
    const heads = ["Name", "Process", "Orders", "Group"];
    const make = (row) => member(row, order);
    const parting = partition(body, order);
    const node = h(
        "section",
        { class: "testnet", "aria-labelledby": "h-testnet" },
        h("h3", { id: "h-testnet" }, "Testnet controls"),
        table("What each validator's process does, and orders to it", heads, body),
        parting.node,
        said.node,
        howOrder("kill v3", "kill", { name: "v3" }),
    );
    const draw = () => {
        const { state } = testnet;
        if (state === null) {
            return;
        }
        keyed(body, state.validators, { key: (row) => row.name, make, update: refresh });
        parting.draw(state);
    };
    return { node, draw };
}

function button(text, onclick) {
    return h("button", { type: "button", onclick }, text);
}

/** One validator. Its buttons say what they would do now. */
function member({ name }, order) {
    const row = h("tr");
    const now = () => row.dataset;
    const kill = button("", () =>
        now().state === "down"
            ? order(`start ${name}`, "start", { name })
            : order(`kill ${name}`, "kill", { name }),
    );
    const pause = button("", () =>
        now().state === "paused"
            ? order(`resume ${name}`, "resume", { name })
            : order(`pause ${name}`, "pause", { name }),
    );
    const slow = button("", () =>
        now().slow === "0"
            ? order(`slow ${name} by ${SLOW_MS} ms`, "slow", { name, delay_ms: SLOW_MS })
            : order(`${name} is slow no more`, "slow", { name, delay_ms: 0 }),
    );
    const group = `${name} in group one`;
    const tick = h("input", { type: "checkbox", value: name, "aria-label": group });
    row.append(
        h("th", { scope: "row" }, name),
        h("td"),
        h("td", { class: "orders" }, kill, pause, slow),
        h("td", {}, tick),
    );
    return row;
}

function refresh(row, { name, state, slow_ms }) {
    row.dataset.state = state;
    row.dataset.slow = String(slow_ms ?? 0);
    const [, process, orders] = row.children;
    say(process, slow_ms ? `${state}, slow by ${slow_ms} ms` : state);
    process.className = state === "running" ? "good" : "bad";
    const names = [
        state === "down" ? "Start" : "Kill",
        state === "paused" ? "Resume" : "Pause",
        slow_ms ? "Not slow" : `Slow ${SLOW_MS} ms`,
    ];
    names.forEach((text, at) => {
        const element = orders.children[at];
        say(element, text);
        element.setAttribute("aria-label", `${text}: ${name}`);
    });
    orders.children[1].disabled = state === "down";
}

/** The partition: two groups of ready-made sizes, or those that are ticked. */
function partition(body, order) {
    const words = h("p", { class: "quiet" });
    const row = h("p", { class: "orders" });
    let shape = "";
    const part = (one, all) => {
        const others = all.filter((name) => !one.includes(name));
        order(`part ${one.join(",")} from ${others.join(",")}`, "partition", {
            groups: [one, others],
        });
    };
    const ticked = () =>
        [...body.querySelectorAll("input:checked")].map((element) => element.value);
    const build = (all, quorum) => {
        const split = (size) =>
            button(`Part ${size}/${all.length - size}`, () => part(all.slice(0, size), all));
        const few = Math.max(1, all.length - quorum);
        const sizes = [...new Set([Math.ceil(all.length / 2), few])];
        put(
            row,
            sizes.filter((size) => size < all.length).map(split),
            button("Part the ticked", () => part(ticked(), all)),
            button("Heal", () => order("heal all faults", "heal", {})),
        );
    };
    const draw = ({ validators, quorum, faults }) => {
        const all = validators.map((validator) => validator.name);
        if (shape !== all.join()) {
            shape = all.join();
            build(all, quorum);
        }
        const groups = faults?.partition ?? [];
        const parted = groups.map((group) => group.join(", ")).join(" / ");
        say(words, parted ? `Nothing passes between ${parted}.` : "Nobody is parted.");
    };
    return { node: [words, row], draw };
}
