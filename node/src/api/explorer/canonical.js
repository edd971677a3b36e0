// The canonical bytes of a receipt, read as strictly as `ledger` reads them (encoding.rs,
// transfer.rs, certificate.rs): every value has one form, and bytes in another form are refused.
// Ids and hashes are hexadecimal texts, 64-bit numbers are BigInts.

export class NotCanonical extends Error {}

const INPUTS_MAX = 4_096;
const OUTPUTS_MAX = 4_096;
const MEMO_BYTES_MAX = 256;
const NAME_BYTES_MAX = 32;
const JUSTIFICATION_BYTES_MAX = 4 * 1_024 * 1_024;
const BITS_MAX = 4_096;
const PATH_MAX = 12;
const MEMBERS_MAX = 256;

/** Lower-case hexadecimal digits. */
export function hex(bytes) {
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Bytes of hexadecimal digits, whose form the caller knows. */
export function unhex(text) {
    return Uint8Array.from({ length: text.length / 2 }, (_, i) =>
        Number.parseInt(text.slice(2 * i, 2 * i + 2), 16),
    );
}

/** A number as little-endian bytes. */
export function little(number, bytes) {
    let rest = BigInt(number);
    const out = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 1) {
        out[at] = Number(rest & 0xffn);
        rest >>= 8n;
    }
    return out;
}

class Reader {
    constructor(bytes) {
        this.bytes = bytes;
        this.at = 0;
    }

    take(count) {
        if (count > this.bytes.length - this.at) {
            throw new NotCanonical("the bytes end too early");
        }
        this.at += count;
        return this.bytes.subarray(this.at - count, this.at);
    }

    number(bytes) {
        let value = 0n;
        for (const byte of [...this.take(bytes)].reverse()) {
            value = (value << 8n) | BigInt(byte);
        }
        return value;
    }

    u8 = () => Number(this.number(1));
    u16 = () => Number(this.number(2));
    u32 = () => Number(this.number(4));
    u64 = () => this.number(8);
    id = () => hex(this.take(32));

    count(what, max, itemBytesMin) {
        const found = this.u32();
        if (found > max) {
            throw new NotCanonical(`${found} ${what}, and at most ${max} are allowed`);
        }
        if (found * itemBytesMin > this.bytes.length - this.at) {
            throw new NotCanonical("the bytes end too early");
        }
        return found;
    }

    list(what, max, itemBytesMin, read) {
        const count = this.count(what, max, itemBytesMin);
        return Array.from({ length: count }, () => read(this));
    }

    text(what, max) {
        const bytes = this.take(this.count(what, max, 1));
        try {
            return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
        } catch {
            throw new NotCanonical("a text is not UTF-8");
        }
    }
}

function readInput(reader) {
    const [token, height, madeBy] = [reader.id(), reader.u64(), reader.id()];
    return { token, height, madeBy, asset: reader.id(), amount: reader.u64() };
}

function readOutput(reader) {
    const kind = reader.u8();
    if (kind === 0) {
        return { kind: "move", input: reader.u16(), to: reader.id() };
    }
    if (kind === 1) {
        return { kind: "create", asset: reader.id(), amount: reader.u64(), to: reader.id() };
    }
    if (kind === 2) {
        const definition = readDefinition(reader);
        return { kind: "issue", definition, amount: reader.u64(), to: reader.id() };
    }
    throw new NotCanonical(`${kind} is not a known kind of output`);
}

function readDefinition(reader) {
    const name = reader.text("bytes in an asset's name", NAME_BYTES_MAX);
    if (!/^[!-~]{1,32}$/.test(name)) {
        throw new NotCanonical("an asset's name is 1 to 32 printable characters");
    }
    const kind = reader.u8();
    if (kind === 0) {
        const decimals = reader.u8();
        if (decimals > 18) {
            throw new NotCanonical("an asset has at most 18 decimals");
        }
        return { name, decimals };
    }
    if (kind === 1) {
        const cid = reader.take(36);
        if (cid[0] !== 1 || cid[1] >= 0x80 || cid[2] !== 0x12 || cid[3] !== 0x20) {
            throw new NotCanonical("a content id is not a CIDv1 with sha2-256");
        }
        return { name, decimals: 0, content: hex(cid) };
    }
    throw new NotCanonical(`${kind} is not a known kind of asset`);
}

function readTransfer(reader) {
    const begin = reader.at;
    const transfer = {
        network: reader.id(),
        epoch: reader.u64(),
        owner: reader.id(),
        inputs: reader.list("inputs", INPUTS_MAX, 112, readInput),
        outputs: reader.list("outputs", OUTPUTS_MAX, 35, readOutput),
        memo: reader.text("bytes in a memo", MEMO_BYTES_MAX),
    };
    // One value has one form, so what was read is what would be written.
    return { ...transfer, bytes: reader.bytes.slice(begin, reader.at) };
}

function readEntry(reader) {
    const transfer = readTransfer(reader);
    const signature = reader.take(64).slice();
    const round = reader.u32();
    let justification = new Uint8Array();
    if (round > 0) {
        const count = reader.count("bytes of justification", JUSTIFICATION_BYTES_MAX, 1);
        justification = reader.take(count).slice();
        if (count === 0) {
            throw new NotCanonical("an entry above round 0 without justification");
        }
    }
    return { transfer, signature, round, justification };
}

function readInclusion(reader) {
    const [index, count] = [reader.u32(), reader.u32()];
    const path = reader.list("nodes in a Merkle path", PATH_MAX, 32, (r) => r.take(32).slice());
    return { index, count, path };
}

/** Bit `index` of a bitmap. */
export function hasBit(bitmap, index) {
    return index < bitmap.count && ((bitmap.bits[index >> 3] >> (index & 7)) & 1) === 1;
}

function readBitmap(reader) {
    const begin = reader.at;
    const count = reader.count("bits in a bitmap", BITS_MAX, 0);
    const bits = reader.take(Math.ceil(count / 8)).slice();
    if (count % 8 > 0 && bits[bits.length - 1] >> (count % 8) !== 0) {
        throw new NotCanonical("bits past the count are set");
    }
    return { count, bits, bytes: reader.bytes.slice(begin, reader.at) };
}

/** By the count, then by the bytes. */
function isAscending(a, b) {
    if (a.count !== b.count) {
        return a.count < b.count;
    }
    const at = a.bits.findIndex((byte, index) => byte !== b.bits[index]);
    return at >= 0 && a.bits[at] < b.bits[at];
}

function readGroup(reader) {
    const bitmap = readBitmap(reader);
    const read = (r) => ({ member: r.u16(), signature: r.take(64).slice() });
    const votes = reader.list("votes in a group", MEMBERS_MAX, 66, read);
    if (votes.length === 0) {
        throw new NotCanonical("a group without votes");
    }
    if (votes.some((vote, at) => at > 0 && votes[at - 1].member >= vote.member)) {
        throw new NotCanonical("votes out of order");
    }
    return { bitmap, votes };
}

function readCertificate(reader) {
    const epoch = reader.u64();
    const phase = reader.u8();
    if (phase > 1) {
        throw new NotCanonical(`${phase} is not a known phase`);
    }
    const batch = reader.id();
    const groups = reader.list("groups in a certificate", MEMBERS_MAX, 74, readGroup);
    if (groups.some((group, at) => at > 0 && !isAscending(groups[at - 1].bitmap, group.bitmap))) {
        throw new NotCanonical("groups out of order");
    }
    return { epoch, phase: phase === 0 ? "lock" : "commit", batch, groups };
}

/** A receipt of its canonical bytes; NotCanonical for any others. */
export function decodeReceipt(bytes) {
    const reader = new Reader(bytes);
    const entry = readEntry(reader);
    const inclusion = readInclusion(reader);
    const certificate = readCertificate(reader);
    if (reader.at !== bytes.length) {
        throw new NotCanonical(`${bytes.length - reader.at} bytes are left over`);
    }
    return { entry, inclusion, certificate };
}
