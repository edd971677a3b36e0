// Finality over the last two minutes: p50 and p99 as lines, stages against time as a heat map. Both
// drawn by uPlot, which sits in `window.uPlot`.

import { h, say } from "./dom.js";
import { time } from "./format.js";
import { live, STAGES } from "./state.js";
import { NAMES } from "./waterfall.js";
import { COUNT, WIDTH_MS } from "./windows.js";

const LINE_HEIGHT = 170;
const HEAT_HEIGHT = 168;
/** Ends of the colour scale, µs: what is below is the lightest, above the darkest. */
const COLD_US = 100;
const HOT_US = 1_000_000;

function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Both charts in one element; `draw()` once a second, `close()` at the end. */
export function finality() {
    const line = h("div", { class: "plot", role: "img" });
    const heat = h("div", { class: "plot", role: "img" });
    const p50 = h("strong", {}, "–");
    const p99 = h("strong", {}, "–");
    const numbers = h(
        "p",
        { class: "numbers" },
        h("span", {}, h("i", { class: "key p50" }), "p50 ", p50),
        h("span", {}, h("i", { class: "key p99" }), "p99 ", p99),
        h("span", { class: "quiet" }, "of the last 10 s, admission to durable certificate"),
    );
    const empty = h(
        "p",
        { class: "quiet" },
        "No transfer proposed by this node ended in the last two minutes.",
    );
    const node = h("div", {}, numbers, empty, line, h("h3", {}, "Stages, median"), heat, scale());
    let plots = [];
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const build = () => {
        plots.forEach((plot) => plot.destroy());
        const width = Math.max(200, line.clientWidth);
        plots = [
            new uPlot(lineOptions(width), lineData(), line),
            new uPlot(heatOptions(width), heatData(), heat),
        ];
    };
    const resize = () => {
        const width = Math.max(200, line.clientWidth);
        plots[0]?.setSize({ width, height: LINE_HEIGHT });
        plots[1]?.setSize({ width, height: HEAT_HEIGHT });
    };
    const draw = () => {
        if (plots.length === 0) {
            return;
        }
        const now = Date.now();
        const [half, most] = [0.5, 0.99].map((share) => live.windows.latest("total", share, now));
        say(p50, time(half));
        say(p99, time(most));
        const label = `Finality, last 10 seconds: p50 ${time(half)}, p99 ${time(most)}`;
        line.setAttribute("aria-label", label);
        const medians = STAGES.map(
            (name) => `${NAMES[name]} ${time(live.windows.latest(name, 0.5, now))}`,
        );
        heat.setAttribute(
            "aria-label",
            `Medians of the stages, last 10 seconds: ${medians.join(", ")}`,
        );
        const data = lineData();
        empty.hidden = data[1].some((value) => value !== null);
        plots[0].setData(data);
        plots[1].setData(heatData());
    };
    const observer = new ResizeObserver(resize);
    return {
        node,
        draw,
        start() {
            build();
            draw();
            observer.observe(line);
            scheme.addEventListener("change", build);
        },
        close() {
            observer.disconnect();
            scheme.removeEventListener("change", build);
            plots.forEach((plot) => plot.destroy());
            plots = [];
        },
    };
}

function lineData() {
    const now = Date.now();
    const ms = (value) => (value === null ? null : value / 1_000);
    const of = (share) => live.windows.quantiles("total", share, now).map(ms);
    return [live.windows.times(now), of(0.5), of(0.99)];
}

/** A row of data a stage: the median of each window, µs. */
function heatData() {
    const now = Date.now();
    const rows = STAGES.map((name) => live.windows.quantiles(name, 0.5, now));
    return [live.windows.times(now), ...rows];
}

function axis() {
    const grid = { stroke: colour("--line"), width: 1 };
    return {
        stroke: colour("--quiet"),
        grid,
        ticks: { ...grid, size: 4 },
        font: "11px system-ui, sans-serif",
    };
}

/** All windows, and half of one at each end. */
const RANGE = {
    time: false,
    range: (plot, min, max) => [min - WIDTH_MS / 2_000, max + WIDTH_MS / 2_000],
};

/** Seconds before now, which is the right end. */
function agoAxis() {
    const values = (plot, splits) => {
        const newest = plot.data[0][COUNT - 1];
        return splits.map((at) => (at === newest ? "now" : `−${Math.round(newest - at)} s`));
    };
    const splits = (plot) => {
        const newest = plot.data[0][COUNT - 1];
        return [-90, -60, -30, 0].map((ago) => newest + ago);
    };
    return { ...axis(), values, splits, size: 28 };
}

function lineOptions(width) {
    const series = (label, name) => ({
        label,
        stroke: colour(name),
        width: 1.75,
        points: { show: true, size: 5, width: 0, fill: colour(name) },
    });
    return {
        width,
        height: LINE_HEIGHT,
        legend: { show: false },
        cursor: { drag: { x: false, y: false } },
        scales: { x: RANGE, y: { range: (plot, min, max) => [0, Math.max(1, (max ?? 1) * 1.15)] } },
        axes: [
            agoAxis(),
            { ...axis(), size: 58, values: (plot, splits) => splits.map((ms) => `${ms} ms`) },
        ],
        series: [{}, series("p50", "--accent"), series("p99", "--warm")],
    };
}

function heatOptions(width) {
    const names = (plot, splits) => splits.map((at) => NAMES[STAGES[STAGES.length - 1 - at]] ?? "");
    return {
        width,
        height: HEAT_HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: RANGE, y: { range: [-0.5, STAGES.length - 0.5] } },
        axes: [
            agoAxis(),
            {
                ...axis(),
                grid: { show: false },
                size: 96,
                splits: () => STAGES.map((_, at) => at),
                values: names,
            },
        ],
        series: [
            {},
            ...STAGES.map(() => ({ scale: "y", paths: () => null, points: { show: false } })),
        ],
        hooks: { draw: [drawCells] },
    };
}

function drawCells(plot) {
    const { ctx } = plot;
    const [xs, ...rows] = plot.data;
    const width = WIDTH_MS / 1_000;
    const base = colour("--accent");
    ctx.save();
    ctx.beginPath();
    ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    ctx.clip();
    ctx.fillStyle = base;
    rows.forEach((row, stage) => {
        const at = STAGES.length - 1 - stage;
        const top = plot.valToPos(at + 0.44, "y", true);
        const bottom = plot.valToPos(at - 0.44, "y", true);
        row.forEach((value, index) => {
            if (value !== null) {
                const left = plot.valToPos(xs[index] - width / 2, "x", true);
                const right = plot.valToPos(xs[index] + width / 2, "x", true);
                ctx.globalAlpha = heatOf(value);
                ctx.fillRect(left, top, right - left - 1, bottom - top);
            }
        });
    });
    ctx.restore();
}

/** How dark a time is, on a logarithmic scale. */
function heatOf(us) {
    const share = Math.log(Math.max(us, COLD_US) / COLD_US) / Math.log(HOT_US / COLD_US);
    return 0.08 + 0.92 * Math.min(1, share);
}

/** The colour scale in words: what is light and what is dark. */
function scale() {
    const steps = [COLD_US, 1_000, 10_000, 100_000, HOT_US];
    const canvas = (us) => {
        const element = h("canvas", { width: 14, height: 10, "aria-hidden": "true" });
        const paint = () => {
            const context = element.getContext("2d");
            context.clearRect(0, 0, 14, 10);
            context.globalAlpha = heatOf(us);
            context.fillStyle = colour("--accent");
            context.fillRect(0, 0, 14, 10);
        };
        paint();
        return element;
    };
    return h(
        "ul",
        { class: "legend" },
        steps.map((us) => h("li", {}, canvas(us), time(us))),
    );
}
