// The validators as a ring: who is heard from, how far away, who votes. The picture repeats what
// the table beside it says in words.

import { svg } from "./dom.js";
import { time } from "./format.js";
import { live } from "./state.js";

const SIZE = 320;
const CENTRE = SIZE / 2;
const RADIUS = 116;
/** Above this, members are dots without names. */
const NAMED_MAX = 16;

/** Makes the ring; `update(rows, node)` brings it up to date. */
export function ring() {
    const picture = svg("svg", { class: "ring", viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img" });
    const quorum = svg("text", { x: CENTRE, y: CENTRE - 4, class: "big" });
    const words = svg("text", { x: CENTRE, y: CENTRE + 16, class: "small" });
    let parts = [];
    const build = (rows) => {
        picture.replaceChildren();
        parts = rows.map((row, index) => member(row, index, rows));
        picture.append(
            ...parts.map((part) => part.link),
            ...parts.map((part) => part.group),
            quorum,
            words,
        );
    };
    const update = (rows, node) => {
        if (parts.length !== rows.length) {
            build(rows);
        }
        rows.forEach((row, index) => refresh(parts[index], row));
        const up = rows.filter((row) => row.up).length;
        quorum.textContent = `${node.reachable} of ${weightOf(rows)}`;
        words.textContent = `quorum ${node.quorum}`;
        picture.setAttribute("data-state", node.reachable >= node.quorum ? "good" : "bad");
        picture.setAttribute(
            "aria-label",
            `${up} of ${rows.length} validators are up; the quorum is ${node.quorum}`,
        );
    };
    return { picture, update };
}

function weightOf(rows) {
    return rows.reduce((sum, row) => sum + row.weight, 0);
}

function member(row, index, rows) {
    const angle = (2 * Math.PI * index) / rows.length - Math.PI / 2;
    const at = (radius) => [CENTRE + radius * Math.cos(angle), CENTRE + radius * Math.sin(angle)];
    const [x, y] = at(RADIUS);
    const isNamed = rows.length <= NAMED_MAX;
    const radius = isNamed ? 22 : Math.min(9, (2.4 * RADIUS) / rows.length);
    const [x1, y1] = at(42);
    const [x2, y2] = at(RADIUS - radius - 4);
    const link = svg("line", { x1, y1, x2, y2, class: "link" });
    const round = 2 * Math.PI * (radius + 4);
    const arc = svg("circle", {
        cx: x,
        cy: y,
        r: radius + 4,
        class: "arc",
        transform: `rotate(-90 ${x} ${y})`,
    });
    const disc = svg("circle", { cx: x, cy: y, r: radius, class: "disc" });
    const tip = svg("title");
    const name = isNamed && svg("text", { x, y: y - 1, class: "name" }, row.name.slice(0, 6));
    const rtt = isNamed && svg("text", { x, y: y + 11, class: "small" });
    const cross = svg("path", {
        class: "cross",
        d: `M${x + radius * 0.55} ${y - radius * 1.1}l8 8m0 -8l-8 8`,
    });
    const group = svg("g", { class: "member" }, tip, arc, disc, name, rtt, cross);
    return { group, link, arc, rtt, tip, round };
}

function refresh({ group, link, arc, rtt, tip, round }, row) {
    const state = row.is_self || row.self ? "self" : row.up ? "up" : "down";
    if (group.dataset.state !== state) {
        group.dataset.state = state;
        link.setAttribute("class", `link ${state}`);
    }
    const { commit, lock } = live.votesOf(row.name);
    const [voted, counted] = lock[1] > 0 ? lock : commit;
    const share = counted > 0 ? voted / counted : 0;
    arc.setAttribute("stroke-dasharray", `${(round * share).toFixed(1)} ${round.toFixed(1)}`);
    const far = row.self ? "this node" : row.up ? time(row.rtt_us) : "down";
    if (rtt && rtt.textContent !== far) {
        rtt.textContent = far === "this node" ? "here" : far;
    }
    tip.textContent = `${row.name}: ${far}`;
}
