//! Files of evidence: what holds, and that nothing else does.

use super::*;
use crate::api::tests::server::{alice, genesis};
use consensus::evidence::{OwnerEvidence, VoteEvidence};
use ledger::{Address, Ballot, Entry, Input, Keypair, Output, SignedTransfer, Transfer};

/// Alice spends the first `tokens` genesis tokens, with a memo.
fn signed(network: &Network, tokens: usize, memo: &str) -> SignedTransfer {
    let mut inputs: Vec<Input> = network
        .tokens()
        .take(tokens)
        .map(|made| Input { state: made.state, asset: made.asset, amount: made.amount })
        .collect();
    inputs.sort_by_key(|input| input.state.token);
    let to = Address(Keypair::from_seed([9; 32]).public());
    let index = |index: usize| u16::try_from(index).expect("few");
    let outputs = (0..tokens).map(|input| Output::Move { input: index(input), to }).collect();
    let transfer = Transfer {
        network: network.id,
        epoch: network.epoch,
        owner: Address(alice().public()),
        inputs,
        outputs,
        memo: memo.into(),
    };
    transfer.sign(&alice())
}

fn entry(signed: SignedTransfer) -> Entry {
    Entry { signed, round: 0, justification: Vec::new() }
}

/// Alice signed two transfers of one token.
fn of_alice(network: &Network) -> Evidence {
    let (first, second) = (signed(network, 1, "one"), signed(network, 1, "two"));
    Evidence::Owner(OwnerEvidence { first: entry(first), second: entry(second) })
}

/// `v1` took a bit back.
fn of_v1(network: &Network) -> Evidence {
    let vote = |bits: &[bool]| {
        let ballot = Ballot {
            epoch: network.epoch,
            phase: Phase::Lock,
            batch: BatchId(ledger::Digest([5; 32])),
            bitmap: Bitmap::from_bools(bits),
        };
        ballot.sign(&network.id, 1, &Keypair::from_seed([2; 32]))
    };
    let (first, second) = (vote(&[true, false, true]), vote(&[false, true, true]));
    Evidence::Votes(VoteEvidence { first, second })
}

fn network() -> Network {
    genesis(4).network().expect("a good genesis")
}

/// Both of them, as a node serves them.
pub(crate) fn document(network: &Network) -> EvidenceDocument {
    let rows = [of_alice(network), of_v1(network)];
    let rows = (0..).zip(&rows).map(|(at, one)| EvidenceRow::of(network, at, one)).collect();
    EvidenceDocument { schema: SCHEMA.into(), ok: true, count: 2, evidence: rows, next: None }
}

/// The four texts of a value.
fn forms(value: &impl Serialize) -> [String; 4] {
    let sorted = serde_json::to_value(value).expect("JSON");
    let text = serde_json::to_string(value).expect("JSON");
    let indented = serde_json::to_string_pretty(value).expect("JSON");
    [text, indented + "\n", sorted.to_string(), format!("{sorted:#}\n")]
}

#[test]
fn items_and_documents_hold_and_say_what_contradicts() {
    let network = network();
    let document = document(&network);
    for text in forms(&document) {
        assert_eq!(verify_evidence(&text, &network), Ok(document.evidence.clone()));
    }
    for row in &document.evidence {
        for text in forms(row) {
            assert_eq!(verify_evidence(&text, &network), Ok(vec![row.clone()]));
        }
    }
    let state = network.tokens().next().expect("a token").state;
    let of_alice = Contradiction::State { token: state.token, height: 0, round: 0 };
    assert_eq!(document.evidence[0].contradiction, of_alice);
    assert_eq!(document.evidence[1].by, "v1");
    let Contradiction::Votes { phase, only_first, only_second, .. } =
        &document.evidence[1].contradiction
    else {
        panic!("votes");
    };
    assert_eq!((phase.as_str(), only_first, only_second), ("lock", &vec![0], &vec![1]));
}

#[test]
fn a_file_with_any_byte_changed_is_refused() {
    let network = network();
    let document = document(&network);
    let [_, of_document, ..] = forms(&document);
    let [of_owner, ..] = forms(&document.evidence[0]);
    let [of_votes, ..] = forms(&document.evidence[1]);
    for text in [of_document, of_owner, of_votes] {
        let original = text.as_bytes();
        for at in 0..original.len() {
            for new in [original[at] ^ 1, original[at] ^ 0x20, b'0', b' ', b'\n', 0] {
                let mut changed = original.to_vec();
                changed[at] = new;
                // What is no text never gets as far as this.
                let Ok(changed) = String::from_utf8(changed) else { continue };
                // The line break at the end may be there or not; another sign may not.
                if changed != text {
                    let failure = verify_evidence(&changed, &network).expect_err(&changed);
                    assert_eq!(failure.code, VERIFICATION_FAILED);
                }
            }
        }
    }
}

#[test]
fn what_proves_nothing_is_refused() {
    let network = network();
    let row = |evidence: &Evidence| {
        let row = EvidenceRow::of(&network, 0, evidence);
        verify_evidence(&forms(&row)[0], &network).expect_err("it proves nothing").message
    };
    let one = entry(signed(&network, 1, "one"));
    let twice = OwnerEvidence { first: one.clone(), second: one.clone() };
    assert!(row(&Evidence::Owner(twice)).contains("do not contradict"));
    let mut forged = entry(signed(&network, 1, "two"));
    forged.signed.signature.0[0] ^= 1;
    let forged = OwnerEvidence { first: one, second: forged };
    assert!(row(&Evidence::Owner(forged)).contains("signature"));
    let elsewhere = genesis(5).network().expect("a good genesis");
    let text = &forms(&document(&network))[0];
    assert!(verify_evidence(text, &elsewhere).is_err(), "another network's");
}

#[test]
fn pages_empty_documents_and_strange_fields_are_refused() {
    let network = network();
    let whole = document(&network);
    let refused = |document: &EvidenceDocument| {
        let found = verify_evidence(&forms(document)[0], &network);
        assert_eq!(found.expect_err("refused").code, VERIFICATION_FAILED);
    };
    let mut page = whole.clone();
    page.evidence.truncate(1);
    page.next = Some(0);
    refused(&page);
    refused(&EvidenceDocument { count: 3, ..whole.clone() });
    refused(&EvidenceDocument { count: 1, ..whole.clone() });
    refused(&EvidenceDocument { count: 0, evidence: Vec::new(), ..whole.clone() });
    refused(&EvidenceDocument { schema: "quorate.evidence/2".into(), ..whole.clone() });
    let mut later = whole.clone();
    later.evidence.remove(0);
    verify_evidence(&forms(&later)[0], &network).expect("the last items of a list hold");
    let text = forms(&whole)[0].replacen('{', "{\"note\":1,", 1);
    assert!(verify_evidence(&text, &network).is_err());
    let large = " ".repeat(EVIDENCE_FILE_BYTES_MAX + 1);
    assert!(verify_evidence(&large, &network).is_err());
}
