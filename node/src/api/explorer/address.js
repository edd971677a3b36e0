// Addresses (did:key with Ed25519 keys, base58btc) and the text of CIDs (base 32).

import { hex, unhex } from "./canonical.js";

const DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const PREFIX = "did:key:z";

/** The address of a public key in hexadecimal digits. Its first byte is never zero. */
export function addressOf(key) {
    let rest = BigInt(`0xed01${key}`);
    let text = "";
    while (rest > 0n) {
        text = DIGITS[Number(rest % 58n)] + text;
        rest /= 58n;
    }
    return PREFIX + text;
}

/** The public key of an address, in hexadecimal digits; null for what is no address. */
export function keyOf(address) {
    if (!address.startsWith(PREFIX) || address.length > PREFIX.length + 64) {
        return null;
    }
    let value = 0n;
    for (const digit of address.slice(PREFIX.length)) {
        const at = DIGITS.indexOf(digit);
        if (at < 0) {
            return null;
        }
        value = value * 58n + BigInt(at);
    }
    const text = value.toString(16);
    const key = text.slice(4);
    return text.startsWith("ed01") && key.length === 64 && addressOf(key) === address ? key : null;
}

/** A binary CID, hexadecimal, as text. */
export function cidText(cid) {
    const digits = "abcdefghijklmnopqrstuvwxyz234567";
    let bits = "";
    for (const byte of unhex(cid)) {
        bits += byte.toString(2).padStart(8, "0");
    }
    const of = (part) => digits[Number.parseInt(part.padEnd(5, "0"), 2)];
    return `b${bits
        .match(/.{1,5}/g)
        .map(of)
        .join("")}`;
}

/** The CID of a token's state: raw codec, sha2-256 of its canonical bytes. */
export async function stateCid(stateBytes) {
    const digest = await crypto.subtle.digest("SHA-256", stateBytes);
    return cidText(`01551220${hex(new Uint8Array(digest))}`);
}
