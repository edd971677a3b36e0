// Starts the page: what is there on every view (head, banner, search), and the views by address.

import { getNetwork } from "./api.js";
import { h, put, say } from "./dom.js";
import { count } from "./format.js";
import { seed, startLookups } from "./lookups.js";
import { nodeState } from "./node_state.js";
import { open, viewOf } from "./router.js";
import { find } from "./search.js";
import { live } from "./state.js";
import { stream } from "./stream.js";

const at = (id) => document.getElementById(id);
/** Batches of before that are shown. */
const SEEDED = 8;
let networkName = "";

/** The view that is shown; `close` lets go of what it holds. */
let shown = { close: () => {} };
/** Counts navigations, so that a slow view does not replace a newer one. */
let turn = 0;

function title(name) {
    const node = nodeState.node?.name;
    document.title = [name, node && `${node} of ${networkName}`, "Quorate"]
        .filter(Boolean)
        .join(" · ");
}

async function navigate(isFirst) {
    turn += 1;
    const mine = turn;
    shown.close();
    shown = { close: () => {} };
    const view = viewOf(location.hash);
    for (const link of document.querySelectorAll("nav a")) {
        const isHere = link.getAttribute("href") === `#/${view.section}`;
        isHere ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
    }
    const main = at("main");
    const loading = setTimeout(() => {
        if (mine === turn) {
            put(main, h("p", { class: "quiet" }, "Asking the node…"));
        }
    }, 250);
    const opened = await open(view);
    clearTimeout(loading);
    if (mine !== turn) {
        opened.close?.();
        return;
    }
    shown = { close: opened.close ?? (() => {}), name: opened.title };
    const heading = h(
        "h1",
        { tabindex: "-1", class: opened.isQuiet ? "unseen" : null },
        opened.title,
    );
    put(main, heading, opened.node);
    opened.start?.();
    title(opened.title);
    if (!isFirst) {
        heading.focus({ preventScroll: true });
        window.scrollTo(0, 0);
    }
}

function showNode() {
    const { node } = nodeState;
    const warning = nodeState.warning();
    const banner = at("banner");
    say(banner, warning ?? "");
    banner.classList.toggle("shown", warning !== null);
    if (node === null) {
        return;
    }
    say(at("node"), node.name);
    const isUp = nodeState.problem === null;
    const state = !isUp ? "unreachable" : node.ready ? "ready" : node.mode.replace("_", " ");
    say(at("state"), node.ready || !isUp ? state : `not ready, ${state}`);
    at("state").dataset.state = isUp && node.ready ? "good" : "bad";
    title(shown.name);
}

function showStream() {
    const words = { open: "live", connecting: "connecting…", closed: "paused" };
    say(at("stream"), words[stream.status]);
    at("stream").dataset.state = stream.status === "open" ? "good" : "quiet";
}

function showGaps() {
    if (live.gaps > 0) {
        const missed = live.missed > 0 ? `, ${count(live.missed)} events missed` : "";
        say(at("gaps"), `${count(live.gaps)} ${live.gaps === 1 ? "gap" : "gaps"}${missed}`);
        at("gaps").hidden = false;
    }
}

function startSearch() {
    const form = at("search");
    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        const text = form.elements.q.value.trim();
        say(at("found"), "");
        const hash = await find(text);
        if (hash === null) {
            say(
                at("found"),
                "This node knows no transfer, batch, token, asset or account of that name.",
            );
        } else {
            form.reset();
            location.hash = hash;
        }
    });
}

window.addEventListener("hashchange", () => navigate(false));
nodeState.addEventListener("change", showNode);
stream.addEventListener("status", showStream);
stream.addEventListener("gap", showGaps);
live.addEventListener("change", showGaps);
startSearch();
getNetwork().then(
    ({ name }) => {
        networkName = name;
        say(at("network"), name);
        title(shown.name);
    },
    () => {},
);
nodeState.start();
stream.start();
seed(SEEDED).catch(() => {});
startLookups(() => viewOf(location.hash).section === "");
navigate(true);
