// The API: its routes as the node lists them, and where to look for more.

import { get } from "./api.js";
import { h, panel, table } from "./dom.js";
import { how, howGet } from "./links.js";

/** `#/api`. */
export async function api() {
    const document = await get("/openapi.json");
    const rows = Object.entries(document.paths).flatMap(([path, operations]) =>
        Object.entries(operations).map(([method, operation]) => row(method, path, operation)),
    );
    const routes = table("Routes", ["Method", "Route", "What for"], h("tbody", {}, rows));
    const live = h("p", {}, "The stream that this page follows, with resume by Last-Event-ID:");
    const node = h(
        "div",
        { class: "grid" },
        panel("Routes", routes, { how: howGet("/openapi.json", null), wide: true }),
        panel("Events", live, {
            how: how(["curl", "curl -sN '$API/v1/events'"], ["quorate", null]),
        }),
        panel(
            "Metrics",
            h("p", {}, h("a", { href: "/metrics" }, "OpenMetrics text"), " of this node."),
            {
                how: howGet("/metrics", null),
            },
        ),
    );
    return { title: `API, version ${document.info.version}`, node };
}

function row(method, path, operation) {
    const isPlain = method === "get" && !path.includes("{") && !/stream|events/.test(path);
    const query = operation.parameters.filter((parameter) => parameter.in === "query");
    const names = query.map((parameter) => parameter.name).join(", ");
    return h(
        "tr",
        {},
        h("td", {}, method.toUpperCase()),
        h("td", {}, isPlain ? h("a", { href: path, class: "id" }, path) : h("code", {}, path)),
        h(
            "td",
            { class: "wrap" },
            operation.summary,
            names && h("span", { class: "quiet" }, ` (${names})`),
        ),
    );
}
