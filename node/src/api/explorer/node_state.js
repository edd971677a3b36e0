// What this node says of itself and the committee, asked for once a second while the page is seen.

import { get } from "./api.js";

const EVERY_MS = 1_000;

class NodeState extends EventTarget {
    /** `/v1/node`, the last that came. */
    node = null;
    /** `/v1/validators`, the last that came. */
    validators = null;
    /** Why the last question had no answer; null when it had. */
    problem = null;

    /** Asks now and then every second. */
    start() {
        const ask = async () => {
            if (document.visibilityState !== "hidden") {
                await this.#ask();
            }
            setTimeout(ask, EVERY_MS);
        };
        document.addEventListener("visibilitychange", () => {
            if (document.visibilityState !== "hidden") {
                this.#ask();
            }
        });
        ask();
    }

    async #ask() {
        try {
            const found = await Promise.all([get("/v1/node"), get("/v1/validators")]);
            [this.node, this.validators] = found;
            this.problem = null;
        } catch (error) {
            this.problem = error;
        }
        this.dispatchEvent(new Event("change"));
    }

    /** What everybody who looks at the page must know now; null for nothing. */
    warning() {
        const { node, problem } = this;
        if (problem !== null) {
            return `This node can't be asked: ${problem.message}. What is shown is of before.`;
        }
        if (node === null) {
            return null;
        }
        if (node.failed !== null) {
            return `${node.name} does not vote: ${node.failed}.`;
        }
        if (node.reachable < node.quorum) {
            const rows = this.validators?.validators ?? [];
            const down = rows.filter((row) => !row.up).map((row) => row.name);
            const who = down.length > 0 ? ` Not heard from: ${down.join(", ")}.` : "";
            return (
                `No quorum: ${node.name} reaches weight ${node.reachable}, and ${node.quorum} ` +
                `are needed. Nothing can become final, and nothing is lost.${who}`
            );
        }
        if (node.catching_up) {
            return `${node.name} is catching up; what it shows is behind the others.`;
        }
        return null;
    }
}

export const nodeState = new NodeState();
