// Forms that pay from the testnet's accounts: a transfer, and the faucet. The panel signs with the
// testnet's keys; no key comes into this page.

import { h, panel, put, say } from "./dom.js";
import { time } from "./format.js";
import { how, transferLink } from "./links.js";
import { stagesOf } from "./state.js";
import { testnet } from "./testnet.js";
import { result } from "./view_testnet.js";
import { legend, stageBar } from "./waterfall.js";

const FAUCET_AMOUNT = "10";

/** Both forms: `{transfer, faucet, draw}`. */
export function payments() {
    const names = h("datalist", { id: "account-names" });
    const from = h("select", { name: "from", required: true });
    const pay = [
        field("From", from),
        field("To", receiver("alice, or did:key:…")),
        field("Amount", amount("12.5")),
        field("Memo", h("input", { name: "memo", maxlength: "256", placeholder: "may be empty" })),
    ];
    const much = amount(FAUCET_AMOUNT);
    much.value = FAUCET_AMOUNT;
    const give = [field("To", receiver("bob, or did:key:…")), field("Amount", much)];
    const paid = form("Pay", "transfer", pay);
    const given = form("Give", "faucet", give);
    const dir = testnet.state?.dir ?? "DIR";
    const body = { from: "alice", to: "bob", amount: "12.5" };
    const text = JSON.stringify(body);
    const post = "curl -s -H 'content-type: application/json' -d";
    const transfer = panel("Transfer", [names, ...paid], {
        how: how(
            ["quorate", `quorate --testnet ${dir} transfer alice bob 12.5`],
            ["curl", `${post} '${text}' '$API/testnet/transfer'`],
        ),
    });
    const words = `From the richest account to anybody, ${FAUCET_AMOUNT} unless said otherwise.`;
    const faucet = panel("Faucet", [h("p", { class: "quiet" }, words), ...given], {
        how: how(
            ["quorate", `quorate --testnet ${dir} transfer judy bob ${FAUCET_AMOUNT}`],
            ["curl", `${post} '{"to":"bob"}' '$API/testnet/faucet'`],
        ),
    });
    let shape = "";
    const draw = () => {
        const { state } = testnet;
        if (state === null) {
            return;
        }
        const { accounts, asset } = state;
        const known = accounts.map((account) => account.name);
        if (shape !== known.join()) {
            shape = known.join();
            put(from, known.map((name) => h("option", { value: name })));
            put(names, known.map((name) => h("option", { value: name })));
        }
        accounts.forEach(({ name, balance }, at) =>
            say(from.children[at], balance === null ? name : `${name}: ${balance} ${asset}`),
        );
    };
    return { transfer, faucet, draw };
}

let fields = 0;

/** A field with its label before it. */
function field(text, input) {
    fields += 1;
    input.id = `pay-${fields}`;
    return h("div", {}, h("label", { for: input.id }, text), input);
}

function receiver(placeholder) {
    return h("input", {
        name: "to",
        required: true,
        maxlength: "100",
        list: "account-names",
        spellcheck: "false",
        autocomplete: "off",
        placeholder,
    });
}

function amount(placeholder) {
    return h("input", {
        name: "amount",
        required: true,
        maxlength: "40",
        inputmode: "decimal",
        autocomplete: "off",
        placeholder,
    });
}

/** A form and the place below it for what came of it. */
function form(verb, name, rows) {
    const said = result();
    let isBusy = false;
    const onsubmit = async (event) => {
        event.preventDefault();
        if (isBusy) {
            return;
        }
        const entries = [...new FormData(element)].map(([key, value]) => [key, value.trim()]);
        const body = Object.fromEntries(entries.filter(([, value]) => value !== ""));
        isBusy = true;
        said.tell("Under way…");
        try {
            said.tell(...paid(await testnet.order(name, body)));
        } catch (error) {
            const id = error.details?.transfer;
            said.fail(error, id ? [" ", transferLink(id, "see the transfer")] : null);
        } finally {
            isBusy = false;
        }
    };
    const element = h(
        "form",
        { class: "pay", onsubmit, autocomplete: "off" },
        rows,
        h("button", { type: "submit" }, verb),
    );
    return [element, said.node];
}

/** A transfer's document in words. */
function paid({ id, status, amount, asset, stages_us }) {
    const took = stages_us ? ` in ${time(stages_us.total)}` : "";
    const words = h(
        "p",
        { class: status === "final" ? "good" : "bad" },
        `${status}${took}: ${amount} ${asset}, `,
        transferLink(id),
    );
    return stages_us ? [words, stageBar(stagesOf(stages_us)), legend()] : [words];
}
