// What the page knows of what happens now: the latest batches and transfers, votes, latencies.
// Everything is bounded: a page may stay open for weeks.

import { Windows } from "./windows.js";

/** What is kept at most. */
export const LIMITS = {
    batches: 40,
    transfers: 40,
    /** Stages of transfers whose batch is not known yet. */
    stages: 1_024,
    /** Batches of which the votes are counted. */
    tallies: 64,
    /** Seconds of which the applied transfers are counted. */
    rates: 30,
};

/** In the order of a transfer's way; `rest` is the last sync and what waits for it. */
export const STAGES = ["admit", "batch_wait", "propose", "lock", "commit", "rest"];

/** The stages with what is left of the total. Proposing is the first part of locking. */
export function stagesOf(stages) {
    const { admit = 0, batch_wait = 0, propose = 0, lock = 0, commit = 0, total = 0 } = stages;
    const rest = Math.max(0, total - admit - batch_wait - lock - commit);
    return { admit, batch_wait, propose, lock: Math.max(0, lock - propose), commit, rest };
}

class Live extends EventTarget {
    #batches = [];
    #transfers = [];
    #stages = new Map();
    #tallies = { lock: [], commit: [] };
    #rates = new Map();
    #windows = new Windows();
    #now = () => Date.now();
    gaps = 0;
    missed = 0;

    /** The newest batches first. */
    get batches() {
        return this.#batches;
    }

    /** The newest transfers first. */
    get transfers() {
        return this.#transfers;
    }

    get windows() {
        return this.#windows;
    }

    /** Takes an event of the stream. */
    dispatch(kind, data) {
        const now = this.#now();
        if (kind === "batch") {
            this.#batch(data, now);
        } else if (kind === "transfer") {
            this.#ended(data, now);
        } else if (kind === "gap") {
            this.gaps += 1;
            this.missed += data.missed ?? 0;
        }
        this.dispatchEvent(new Event("change"));
    }

    #batch(data, now) {
        const second = Math.floor(now / 1_000);
        this.#rates.set(second, (this.#rates.get(second) ?? 0) + (data.transfers ?? 0));
        forgetFirst(this.#rates, LIMITS.rates);
        const known = this.#batches.find((batch) => batch.id === data.batch);
        if (known !== undefined) {
            known.transfers += data.transfers ?? 0;
            known.applied = data.applied;
            return;
        }
        const batch = {
            id: data.batch,
            transfers: data.transfers ?? 0,
            applied: data.applied,
            at: now,
            proposer: data.proposer ?? null,
            commit: data.commit ?? null,
            entries: data.first ?? null,
            stages: null,
        };
        this.#batches.unshift(batch);
        this.#batches.length = Math.min(this.#batches.length, LIMITS.batches);
        if (batch.commit !== null) {
            this.#tally("commit", batch.commit);
        }
        for (const id of (batch.entries ?? []).slice(0, 4)) {
            this.#transfer({ id, at: now, status: "final", batch: batch.id });
        }
    }

    #ended(data, now) {
        const isFinal = data.outcome === "final";
        this.#transfer({ id: data.id, at: now, status: data.outcome, total: data.total_us });
        if (isFinal && Number.isFinite(data.total_us)) {
            this.#windows.add("total", data.total_us, now);
        }
        if (isFinal && data.stages_us) {
            this.#timed(data.id, data.stages_us, true);
        }
    }

    #transfer(found) {
        const known = this.#transfers.find((transfer) => transfer.id === found.id);
        if (known !== undefined) {
            for (const [name, value] of Object.entries(found)) {
                if (name !== "at" && value !== undefined) {
                    known[name] = value;
                }
            }
            return known;
        }
        const transfer = { from: null, to: null, asset: null, amount: null, ...found };
        this.#show(transfer);
        return transfer;
    }

    /** Takes rows of the applied log, newest first: what was before the page came. Nobody here
     *  knows when. */
    seed(rows) {
        if (this.#batches.length > 0) {
            return;
        }
        const unknown = { at: null, proposer: null, commit: null, entries: null, stages: null };
        const of = ({ id, applied }) => ({ ...unknown, id, transfers: applied, applied: null });
        this.#batches = rows.slice(0, LIMITS.batches).map(of);
        this.dispatchEvent(new Event("change"));
    }

    /** Under load most transfers are never looked up: those go first, the oldest of them. */
    #show(transfer) {
        if (transfer.at === null) {
            // Of before: the newest batches are looked up first.
            this.#transfers.push(transfer);
        } else {
            this.#transfers.unshift(transfer);
        }
        if (this.#transfers.length > LIMITS.transfers) {
            const at = this.#transfers.findLastIndex((other) => other.from === null);
            this.#transfers.splice(at > 0 ? at : this.#transfers.length - 1, 1);
        }
    }

    #tally(phase, names) {
        this.#tallies[phase].push(names);
        if (this.#tallies[phase].length > LIMITS.tallies) {
            this.#tallies[phase].shift();
        }
    }

    /** Takes how long the stages of a final transfer were; once for each. Only what ended now has a
     *  place in the windows. */
    #timed(id, stages, isNow) {
        if (this.#stages.has(id)) {
            return;
        }
        this.#stages.set(id, stages);
        forgetFirst(this.#stages, LIMITS.stages);
        const now = this.#now();
        for (const [name, value] of isNow ? Object.entries(stagesOf(stages)) : []) {
            this.#windows.add(name, value, now);
        }
        const batch = this.#batches.find((batch) => batch.entries?.includes(id));
        if (batch !== undefined) {
            batch.stages ??= stages;
        }
    }

    /** Takes a batch's document (`quorate.batch/1`). */
    batchSeen(document) {
        const batch = this.#batches.find((batch) => batch.id === document.id);
        if (batch === undefined) {
            return;
        }
        batch.proposer = document.proposer;
        if (batch.commit === null) {
            this.#tally("commit", document.commit);
        }
        batch.commit = document.commit;
        batch.entries ??= document.entries.slice(0, 8).map((entry) => entry.id);
        const timed = document.entries.find((entry) => this.#stages.has(entry.id));
        if (timed !== undefined) {
            batch.stages ??= this.#stages.get(timed.id);
        }
        for (const entry of document.entries.slice(0, 4)) {
            const status = entry.final ? "final" : undefined;
            this.#transfer({ id: entry.id, at: batch.at, status, batch: batch.id });
        }
        this.dispatchEvent(new Event("change"));
    }

    /** Takes the document (`quorate.transfer/1`) of a transfer that was in the list. */
    transferSeen(transfer, document) {
        const { from, to, asset, amount, status } = document;
        Object.assign(transfer, { from, to, asset, amount, status });
        transfer.total ??= document.stages_us?.total;
        if (!this.#transfers.includes(transfer)) {
            this.#show(transfer);
        }
        if (document.votes?.lock?.length > 0) {
            this.#tally("lock", document.votes.lock);
        }
        if (document.status === "final" && document.stages_us) {
            this.#timed(document.id, document.stages_us, transfer.at !== null);
        }
        this.dispatchEvent(new Event("change"));
    }

    /** In how many of the counted certificates and vote lists a member is. */
    votesOf(name) {
        const of = (lists) => [lists.filter((list) => list.includes(name)).length, lists.length];
        return { lock: of(this.#tallies.lock), commit: of(this.#tallies.commit) };
    }

    /** Transfers applied each second, over the last ten whole ones. */
    rate() {
        const second = Math.floor(this.#now() / 1_000);
        let sum = 0;
        for (let at = second - 10; at < second; at += 1) {
            sum += this.#rates.get(at) ?? 0;
        }
        return sum / 10;
    }

    /** How much is kept of everything. */
    sizes() {
        return {
            batches: this.#batches.length,
            transfers: this.#transfers.length,
            stages: this.#stages.size,
            tallies: Math.max(this.#tallies.lock.length, this.#tallies.commit.length),
            rates: this.#rates.size,
            ...this.#windows.sizes(),
        };
    }
}

/** Maps give their keys in the order in which they came. */
function forgetFirst(map, most) {
    while (map.size > most) {
        map.delete(map.keys().next().value);
    }
}

/** The one state of the page. */
export const live = new Live();
