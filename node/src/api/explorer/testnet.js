// The testnet behind the panel that serves this page: its state, asked for once a second while a
// view shows it, and the orders that change it. A node has none of these routes, and this file is
// not loaded from one.

import { Problem, get, problemOf } from "./api.js";

const EVERY_MS = 1_000;
/** Longest wait for an order, ms: a partition moves every link, a start catches up. */
const ORDER_MS_MAX = 60_000;

class Testnet extends EventTarget {
    #timer = null;
    #shown = 0;
    /** `/testnet/state`, the last that came. */
    state = null;

    /** Begins to ask; each `follow` has its `leave`. */
    follow() {
        this.#shown += 1;
        if (this.#shown === 1) {
            this.#ask();
        }
    }

    leave() {
        this.#shown -= 1;
        if (this.#shown === 0) {
            clearTimeout(this.#timer);
        }
    }

    async #ask() {
        clearTimeout(this.#timer);
        if (document.visibilityState !== "hidden") {
            await this.refresh();
        }
        if (this.#shown > 0) {
            this.#timer = setTimeout(() => this.#ask(), EVERY_MS);
        }
    }

    /** Asks now. Whether the panel answers at all is told elsewhere. */
    async refresh() {
        try {
            this.state = await get("/testnet/state");
            this.dispatchEvent(new Event("change"));
        } catch (error) {
            if (!(error instanceof Problem)) {
                throw error;
            }
        }
    }

    /** Gives an order and waits for what comes of it. */
    async order(name, body) {
        const signal = AbortSignal.timeout(ORDER_MS_MAX);
        const headers = { accept: "application/json", "content-type": "application/json" };
        const options = { method: "POST", headers, body: JSON.stringify(body), signal };
        let response;
        try {
            response = await fetch(`/testnet/${name}`, options);
        } catch (error) {
            const isLate = error.name === "TimeoutError";
            const why = isLate ? "did not answer in time" : "does not answer";
            throw new Problem(`the panel ${why}; look at what was done`);
        }
        const done = response.ok ? await response.json() : null;
        await this.refresh();
        if (done === null) {
            throw await problemOf(response);
        }
        return done;
    }
}

export const testnet = new Testnet();
