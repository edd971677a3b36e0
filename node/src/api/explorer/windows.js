// Latencies over time: windows of two seconds, and in each a bounded sample of every series. What
// the finality line and the heat map are drawn from.

/** Width of a window, ms, and how many are kept: two minutes. */
export const WIDTH_MS = 2_000;
export const COUNT = 60;
/** Samples of a series in a window; beyond, each has the same chance to be kept (reservoir). */
export const SAMPLES_MAX = 128;

export class Windows {
    /** By number since the epoch, ascending; at most COUNT. */
    #kept = new Map();

    /** Takes one sample. */
    add(series, value, now) {
        const number = Math.floor(now / WIDTH_MS);
        let window = this.#kept.get(number);
        if (window === undefined) {
            window = new Map();
            this.#kept.set(number, window);
            this.#forget(number);
        }
        let cell = window.get(series);
        if (cell === undefined) {
            cell = { seen: 0, samples: [] };
            window.set(series, cell);
        }
        cell.seen += 1;
        if (cell.samples.length < SAMPLES_MAX) {
            cell.samples.push(value);
        } else {
            const at = Math.floor(Math.random() * cell.seen);
            if (at < SAMPLES_MAX) {
                cell.samples[at] = value;
            }
        }
    }

    #forget(newest) {
        for (const number of this.#kept.keys()) {
            if (number <= newest - COUNT) {
                this.#kept.delete(number);
            }
        }
    }

    /** Begins of the windows up to now, in seconds, oldest first. */
    times(now) {
        const newest = Math.floor(now / WIDTH_MS);
        const of = (_, index) => ((newest - COUNT + 1 + index) * WIDTH_MS) / 1_000;
        return Array.from({ length: COUNT }, of);
    }

    /** A quantile of a series in each window up to now; null where nothing came. */
    quantiles(series, share, now) {
        const newest = Math.floor(now / WIDTH_MS);
        const of = (_, index) => {
            const cell = this.#kept.get(newest - COUNT + 1 + index)?.get(series);
            return cell === undefined ? null : quantile(cell.samples, share);
        };
        return Array.from({ length: COUNT }, of);
    }

    /** A quantile of a series over the latest windows. */
    latest(series, share, now, windows = 5) {
        const newest = Math.floor(now / WIDTH_MS);
        const samples = [];
        for (let number = newest - windows + 1; number <= newest; number += 1) {
            samples.push(...(this.#kept.get(number)?.get(series)?.samples ?? []));
        }
        return samples.length === 0 ? null : quantile(samples, share);
    }

    /** How many windows and samples are held. */
    sizes() {
        let samples = 0;
        for (const window of this.#kept.values()) {
            for (const cell of window.values()) {
                samples += cell.samples.length;
            }
        }
        return { windows: this.#kept.size, samples };
    }
}

/** The smallest value that `share` of the samples do not exceed. */
export function quantile(samples, share) {
    const sorted = [...samples].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}
