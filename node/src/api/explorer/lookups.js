// Looks up what the events do not say: who voted in a batch, what a transfer is about. A sample of
// the newest ones, a few a second, whatever the load: the node has better things to do.

import { get } from "./api.js";
import { live } from "./state.js";

/** How often, ms, and how many at a time of each kind. */
const EVERY_MS = 500;
const AT_ONCE = 4;
/** Larger batches are not looked up for the list: their documents are long. */
const ENTRIES_MAX = 1_000;

const tried = { batch: new WeakSet(), transfer: new WeakSet() };

/** Begins to look up, while the page is seen and `isWanted()` says so. */
export function startLookups(isWanted) {
    let isBusy = false;
    setInterval(async () => {
        if (isBusy || document.visibilityState === "hidden" || !isWanted()) {
            return;
        }
        isBusy = true;
        await Promise.allSettled([...batches(), ...transfers()]);
        isBusy = false;
    }, EVERY_MS);
}

/** Shows the end of the applied log until something new comes. */
export async function seed(shown) {
    const { count } = await get("/v1/batches?limit=1");
    const after = count > shown ? `&after=${count - shown - 1}` : "";
    const { batches } = await get(`/v1/batches?limit=${shown}${after}`);
    live.seed(batches.toReversed());
}

function newest(items, kind, isMissing) {
    const found = items.filter((item) => isMissing(item) && !tried[kind].has(item));
    return found.slice(0, AT_ONCE).map((item) => {
        tried[kind].add(item);
        return item;
    });
}

function batches() {
    const isMissing = (batch) => batch.proposer === null && batch.transfers <= ENTRIES_MAX;
    const found = newest(live.batches, "batch", isMissing);
    return found.map(async (batch) => live.batchSeen(await get(`/v1/batches/${batch.id}`)));
}

function transfers() {
    const found = newest(live.transfers, "transfer", (transfer) => transfer.from === null);
    return found.map(async (transfer) =>
        live.transferSeen(transfer, await get(`/v1/transfers/${transfer.id}`)),
    );
}
