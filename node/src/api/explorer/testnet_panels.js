// The testnet's part of the overview, loaded only where a panel serves the page.

import { testnet } from "./testnet.js";
import { payments } from "./view_pay.js";
import { controls } from "./view_testnet.js";

/** Controls for the validators' panel, and the panels that pay. */
export async function testnetPanels() {
    await testnet.refresh();
    const orders = controls();
    const paying = payments();
    const draw = () => {
        orders.draw();
        paying.draw();
    };
    draw();
    return {
        controls: orders.node,
        transfer: paying.transfer,
        faucet: paying.faucet,
        start() {
            testnet.addEventListener("change", draw);
            testnet.follow();
        },
        close() {
            testnet.removeEventListener("change", draw);
            testnet.leave();
        },
    };
}
