// Votes as dots and as words: a dot a member, filled where it voted; the words are for everybody
// who does not see dots.

import { getNetwork } from "./api.js";
import { h } from "./dom.js";

/** Committees up to this size get dots; a larger one gets a number. */
const DOTS_MAX = 24;

/** Dots for `voters` among `members`; null voters are not known yet. */
export function dots(members, voters) {
    if (voters === null) {
        return h(
            "span",
            { class: "dots quiet", "aria-label": "votes not asked for" },
            "·".repeat(3),
        );
    }
    if (members.length > DOTS_MAX) {
        return h("span", { class: "dots" }, `${voters.length} / ${members.length}`);
    }
    const label = `${voters.length} of ${members.length} votes: ${voters.join(", ")}`;
    const dot = (name) => h("i", { class: voters.includes(name) ? "dot yes" : "dot" });
    return h(
        "span",
        { class: "dots", role: "img", "aria-label": label, title: label },
        members.map(dot),
    );
}

/** Dots, names and the quorum, for a page about one thing. */
export async function memberList(voters, quorum) {
    const { committee } = await getNetwork();
    const names = committee.map((member) => member.name);
    const weights = committee.filter((member) => voters.includes(member.name));
    const weight = weights.reduce((sum, member) => sum + member.weight, 0);
    const words = voters.length === 0 ? "none kept" : voters.join(" ");
    return h(
        "span",
        { class: "votes" },
        dots(names, voters),
        ` ${words} `,
        h("span", { class: "quiet" }, `weight ${weight}, quorum ${quorum}`),
    );
}
