// Asking this node. Failures are problem documents (RFC 9457) and become `Problem`s.

/** Longest wait for an answer, ms. */
const TIME_MAX_MS = 10_000;

/** What the node answered instead, or that it did not. */
export class Problem extends Error {
    constructor(message, { status = 0, code = "unreachable", help = [], details = {} } = {}) {
        super(message);
        this.status = status;
        this.code = code;
        this.help = help;
        this.details = details;
    }
}

async function ask(path, accept, read) {
    let response;
    const signal = AbortSignal.timeout(TIME_MAX_MS);
    try {
        response = await fetch(path, { headers: { accept }, cache: "no-store", signal });
        if (response.ok) {
            return await read(response);
        }
    } catch (error) {
        const why = error.name === "TimeoutError" ? "did not answer in time" : "does not answer";
        throw new Problem(`this node ${why}`);
    }
    throw await problemOf(response);
}

/** The problem that an answer tells. */
export async function problemOf(response) {
    const found = await response.json().catch(() => ({}));
    const message = found.detail ?? `the node answered with status ${response.status}`;
    const { code = "unknown", help = [], details = {} } = found;
    return new Problem(message, { status: response.status, code, help, details });
}

/** A JSON document. */
export function get(path) {
    return ask(path, "application/json", (response) => response.json());
}

/** Bytes, as they are. */
export function getBytes(path) {
    const read = async (response) => new Uint8Array(await response.arrayBuffer());
    return ask(path, "application/octet-stream", read);
}

/** Text in the JSON form of a file. */
export function getText(path) {
    return ask(path, "application/json", (response) => response.text());
}

let network = null;

/** The network, which never changes while a node runs; asked for once. */
export function getNetwork() {
    network ??= get("/v1/network").catch((error) => {
        network = null;
        throw error;
    });
    return network;
}
