// Numbers, times and ids for people.

const counts = new Intl.NumberFormat("en");

/** A count with separators. */
export function count(number) {
    return counts.format(number ?? 0);
}

/** Microseconds in the unit that fits. */
export function time(us) {
    if (us === null || us === undefined || !Number.isFinite(us)) {
        return "–";
    }
    if (us < 1_000) {
        return `${Math.round(us)} µs`;
    }
    const ms = us / 1_000;
    if (ms < 1_000) {
        return `${ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;
    }
    return `${(ms / 1_000).toFixed(2)} s`;
}

/** Seconds since a start. */
export function duration(seconds) {
    const parts = [
        [Math.floor(seconds / 86_400), "d"],
        [Math.floor(seconds / 3_600) % 24, "h"],
        [Math.floor(seconds / 60) % 60, "min"],
        [Math.floor(seconds) % 60, "s"],
    ];
    const first = parts.findIndex(([number]) => number > 0);
    const shown = first < 0 ? parts.slice(3) : parts.slice(first, first + 2);
    return shown.map(([number, unit]) => `${number} ${unit}`).join(" ");
}

/** How long ago, in whole seconds; null is before the page came. */
export function ago(at, now) {
    if (at === null) {
        return "before";
    }
    const seconds = Math.max(0, Math.round((now - at) / 1_000));
    return seconds < 1 ? "now" : `${duration(seconds)} ago`;
}

/** Bytes in the unit that fits. */
export function bytes(number) {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let unit = 0;
    let value = number;
    while (value >= 1_000 && unit < units.length - 1) {
        value /= 1_000;
        unit += 1;
    }
    return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Both ends of an id or address. */
export function short(id) {
    const text = String(id ?? "");
    if (text.startsWith("did:key:")) {
        return `${text.slice(8, 14)}…${text.slice(-5)}`;
    }
    return text.length > 20 ? `${text.slice(0, 8)}…${text.slice(-4)}` : text;
}

/** Whether an id is all zeros: what stands for "none". */
export function isZero(id) {
    return /^0+$/.test(String(id ?? "0"));
}
