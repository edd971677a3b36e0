// The explorer in a real Chromium, against real validators: each test has a network of its own.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { isLive, launch, open, rowOf, shot } from "./browser.mjs";
import { Network, hasEnded, until } from "./network.mjs";

/** The page's figures. */
const PAGE_BYTES_MAX = 100_000;
const FIRST_PAINT_MS_MAX = 1_000;
const STOP_MS_MAX = 3_000;
const BATCHES = 10_000;
const HEAP_GROWTH_BYTES_MAX = 2_000_000;

let browser;
before(async () => {
    browser = await launch();
});
after(() => browser?.close());

test("a transfer by the command line appears, is verified, and its receipt is saved", async (t) => {
    const network = await Network.start(t);
    const page = await open(t, browser, network.validators[0]);
    await isLive(page);
    // By another validator's hand, and by this one's, which knows the stages.
    const other = await network.quorate("--node", "v2", "transfer", "carol", "dave", "3");
    await rowOf(page, other.id).waitFor();
    const paid = await network.quorate(
        "--node",
        "v0",
        "transfer",
        "alice",
        "bob",
        "12.5",
        "--memo",
        "<b>&",
    );
    const row = rowOf(page, paid.id);
    await row.filter({ hasText: "12.5 QRT" }).waitFor();
    await page.locator(".stagebar").first().waitFor();
    await page.locator(".dot.yes").first().waitFor();
    await shot(page, "overview");
    await row.getByRole("link").first().click();
    await page.getByRole("heading", { name: "Transfer", level: 1 }).waitFor();
    assert.equal(new URL(page.url()).hash, `#/transfer/${paid.id}`);
    const text = await page.locator("main").innerText();
    for (const wanted of [
        paid.id,
        network.address("alice"),
        network.address("bob"),
        "12.5",
        "<b>&",
        "lock votes",
    ]) {
        assert.ok(text.includes(wanted), `${wanted} is not in ${text}`);
    }
    await page.getByRole("button", { name: "Verify in this page" }).click();
    await page.locator("[data-verdict=holds]").waitFor();
    assert.equal(await page.locator(".checks li.bad").count(), 0);
    const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: "Download receipt" }).click(),
    ]);
    const file = path.join(network.dir, "saved.json");
    await download.saveAs(file);
    const verified = await network.quorate("receipt", "verify", file, "--genesis", network.genesis);
    assert.equal(verified.ok, true);
    await shot(page, "transfer");
    assert.deepEqual(page.wrongs, []);
});

test("one killed, and transfers go on; three killed, and the banner says no quorum", async (t) => {
    const network = await Network.start(t);
    const page = await open(t, browser, network.validators[0]);
    await isLive(page);
    const banner = page.locator("#banner");
    assert.equal(await banner.isVisible(), false);
    assert.equal(await banner.getAttribute("aria-live"), "assertive");
    await network.testnet("kill", "v3");
    await isLive(page, 6);
    await page.locator("tr", { hasText: "v3" }).filter({ hasText: "down" }).first().waitFor();
    const paid = await network.quorate("--node", "v0", "transfer", "alice", "bob", "1");
    assert.equal(paid.status, "final");
    await rowOf(page, paid.id).filter({ hasText: "final" }).waitFor();
    assert.equal(await banner.isVisible(), false);
    await network.testnet("kill", "v4", "v5");
    await banner.filter({ hasText: "No quorum" }).waitFor();
    assert.match(await banner.innerText(), /weight 4, and 5 are needed.*v3, v4, v5/s);
    await shot(page, "no-quorum");
    assert.deepEqual(page.wrongs, []);
    await network.testnet("start", "v3", "v4", "v5");
    await banner.waitFor({ state: "hidden" });
    await isLive(page);
});

test("a token's chain is verified link by link, and nothing changed passes", async (t) => {
    const network = await Network.start(t);
    const [{ id }] = (await network.quorate("tokens", network.address("alice"))).tokens;
    const names = ["alice", "bob", "carol", "dave"];
    let last;
    for (const [from, to] of names.slice(1).map((to, at) => [names[at], to])) {
        last = await network.quorate("transfer", from, to, "--token", id);
    }
    const page = await open(t, browser, network.validators[0], { hash: `#/token/${id}` });
    const links = page.locator(".chain > li");
    await links.nth(3).waitFor();
    assert.equal(await links.count(), 4);
    const verify = page.getByRole("button", { name: "Verify this chain" });
    await verify.click();
    await page.locator(".verdict[data-verdict=holds]").waitFor();
    assert.equal(
        await page.locator(".chain [data-proof=holds], .chain > [data-proof=holds]").count(),
        3,
    );
    assert.match(await page.locator(".verdict").innerText(), /^3 links verified in this page/);
    await shot(page, "token");
    const changed = await page.evaluate(changes, last.id);
    assert.equal(changed.original, true);
    for (const [what, ok] of Object.entries(changed.others)) {
        assert.equal(ok, false, `a receipt with another ${what} passed`);
    }
    assert.equal(changed.flipsPassed, 0);
    assert.deepEqual(page.wrongs, []);
    // A node that lies about one receipt.
    await page.route(`**/v1/receipts/${last.id}`, async (route) => {
        const answer = await route.fetch();
        const body = await answer.body();
        body[body.length - 1] ^= 1;
        await route.fulfill({ response: answer, body });
    });
    await verify.click();
    await page.locator(".verdict[data-verdict=fails]").waitFor();
    assert.equal(await links.first().getAttribute("data-proof"), "fails");
});

/** In the page: a receipt as it is, with parts changed, and with every 7th bit flipped. */
async function changes(id) {
    const { verifyReceipt } = await import("/explorer/verify.js");
    const network = await (await fetch("/v1/network")).json();
    const bytes = new Uint8Array(await (await fetch(`/v1/receipts/${id}`)).arrayBuffer());
    const holds = async (changed) => (await verifyReceipt(changed, network, id)).ok;
    const flip = (at) => {
        const changed = bytes.slice();
        changed[at] ^= 1;
        return changed;
    };
    // Transfer: network 32, epoch 8, owner 32, count 4, then the input: token 32, height 8, maker
    // 32, asset 32, amount 8; outputs: count 4, kind 1, input 2, receiver 32; memo: count 4.
    const amount = 76 + 104;
    const receiver = 76 + 112 + 4 + 3;
    const signature = receiver + 32 + 4;
    const others = {
        network: await holds(flip(0)),
        owner: await holds(flip(40)),
        amount: await holds(flip(amount)),
        receiver: await holds(flip(receiver)),
        signature: await holds(flip(signature)),
        vote: await holds(flip(bytes.length - 1)),
        voter: await holds(flip(bytes.length - 66)),
        length: await holds(bytes.slice(0, -1)),
        tail: await holds(new Uint8Array([...bytes, 0])),
        id: (
            await verifyReceipt(
                bytes,
                network,
                id.replace(/./, (c) => (c === "0" ? "1" : "0")),
            )
        ).ok,
        quorum: (await verifyReceipt(bytes, { ...network, quorum: 1 }, id)).ok,
        committee: (
            await verifyReceipt(
                bytes,
                { ...network, committee: network.committee.toReversed() },
                id,
            )
        ).ok,
    };
    let flipsPassed = 0;
    for (let at = 0; at < bytes.length; at += 1) {
        flipsPassed += (await holds(flip(at))) ? 1 : 0;
    }
    return { original: await holds(bytes), others, flipsPassed };
}

test("the page is small, paints at once, and asks nobody else", async (t) => {
    const network = await Network.start(t);
    const page = await open(t, browser, network.validators[0]);
    await isLive(page);
    // What it loads; a reload is mostly 304s, without bodies.
    const files = new Set();
    page.on("response", (response) => {
        const { pathname } = new URL(response.url());
        if (pathname === "/" || pathname.startsWith("/explorer/")) {
            files.add(response.url());
        }
    });
    const paints = [];
    for (let turn = 0; turn < 3; turn += 1) {
        await page.reload({ waitUntil: "load" });
        const paint = await page.waitForFunction(
            () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
        );
        paints.push(await paint.jsonValue());
        await isLive(page);
    }
    const sizes = await Promise.all([...files].map(async (url) => {
        const body = Buffer.from(await (await fetch(url)).arrayBuffer());
        return gzipSync(body, { level: 9 }).length;
    }));
    const sum = sizes.reduce((sum, size) => sum + size, 0);
    const times = paints.map(Math.round).join(", ");
    t.diagnostic(`${sum} bytes gzipped in ${sizes.length} files; first paints ${times} ms`);
    assert.ok(sizes.length >= 30, `${sizes.length} files were counted`);
    assert.ok(sum <= PAGE_BYTES_MAX, `${sum} bytes gzipped`);
    assert.ok(Math.min(...paints) <= FIRST_PAINT_MS_MAX, `first paints after ${paints} ms`);
    assert.deepEqual(page.wrongs, []);
});

test("ten thousand batches leave no more behind than a thousand", async (t) => {
    const network = await Network.start(t);
    const page = await open(t, browser, network.validators[0]);
    await isLive(page);
    const session = await page.context().newCDPSession(page);
    const measure = async (first, count) => {
        const found = await page.evaluate(stream, [first, count]);
        await session.send("HeapProfiler.collectGarbage");
        const { usedSize } = await session.send("Runtime.getHeapUsage");
        return { ...found, heap: usedSize };
    };
    const few = await measure(0, 1_000);
    const many = await measure(1_000, BATCHES - 1_000);
    t.diagnostic(`after 1,000: ${JSON.stringify(few)}; after ${BATCHES}: ${JSON.stringify(many)}`);
    assert.deepEqual(many.over, []);
    assert.ok(many.nodes <= few.nodes * 1.1 + 50, `${few.nodes} nodes became ${many.nodes}`);
    assert.ok(
        many.heap - few.heap <= HEAP_GROWTH_BYTES_MAX,
        `${few.heap} bytes became ${many.heap}`,
    );
});

/** In the page: events into its own state, with time to draw; what is left afterwards. */
async function stream([first, count]) {
    const { LIMITS, live } = await import("/explorer/state.js");
    const { COUNT, SAMPLES_MAX } = await import("/explorer/windows.js");
    const name = (kind, at) => `${kind}${at.toString(16)}`.padStart(64, "0");
    for (let at = first; at < first + count; at += 1) {
        const transfers = [0, 1, 2, 3].map((k) => name("a", 4 * at + k));
        live.dispatch("batch", {
            batch: name("b", at),
            transfers: 4,
            applied: 4 * at,
            proposer: "v1",
            commit: ["v0", "v1", "v2", "v3", "v4"],
            first: transfers,
        });
        for (const id of transfers) {
            const stages_us = {
                admit: 300,
                batch_wait: 20,
                propose: 80,
                lock: 4_000,
                commit: 5_000,
                total: 12_000 + at,
            };
            live.dispatch("transfer", { id, outcome: "final", total_us: 12_000 + at, stages_us });
        }
        if (at % 100 === 0) {
            live.dispatch("gap", { missed: 1 });
            await new Promise((done) => requestAnimationFrame(done));
        }
    }
    // The lists draw at most four times a second: the last draw shows the last batch.
    const last = name("b", first + count - 1);
    while (document.querySelector(`tr[data-key="${last}"]`) === null) {
        await new Promise((done) => requestAnimationFrame(done));
    }
    const sizes = live.sizes();
    const most = { ...LIMITS, windows: COUNT, samples: 7 * COUNT * SAMPLES_MAX };
    const over = Object.keys(sizes).filter((name) => !(sizes[name] <= most[name]));
    return { sizes, over, nodes: document.querySelectorAll("*").length };
}

test("the keyboard reaches everything, and its place is seen", async (t) => {
    const network = await Network.start(t);
    const page = await open(t, browser, network.validators[0]);
    await isLive(page);
    const seen = [];
    for (let press = 0; press < 9; press += 1) {
        await page.keyboard.press("Tab");
        seen.push(
            await page.evaluate(() => {
                const at = document.activeElement;
                const { outlineStyle, outlineWidth } = getComputedStyle(at);
                const box = at.getBoundingClientRect();
                const isSeen =
                    outlineStyle !== "none" &&
                    outlineWidth !== "0px" &&
                    box.width > 0 &&
                    box.left >= 0;
                return [at.textContent.trim() || at.id, isSeen];
            }),
        );
    }
    const names = seen.map(([name]) => name);
    const wanted = [
        "Skip to the content",
        "Quorate",
        "Overview",
        "Batches",
        "Assets",
        "Evidence",
        "API",
        "q",
        "Find",
    ];
    assert.deepEqual(names, wanted);
    assert.deepEqual(
        seen.filter(([, isSeen]) => !isSeen),
        [],
    );
    await page.getByRole("link", { name: "Evidence" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Evidence", level: 1 }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1");
    assert.equal(await page.locator("nav [aria-current=page]").innerText(), "Evidence");
    await page.locator("#q").focus();
    await page.keyboard.type(network.address("bob"));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Account", level: 1 }).waitFor();
    await page.getByRole("cell", { name: "1000", exact: true }).first().waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: "Evidence", level: 1 }).waitFor();
    const unnamed = await page.evaluate(() =>
        [...document.querySelectorAll("button, input, a, section")]
            .filter(
                (at) =>
                    !(at.textContent.trim() || at.labels?.length || at.getAttribute("aria-label")),
            )
            .map((at) => at.outerHTML),
    );
    assert.deepEqual(unnamed, []);
    assert.deepEqual(page.wrongs, []);
});

test("every page fits 420 px, in the dark, too", async (t) => {
    const network = await Network.start(t);
    const paid = await network.quorate("--node", "v0", "transfer", "alice", "bob", "7");
    const batch = (await network.get("/v1/batches")).batches[0].id;
    const [token] = (await network.quorate("tokens", network.address("bob"))).tokens;
    const views = {
        overview: "#/",
        batches: "#/batches",
        batch: `#/batch/${batch}`,
        transfer: `#/transfer/${paid.id}`,
        token: `#/token/${token.id}`,
        account: `#/account/${network.address("bob")}`,
        assets: "#/assets",
        asset: "#/asset/QRT",
        evidence: "#/evidence",
        api: "#/api",
        nothing: "#/nothing",
    };
    for (const colorScheme of ["light", "dark"]) {
        const options = { viewport: { width: 420, height: 860 }, colorScheme };
        const page = await open(t, browser, network.validators[0], options);
        for (const [name, hash] of Object.entries(views)) {
            await page.goto(`${page.base}/${hash}`);
            await page.waitForFunction((hash) => location.hash === hash, hash);
            await page.locator("main h1").waitFor();
            const wide = await page.evaluate(
                () => document.documentElement.scrollWidth - innerWidth,
            );
            assert.ok(wide <= 0, `${name} is ${wide} px too wide`);
            await shot(page, `${name}-420-${colorScheme}`);
        }
        const contrast = await page.evaluate(leastContrast);
        assert.ok(contrast >= 4.5, `${colorScheme}: contrast ${contrast}`);
        assert.deepEqual(page.wrongs, []);
    }
});

/** In the page: the least contrast (WCAG 2) of the palette's texts on its grounds. */
function leastContrast() {
    const style = getComputedStyle(document.documentElement);
    const light = (name) => {
        const probe = document.createElement("canvas").getContext("2d");
        probe.fillStyle = style.getPropertyValue(name).trim();
        probe.fillRect(0, 0, 1, 1);
        const parts = [...probe.getImageData(0, 0, 1, 1).data]
            .slice(0, 3)
            .map((part) => part / 255);
        const linear = parts.map((part) =>
            part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
        );
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const texts = ["--ink", "--quiet", "--accent", "--good", "--bad", "--warm"].map(light);
    const grounds = ["--ground", "--panel"].map(light);
    const pairs = texts.flatMap((text) =>
        grounds.map((ground) => [text, ground].sort((a, b) => b - a)),
    );
    return Math.min(...pairs.map(([more, less]) => (more + 0.05) / (less + 0.05)));
}

test("a node that ends and comes again is followed again, with a gap", async (t) => {
    const network = await Network.start(t);
    const page = await open(t, browser, network.validators[0]);
    await isLive(page);
    const paid = await network.quorate("--node", "v0", "transfer", "alice", "bob", "1");
    await rowOf(page, paid.id).waitFor();
    const { pid } = network.validators[0];
    const begin = Date.now();
    process.kill(pid, "SIGTERM");
    await until("the validator has ended", () => hasEnded(pid));
    const took = Date.now() - begin;
    t.diagnostic(`ended after ${took} ms with the page open`);
    assert.ok(took <= STOP_MS_MAX, `it took ${took} ms to end with the page open`);
    await page.locator("#banner", { hasText: "does not answer" }).waitFor();
    await network.testnet("start", "v0");
    await page.locator("#banner").waitFor({ state: "hidden" });
    await isLive(page);
    // Its events count from 1 again, so the page can't know what it missed.
    await page.locator("#gaps", { hasText: "gap" }).waitFor();
    const again = await network.quorate("--node", "v0", "transfer", "alice", "bob", "2");
    await rowOf(page, again.id).waitFor();
});

test("what is rare or hostile is shown as text", async (t) => {
    const network = await Network.start(t);
    const page = await open(t, browser, network.validators[0]);
    await isLive(page);
    const bad = "<img src=x onerror=window.hit=1>\"'";
    const [alice, bob] = ["alice", "bob"].map((name) => network.address(name));
    const [one, two] = ["1", "2"].map((digit) => digit.repeat(64));
    const error = { code: "token_locked", message: bad };
    const base = {
        ok: true,
        from: alice,
        to: bob,
        asset: "QRT",
        amount: "5",
        tokens_spent: 1,
        memo: bad,
    };
    const state = { token: one, height: 3, round: 0 };
    const votes = { batch: two, phase: "lock", only_first: [1], only_second: [2] };
    const piece = { hex: "00", digest: two };
    const answers = {
        [`/v1/transfers/${one}`]: {
            ...base,
            id: one,
            status: "locked",
            error,
            locked: { held_by: two, votes: { [one]: ["v0", bad], [two]: ["v1"] } },
        },
        [`/v1/transfers/${two}`]: { ...base, id: two, status: "rejected", error },
        "/v1/evidence?limit=20": {
            count: 3,
            next: 2,
            evidence: [
                {
                    ...piece,
                    position: 0,
                    kind: "owner",
                    by: alice,
                    about: [one, two],
                    contradiction: state,
                },
                {
                    ...piece,
                    position: 1,
                    kind: "votes",
                    by: bad,
                    about: [two, two],
                    contradiction: votes,
                },
                {
                    ...piece,
                    position: 2,
                    kind: bad,
                    by: alice,
                    about: [one, two],
                    contradiction: {},
                },
            ],
        },
        "/v1/supply?limit=100": {
            supply: [{ asset: one, asset_id: one, name: bad, issued: "1", live: "2", decimals: 0 }],
            next: one,
        },
        [`/v1/tokens/${one}`]: {
            id: one,
            owner: bob,
            asset: two,
            amount: bad,
            height: 0,
            state_cid: bad,
            ended_by: two,
            locked_by: null,
        },
        [`/v1/tokens/${one}/history`]: {
            id: one,
            ended_by: two,
            next: null,
            history: [{ height: 0, state_cid: bad, made_by: two, from: null, owner: bob }],
        },
    };
    await page.route("**/v1/**", async (route) => {
        const { pathname, search } = new URL(route.request().url());
        const found = answers[pathname + search];
        await (found === undefined ? route.fallback() : route.fulfill({ json: found }));
    });
    for (const hash of [
        `#/transfer/${one}`,
        `#/transfer/${two}`,
        "#/evidence",
        "#/assets",
        `#/token/${one}`,
    ]) {
        await page.goto(`${page.base}/${hash}`);
        await page.locator("main", { hasText: bad }).waitFor();
        await shot(page, `rare-${hash.slice(2, 12).replace("/", "-")}`);
    }
    assert.equal(await page.locator("main img, main script").count(), 0);
    assert.equal(await page.evaluate(() => window.hit), undefined);
    assert.deepEqual(page.wrongs, []);
    // It has a maker of whom no receipt is known: that is said, and nothing is claimed.
    await page.getByRole("button", { name: "Verify this chain" }).click();
    await page.locator(".verdict", { hasText: "Not verified" }).waitFor();
    // Addresses of nothing.
    for (const [hash, words] of [
        ["#/transfer/abc", "64"],
        [`#/batch/${one}`, "knows no"],
        ["#/account/x", "did:key"],
    ]) {
        await page.goto(`${page.base}/${hash}`);
        await page.locator("main", { hasText: words }).waitFor();
    }
});
