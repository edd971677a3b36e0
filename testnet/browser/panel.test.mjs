// The panel of a testnet in a real Chromium: what its buttons and forms do to real validators.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isLive, launch, open, rowOf, shot } from "./browser.mjs";
import { Network, until } from "./network.mjs";

const STOP_MS_MAX = 3_000;

let browser;
before(async () => {
    browser = await launch();
});
after(() => browser?.close());

/** A network, its panel, and the panel's page. */
async function opened(t, options = {}) {
    const network = await Network.start(t);
    const panel = await network.panel(t);
    const page = await open(t, browser, panel, options);
    await isLive(page);
    return { network, panel, page };
}

/** A panel of the page, by its heading. */
function part(page, heading) {
    const name = page.getByRole("heading", { name: heading, level: 2, exact: true });
    return page.locator("section.panel").filter({ has: name });
}

function controls(page) {
    return page.locator("section.testnet");
}

/** Presses a button of the controls and waits until the order was carried out. */
async function order(page, name) {
    await controls(page).getByRole("button", { name, exact: true }).click();
    await controls(page).locator(".result", { hasText: ": done" }).waitFor();
}

/** Pays by the form; gives the transfer's id once it is final. */
async function pay(page, { from, to, amount, memo = "" }) {
    const form = part(page, "Transfer");
    await form.getByLabel("From", { exact: true }).selectOption(from);
    await form.getByLabel("To", { exact: true }).fill(to);
    await form.getByLabel("Amount").fill(amount);
    await form.getByLabel("Memo").fill(memo);
    const seen = await form.locator(".result").innerText();
    await form.getByRole("button", { name: "Pay" }).click();
    const result = form.locator(".result");
    await until("the payment has ended", async () => {
        const text = await result.innerText();
        return text !== seen && !text.startsWith("Under way");
    });
    assert.match(await result.innerText(), /^final in /);
    return result.getByRole("link").first().getAttribute("title");
}

test("a transfer and a gift by form become final and are in the list", async (t) => {
    const { network, page } = await opened(t);
    const paid = await pay(page, { from: "alice", to: "bob", amount: "12.5", memo: "<i>&" });
    await rowOf(page, paid).filter({ hasText: "12.5 QRT" }).waitFor();
    const document = await network.get(`/v1/transfers/${paid}`);
    assert.deepEqual(
        [document.status, document.from, document.to, document.amount, document.memo],
        ["final", network.address("alice"), network.address("bob"), "12.5", "<i>&"],
    );
    const faucet = part(page, "Faucet");
    await faucet.getByLabel("To", { exact: true }).fill(network.address("carol"));
    await faucet.getByRole("button", { name: "Give" }).click();
    await faucet.locator(".result", { hasText: /^final in .*: 10 QRT/ }).waitFor();
    const from = part(page, "Transfer").getByLabel("From");
    await from.locator("option", { hasText: "alice: 987.5 QRT" }).waitFor({ state: "attached" });
    await from.locator("option", { hasText: "carol: 1010 QRT" }).waitFor({ state: "attached" });
    await shot(page, "panel");
    await part(page, "Transfer").locator(".result").getByRole("link").click();
    await page.getByRole("heading", { name: "Transfer", level: 1 }).waitFor();
    assert.ok((await page.locator("main").innerText()).includes("<i>&"));
    assert.deepEqual(page.wrongs, []);
    // What the page has sent is the wallet's.
    const list = await network.quorate("--home", `${network.dir}/wallet`, "tx", "list");
    assert.ok(list.transfers.some(({ id, status }) => id === paid && status === "final"));
});

test("what can't be paid is told, and nothing is sent", async (t) => {
    const { network, page } = await opened(t);
    const form = part(page, "Transfer");
    await form.getByLabel("To", { exact: true }).fill("nobody");
    await form.getByLabel("Amount").fill("1");
    // Chromium notes each refusal in the console; those are what is asked for here.
    await form.getByRole("button", { name: "Pay" }).click();
    await form.locator(".result.bad", { hasText: 'no account "nobody"' }).waitFor();
    await form.getByLabel("To", { exact: true }).fill("bob");
    await form.getByLabel("Amount").fill("1000000");
    await form.getByRole("button", { name: "Pay" }).click();
    await form.locator(".result.bad", { hasText: /alice has .*1000/ }).waitFor();
    assert.equal((await network.get("/v1/node")).applied, 0);
    const others = page.wrongs.filter((wrong) => !/status of 4\d\d/.test(wrong));
    assert.deepEqual(others, []);
});

test("one killed, paused and slowed by its buttons, and transfers go on", async (t) => {
    const { page } = await opened(t);
    const row = controls(page).locator("tr", { hasText: "v3" });
    await order(page, "Kill: v3");
    await row.filter({ hasText: "down" }).waitFor();
    await isLive(page, 6);
    await pay(page, { from: "alice", to: "bob", amount: "1" });
    await order(page, "Start: v3");
    await row.filter({ hasText: "running" }).waitFor();
    await isLive(page, 7);
    await order(page, "Pause: v4");
    await controls(page).locator("tr", { hasText: "v4" }).filter({ hasText: "paused" }).waitFor();
    await order(page, "Slow 80 ms: v5");
    const slowed = controls(page).locator("tr", { hasText: "slow by 80 ms" });
    await slowed.waitFor();
    await pay(page, { from: "bob", to: "carol", amount: "2" });
    await shot(page, "panel-faults");
    await order(page, "Resume: v4");
    await order(page, "Not slow: v5");
    await slowed.waitFor({ state: "detached" });
    await isLive(page, 7);
    assert.equal(await page.locator("#banner").isVisible(), false);
    assert.deepEqual(page.wrongs, []);
});

test("the validator that is asked is killed, and the page goes on with a gap", async (t) => {
    const { page } = await opened(t);
    await page.locator("#node", { hasText: "v0" }).waitFor();
    const before = await pay(page, { from: "alice", to: "bob", amount: "1" });
    await rowOf(page, before).waitFor();
    await order(page, "Kill: v0");
    await page.locator("#node", { hasText: "v1" }).waitFor();
    await isLive(page, 6);
    await page.locator("#gaps", { hasText: "1 gap" }).waitFor();
    const later = await pay(page, { from: "alice", to: "bob", amount: "2" });
    await rowOf(page, later).filter({ hasText: "2 QRT" }).waitFor();
    // Paused, it would hold the stream for ever.
    await order(page, "Start: v0");
    await order(page, "Pause: v1");
    await page.locator("#node", { hasText: "v0" }).waitFor();
    await page.locator("#gaps", { hasText: "2 gaps" }).waitFor();
    await order(page, "Resume: v1");
    await isLive(page, 7);
    assert.equal(await page.locator("#banner").isVisible(), false);
    assert.deepEqual(page.wrongs, []);
});

test("parted without a quorum there is a banner, and healed there is none", async (t) => {
    const { page } = await opened(t);
    const banner = page.locator("#banner");
    await order(page, "Part 4/3");
    await banner.filter({ hasText: "No quorum" }).waitFor();
    const words = "Nothing passes between v0, v1, v2, v3 / v4, v5, v6.";
    await controls(page).getByText(words).waitFor();
    await shot(page, "panel-parted");
    await order(page, "Heal");
    await banner.waitFor({ state: "hidden" });
    await controls(page).getByText("Nobody is parted.").waitFor();
    // Two by their ticks: the rest is a quorum.
    for (const name of ["v5", "v6"]) {
        await controls(page).getByLabel(`${name} in group one`).check();
    }
    await order(page, "Part the ticked");
    await isLive(page, 5);
    await pay(page, { from: "alice", to: "bob", amount: "3" });
    await order(page, "Heal");
    await isLive(page, 7);
    assert.deepEqual(page.wrongs, []);
});

test("the panel ends within three seconds with the page open", async (t) => {
    const { panel } = await opened(t);
    const begin = Date.now();
    panel.stop();
    const [code] = await panel.ended;
    const took = Date.now() - begin;
    t.diagnostic(`ended after ${took} ms with the page open`);
    assert.equal(code, 0);
    assert.ok(took <= STOP_MS_MAX, `it took ${took} ms to end with the page open`);
});

test("a node's own page has no controls and asks for nothing more", async (t) => {
    const network = await Network.start(t);
    const asked = [];
    const page = await open(t, browser, network.validators[0], {
        onRequest: (url) => asked.push(new URL(url).pathname),
    });
    await isLive(page);
    assert.equal(await page.locator("section.testnet, form.pay").count(), 0);
    assert.ok(asked.length > 20);
    assert.deepEqual(
        asked.filter((path) => /testnet|view_pay/.test(path)),
        [],
    );
    assert.deepEqual(page.wrongs, []);
});

test("at 420 px, light and dark, nothing is wider than the page", async (t) => {
    const network = await Network.start(t);
    const panel = await network.panel(t);
    for (const colorScheme of ["light", "dark"]) {
        const viewport = { width: 420, height: 900 };
        const page = await open(t, browser, panel, { viewport, colorScheme });
        await isLive(page);
        await controls(page).getByRole("button", { name: "Heal" }).waitFor();
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= 420, `${wide} px`);
        await shot(page, `panel-420-${colorScheme}`);
        assert.deepEqual(page.wrongs, []);
    }
});

test("the keyboard alone kills, starts and pays", async (t) => {
    const { page } = await opened(t);
    const button = controls(page).getByRole("button", { name: "Kill: v6" });
    await button.focus();
    await page.keyboard.press("Enter");
    await controls(page).locator("tr", { hasText: "v6" }).filter({ hasText: "down" }).waitFor();
    // The same button is under the keyboard still, and does the opposite.
    const name = () => page.evaluate(() => document.activeElement.getAttribute("aria-label"));
    await until("the button says what it does now", async () => (await name()) === "Start: v6");
    await controls(page).locator(".result", { hasText: "done" }).waitFor();
    await page.keyboard.press("Space");
    await isLive(page, 7);
    const faucet = part(page, "Faucet");
    await faucet.getByLabel("To", { exact: true }).focus();
    await page.keyboard.type("bob");
    await page.keyboard.press("Enter");
    await faucet.locator(".result", { hasText: "final in" }).waitFor();
    assert.deepEqual(page.wrongs, []);
});
