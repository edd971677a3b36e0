// Elements without a framework. All text goes in as text nodes, so no foreign text is ever markup.

/** Makes an element. `attributes` may hold listeners (`onclick`) and booleans; children are nodes,
 *  texts, numbers, arrays of them, or nothing. */
export function h(tag, attributes = {}, ...children) {
    return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
    return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) {
            element.addEventListener(name.slice(2), value);
        } else if (value === true) {
            element.setAttribute(name, "");
        } else if (value !== false && value !== null && value !== undefined) {
            element.setAttribute(name, String(value));
        }
    }
    add(element, children);
    return element;
}

function add(element, children) {
    for (const child of children) {
        if (Array.isArray(child)) {
            add(element, child);
        } else if (child !== null && child !== undefined && child !== false) {
            element.append(child instanceof Node ? child : String(child));
        }
    }
}

/** Puts other children in the place of an element's. */
export function put(element, ...children) {
    element.replaceChildren();
    add(element, children);
    return element;
}

/** Sets a text only when it is another: no needless layout. */
export function say(element, text) {
    const wanted = String(text);
    if (element.textContent !== wanted) {
        element.textContent = wanted;
    }
}

/** Shows `items` as the children of `parent`, and keeps the elements of those that stay.
 *  `make(item)` gives an element, `update(element, item)` brings it up to date. */
export function keyed(parent, items, { key, make, update }) {
    const old = new Map();
    for (const element of parent.children) {
        old.set(element.dataset.key, element);
    }
    let at = parent.firstElementChild;
    for (const item of items) {
        const name = String(key(item));
        let element = old.get(name);
        if (element === undefined) {
            element = make(item);
            element.dataset.key = name;
        }
        old.delete(name);
        update?.(element, item);
        if (element === at) {
            at = at.nextElementSibling;
        } else {
            parent.insertBefore(element, at);
        }
    }
    for (const element of old.values()) {
        element.remove();
    }
}

/** A panel: a heading, a body, and how to get the same with curl and quorate. */
export function panel(title, body, { how = null, note = null, wide = false, id = null } = {}) {
    const name = `h-${id ?? title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
    return h(
        "section",
        { class: wide ? "panel wide" : "panel", "aria-labelledby": name },
        h("header", {}, h("h2", { id: name }, title), note),
        body,
        how,
    );
}

/** Terms and their values. */
export function facts(...pairs) {
    const rows = pairs.filter((pair) => pair && pair[1] !== null && pair[1] !== undefined);
    return h(
        "dl",
        {},
        rows.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]),
    );
}

/** A table with a caption for screen readers. `heads` are texts, or [text, class]. */
export function table(caption, heads, body = h("tbody")) {
    const head = (head) => {
        const [text, kind] = Array.isArray(head) ? head : [head, null];
        return h("th", { scope: "col", class: kind }, text);
    };
    return h(
        "div",
        { class: "scroll" },
        h(
            "table",
            {},
            h("caption", { class: "unseen" }, caption),
            h("thead", {}, h("tr", {}, heads.map(head))),
            body,
        ),
    );
}
