// A testnet of real validators for one test: started in a folder of its own, stopped at its end.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../..");
const binaries = path.resolve(root, process.env.QUORATE_BIN_DIR ?? "target/debug");
const quorate = path.join(binaries, "quorate");
const testnet = path.join(binaries, "quorate-testnet");

/** How long anything may take, ms; machines of CI are slow. */
export const PATIENCE_MS = 30_000;
const OUTPUT_BYTES_MAX = 64 * 1_024 * 1_024;

/** Waits until `check` gives something true; fails after PATIENCE_MS. */
export async function until(what, check, patience = PATIENCE_MS) {
    const deadline = Date.now() + patience;
    for (;;) {
        const found = await check();
        if (found) {
            return found;
        }
        if (Date.now() > deadline) {
            throw new Error(`waited in vain until ${what}`);
        }
        await pause(50);
    }
}

export class Network {
    #folder;

    /** Starts validators, and has the test `t` stop them. */
    static async start(t) {
        const folder = await mkdtemp(path.join(tmpdir(), "quorate-browser-"));
        const network = new Network(folder);
        t.after(() => network.#stop());
        await run(testnet, ["up", "--detach", "--dir", network.dir], { timeout: 4 * PATIENCE_MS });
        Object.assign(network, JSON.parse(await readFile(path.join(network.dir, "testnet.json"))));
        return network;
    }

    constructor(folder) {
        this.#folder = folder;
        this.dir = path.join(folder, "net");
    }

    async #stop() {
        await run(testnet, ["down", "--dir", this.dir]).catch(() => {});
        await rm(this.#folder, { recursive: true, force: true });
    }

    /** Runs `quorate` for this network; gives its JSON document. */
    async quorate(...args) {
        const home = args.includes("--home")
            ? []
            : ["--home", path.join(this.#folder, "home")];
        const all = ["--testnet", this.dir, ...home, "--json", ...args];
        const options = { timeout: 2 * PATIENCE_MS, maxBuffer: OUTPUT_BYTES_MAX };
        const { stdout } = await run(quorate, all, options);
        return JSON.parse(stdout);
    }

    /** Runs `quorate-testnet` for this network. */
    async testnet(command, ...args) {
        await run(testnet, [command, ...args, "--dir", this.dir], { timeout: 4 * PATIENCE_MS });
    }

    /** Starts a panel: `{api, ended, stop}`, as a validator for who opens its page. The test `t`
     *  stops it, unless it has ended. */
    async panel(t) {
        const child = spawn(testnet, ["panel", "--json", "--dir", this.dir], {
            stdio: ["ignore", "pipe", "inherit"],
        });
        const ended = once(child, "exit");
        t.after(async () => {
            child.kill("SIGTERM");
            await ended;
        });
        let text = "";
        for await (const part of child.stdout) {
            text += part;
            if (text.trimEnd().endsWith("}")) {
                break;
            }
        }
        const stop = () => child.kill("SIGTERM");
        return { api: JSON.parse(text).url, ended, stop };
    }

    address(name) {
        return this.accounts.find((account) => account.name === name).address;
    }

    /** A document of a validator's API. */
    async get(route, validator = 0) {
        const response = await fetch(this.validators[validator].api + route);
        return response.json();
    }
}

/** Whether a process has ended; a zombie has. */
export async function hasEnded(pid) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
    return stat === null || stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
}
