// Chromium for the tests, and pages that note what goes wrong in them.

import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { chromium } from "playwright-core";
import { PATIENCE_MS } from "./network.mjs";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
/** Development: the page's files come from this folder and not from the node's binary. */
const FILES = process.env.QUORATE_EXPLORER_FILES;
/** Development: the page comes from this server, which passes the rest on to a validator. */
const BASE = process.env.QUORATE_EXPLORER_BASE;
/** Where screenshots go, if anywhere. */
const SHOTS = process.env.QUORATE_SHOTS;
const POLICY =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
};

/** Starts Chromium; without a sandbox where root runs it. */
export function launch() {
    const executablePath =
        process.env.QUORATE_CHROMIUM ?? CHROMIUM.find((file) => existsSync(file));
    const args = process.getuid() === 0 ? ["--no-sandbox"] : [];
    return chromium.launch({ executablePath, args, timeout: 4 * PATIENCE_MS });
}

/** Opens the explorer of a validator. `page.wrongs` lists errors and warnings of the console,
 *  uncaught errors, and requests to anywhere else; `onRequest` is told all of them. */
export async function open(t, browser, validator, { hash = "", onRequest, ...options } = {}) {
    const context = await browser.newContext({
        viewport: { width: 1280, height: 900 },
        ...options,
    });
    t.after(() => context.close());
    context.setDefaultTimeout(PATIENCE_MS);
    const base = BASE ?? validator.api;
    if (FILES !== undefined) {
        await context.route(/^[^?#]*\/(explorer\/[^/?]+)?$/, fromFiles);
    }
    const page = await context.newPage();
    page.wrongs = [];
    page.base = base;
    page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) {
            page.wrongs.push(`${message.type()}: ${message.text()} (${message.location().url})`);
        }
    });
    page.on("pageerror", (error) => page.wrongs.push(`uncaught: ${error.stack}`));
    page.on("request", (request) => {
        const url = request.url();
        onRequest?.(url);
        if (!url.startsWith(`${base}/`) && !/^(data|blob):/.test(url)) {
            page.wrongs.push(`asked elsewhere: ${url}`);
        }
    });
    await page.goto(`${base}/${hash}`);
    return page;
}

/** Waits until the page is live and shows this many validators up. */
export async function isLive(page, up = 7) {
    await page.locator("#stream", { hasText: "live" }).waitFor();
    await page.locator(".ring[aria-label]").waitFor();
    const words = `${up} of 7 validators are up`;
    await page.waitForFunction(
        (words) => document.querySelector(".ring")?.getAttribute("aria-label")?.startsWith(words),
        words,
    );
}

/** The row of the live list that a transfer has. */
export function rowOf(page, id) {
    return page.locator(`tr[data-key="${id}"]`);
}

/** A picture of the page, where somebody wants them. */
export async function shot(page, name) {
    if (SHOTS) {
        await mkdir(SHOTS, { recursive: true });
        await page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: true });
    }
}

async function fromFiles(route) {
    const { pathname } = new URL(route.request().url());
    const name = pathname === "/" ? "index.html" : path.basename(pathname);
    const body = await readFile(path.join(FILES, name)).catch(() => null);
    if (body === null) {
        await route.fulfill({ status: 404, body: "{}" });
        return;
    }
    const type = `${TYPES[path.extname(name)] ?? "text/plain"}; charset=utf-8`;
    const headers = { "content-type": type, "content-security-policy": POLICY };
    await route.fulfill({ status: 200, headers, body });
}
