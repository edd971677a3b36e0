// The rules about one transfer that need no store, as far as this page can know them: shape and
// balance (`Transfer::check` in `ledger`). Not checked: whether an asset is indivisible, which the
// node's network document does not say; the quorum that voted has checked it.

/** Which rule a transfer breaks, in words; null for none. */
export function checkRules(transfer, network) {
    const { inputs, outputs } = transfer;
    if (inputs.length === 0 || outputs.length === 0) {
        return "A transfer needs an input and an output";
    }
    // Ids of one length in lower-case digits: texts compare as bytes do.
    if (inputs.some((input, at) => at > 0 && inputs[at - 1].token >= input.token)) {
        return "Inputs are not sorted, or one token is spent twice";
    }
    const moved = new Set();
    for (const output of outputs) {
        const broken = checkOutput(output, inputs, moved, network);
        if (broken !== null) {
            return broken;
        }
    }
    return checkBalance(inputs, outputs, moved);
}

function checkOutput(output, inputs, moved, network) {
    if (output.kind === "move") {
        const spent = inputs[output.input];
        if (spent === undefined || moved.has(output.input) || spent.height === 2n ** 64n - 1n) {
            return "An output moves an input that is not there or moves already";
        }
        moved.add(output.input);
        return spent.amount === 0n ? "A token of amount zero is moved" : null;
    }
    if (output.amount === 0n) {
        return "An output of zero";
    }
    if (output.kind === "issue") {
        if (network.assets.some((asset) => asset.name === output.definition.name)) {
            return "An asset takes a name of the genesis";
        }
        if (output.definition.content !== undefined && output.amount !== 1n) {
            return "An item is issued more than once";
        }
    }
    return null;
}

function checkBalance(inputs, outputs, moved) {
    const sums = new Map();
    const add = (asset, amount) => sums.set(asset, (sums.get(asset) ?? 0n) + amount);
    inputs.forEach((input, at) => {
        if (!moved.has(at)) {
            add(input.asset, input.amount);
        }
    });
    for (const output of outputs.filter((output) => output.kind === "create")) {
        add(output.asset, -output.amount);
    }
    const isEven = [...sums.values()].every((sum) => sum === 0n);
    return isEven ? null : "What goes in and what comes out differ for an asset";
}
