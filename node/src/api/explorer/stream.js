// The one stream of events. The browser opens it again by itself and names the last event it saw,
// so that a short interruption loses nothing; what is lost all the same comes as a gap.

import { live } from "./state.js";

/** A hidden page lets go of its stream after this time, ms: a browser has six connections to a
 *  node, and a stream takes one. */
const HIDDEN_MS = 60_000;
/** When the browser gives up (the node refused), the next try is after this time, ms. */
const AGAIN_MS = 3_000;
const KINDS = ["batch", "transfer", "validator", "gap"];

class Stream extends EventTarget {
    #source = null;
    #timer = null;
    /** `connecting`, `open` or `closed`. */
    status = "connecting";

    /** Begins to follow, and follows whether the page is seen. */
    start() {
        this.#open();
        document.addEventListener("visibilitychange", () => {
            clearTimeout(this.#timer);
            if (document.visibilityState === "hidden") {
                this.#timer = setTimeout(() => this.#close(), HIDDEN_MS);
            } else if (this.#source === null) {
                // Nobody counted what passed meanwhile.
                live.dispatch("gap", { missed: null });
                this.#open();
            }
        });
    }

    #open() {
        const source = new EventSource("/v1/events");
        this.#source = source;
        source.addEventListener("open", () => this.#is("open"));
        source.addEventListener("error", () => {
            this.#is("connecting");
            if (source.readyState === EventSource.CLOSED) {
                this.#close();
                this.#timer = setTimeout(() => this.#open(), AGAIN_MS);
            }
        });
        for (const kind of KINDS) {
            source.addEventListener(kind, (event) => this.#take(kind, event.data));
        }
    }

    #take(kind, text) {
        let data;
        try {
            data = JSON.parse(text);
        } catch {
            return;
        }
        live.dispatch(kind, data);
        this.dispatchEvent(new Event(kind));
    }

    #close() {
        this.#source?.close();
        this.#source = null;
        this.#is("closed");
    }

    #is(status) {
        this.status = status;
        this.dispatchEvent(new Event("status"));
    }
}

export const stream = new Stream();
