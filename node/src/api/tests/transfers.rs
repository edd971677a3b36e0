//! Tests of sending transfers, of what is told about them, and of receipts and histories.

use super::super::limits::{BATCH_BODY_BYTES_MAX, TRANSFER_BODY_BYTES_MAX, TRANSFERS_MAX};
use super::server::{Server, alice, bob, framed, start};
use crate::view::{ReceiptDocument, verify_bytes};
use ledger::{Address, Canonical, Keypair, Output, TransferId};
use serde_json::{Value, json};

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[test]
fn a_final_transfer_is_told_with_votes_stages_and_receipt() {
    let server = start(1);
    let signed = server.moves(0, 2);
    let told = server.pay(&signed);
    let id = signed.transfer.id();
    assert_eq!(told["id"], id.to_string());
    assert_eq!((&told["schema"], &told["ok"]), (&"quorate.transfer/1".into(), &true.into()));
    assert_eq!((&told["status"], &told["asset"]), (&"final".into(), &"QRT".into()));
    assert_eq!((&told["amount"], &told["tokens_spent"]), (&"3".into(), &2.into()));
    assert_eq!((&told["from"], &told["to"]), (&json!(Address(alice().public())), &json!(bob())));
    assert_eq!(told["votes"], json!({"lock": ["v0"], "commit": ["v0"], "quorum": 1}));
    for stage in ["admit", "batch_wait", "propose", "lock", "commit", "total"] {
        assert!(told["stages_us"][stage].is_u64(), "{told}");
    }
    assert_eq!(server.get(&format!("/v1/transfers/{id}")).json(), told);
    assert_eq!(server.pay(&signed), told, "the same bytes again, the same answer");
    let path = format!("/v1/receipts/{id}");
    let binary = server.get(&path);
    assert!(binary.head.contains("application/octet-stream"), "{}", binary.head);
    let verified = verify_bytes(&binary.body, &server.network).expect("it holds");
    assert_eq!(verified.id(), id);
    let file = server.ask("GET", &path, "accept: application/json\r\n", b"");
    let file = String::from_utf8(file.body).expect("text");
    assert_eq!(ReceiptDocument::verify(&file, &server.network).map(|v| v.id()), Ok(id));
    let batches = server.get("/v1/batches").json();
    assert_eq!((&batches["count"], &batches["next"]), (&1.into(), &Value::Null));
    let batch = server.get(&format!("/v1/batches/{}", text(&batches["batches"][0]["id"]))).json();
    assert_eq!(batch["entries"], json!([{"id": id, "round": 0, "final": true}]));
    assert_eq!(server.get("/v1/batches?after=0").json()["batches"], json!([]));
    assert_eq!(server.get("/v1/evidence").json()["evidence"], json!([]));
}

#[test]
fn json_and_no_wait_are_answered_with_202() {
    let server = start(1);
    let signed = server.moves(0, 1);
    let body = json!({"transfer": hex::encode(signed.to_bytes())}).to_string();
    let header = "content-type: application/json\r\n";
    let got = server.ask("POST", "/v1/transfers", header, body.as_bytes());
    assert_eq!(got.status, 202);
    assert_eq!(got.json()["id"], signed.transfer.id().to_string());
    let ended = server.get(&format!("/v1/transfers/{}?wait=10s", signed.transfer.id()));
    assert_eq!(ended.json()["status"], "final");
    let twice = r#"{"transfer":"00","transfer":"00"}"#;
    for bad in [twice, "{}", "[]", r#"{"transfer":"zz"}"#, r#"{"transfer":"00","x":1}"#, "{"] {
        let got = server.ask("POST", "/v1/transfers", header, bad.as_bytes());
        got.is_problem(400, "malformed");
    }
    let got = server.ask("POST", "/v1/transfers", "content-type: text/plain\r\n", b"x");
    got.is_problem(400, "usage");
}

#[test]
fn bytes_that_are_no_canonical_transfer_are_refused() {
    let server = start(1);
    let good = server.moves(0, 1).to_bytes();
    let post = |bytes: &[u8]| server.post("/v1/transfers?wait=final", bytes);
    for cut in [0, 1, 40, good.len() - 1] {
        post(&good[..cut]).is_problem(400, "malformed");
    }
    post(&[&good[..], &[0]].concat()).is_problem(400, "malformed");
    let mut greedy = good.clone();
    greedy[72..76].copy_from_slice(&u32::MAX.to_le_bytes());
    post(&greedy).is_problem(400, "malformed");
    post(&vec![0; TRANSFER_BODY_BYTES_MAX]).is_problem(413, "too_large");
    post(&vec![0; TRANSFER_BODY_BYTES_MAX + 1]).is_problem(413, "too_large");
}

#[test]
fn transfers_that_break_a_rule_have_its_slug() {
    let server = start(1);
    let good = server.moves(0, 1).transfer;
    let check = |change: &dyn Fn(&mut ledger::Transfer), status: u16, code: &str| {
        let mut transfer = good.clone();
        change(&mut transfer);
        let id = transfer.id();
        let got = server.post("/v1/transfers?wait=final", &transfer.sign(&alice()).to_bytes());
        let problem = got.is_problem(status, code);
        assert_eq!(problem["details"]["transfer"], id.to_string(), "{problem}");
        assert_eq!(problem["exit"], 5);
    };
    check(&|t| t.network = Default::default(), 422, "other_network");
    check(&|t| t.epoch += 1, 422, "other_epoch");
    check(&|t| t.outputs.clear(), 422, "empty_transfer");
    check(&|t| t.inputs.clear(), 422, "empty_transfer");
    check(&|t| t.outputs[0] = Output::Move { input: 9, to: bob() }, 422, "bad_move");
    let create = |amount: u64| Output::Create { asset: good.inputs[0].asset, amount, to: bob() };
    check(&|t| t.outputs[0] = create(1_499), 422, "unbalanced");
    check(&|t| t.outputs.push(create(0)), 422, "zero_output");
    check(&|t| t.owner = bob(), 422, "not_owner");
    check(&|t| t.inputs[0].amount += 1, 422, "wrong_value");
    check(&|t| t.inputs[0].state.token = ledger::TokenId::default(), 422, "no_such_token");
    let forged = good.clone().sign(&Keypair::from_seed([9; 32]));
    server.post("/v1/transfers?wait=final", &forged.to_bytes()).is_problem(422, "bad_signature");
}

#[test]
fn a_badly_signed_copy_decides_nothing_about_the_transfer() {
    let server = start(1);
    let good = server.moves(0, 1);
    let mut forged = good.clone();
    forged.signature.0[3] ^= 1;
    let path = format!("/v1/transfers/{}", good.transfer.id());
    // The id does not cover the signature: whoever sees a transfer can send such a copy of it, and
    // whoever signed it must not be told that it was rejected.
    server.post("/v1/transfers", &forged.to_bytes()).is_problem(422, "bad_signature");
    server.get(&path).is_problem(404, "not_found");
    let parts = [&forged, &good, &forged].map(Canonical::to_bytes);
    let got = server.post("/v1/transfers/batch?wait=final", &framed(&parts)).json();
    let rows = &got["outcomes"];
    let codes = |index: usize| (&rows[index]["status"], &rows[index]["error"]["code"]);
    assert_eq!(codes(0), (&"rejected".into(), &"bad_signature".into()));
    assert_eq!(codes(1), (&"final".into(), &Value::Null));
    assert_eq!(codes(2), (&"rejected".into(), &"bad_signature".into()));
    assert_eq!(server.get(&path).json()["status"], "final");
}

#[test]
fn a_spent_token_names_its_spender() {
    let server = start(1);
    let first = server.moves(0, 1);
    server.pay(&first);
    let inputs = server.inputs(0, 1);
    let back = Output::Move { input: 0, to: Address(alice().public()) };
    let second = server.transfer(inputs, vec![back]).sign(&alice());
    let got = server.post("/v1/transfers?wait=final", &second.to_bytes());
    let problem = got.is_problem(409, "already_spent");
    assert_eq!(problem["details"]["by"], first.transfer.id().to_string());
    let told = server.get(&format!("/v1/transfers/{}", second.transfer.id())).json();
    assert_eq!(
        (&told["status"], &told["error"]["code"]),
        (&"rejected".into(), &"already_spent".into())
    );
    assert_eq!(told["to"], json!(Address(alice().public())));
}

#[test]
fn a_batch_gives_one_outcome_per_transfer_in_order() {
    let server = start(1);
    let good = [server.moves(0, 1), server.moves(1, 1)];
    let mut other = good[0].transfer.clone();
    other.epoch += 1;
    let other = other.sign(&alice());
    let parts = [good[0].to_bytes(), b"junk".to_vec(), other.to_bytes(), good[1].to_bytes()];
    let got = server.post("/v1/transfers/batch?wait=final", &framed(&parts));
    assert_eq!(got.status, 200, "{}", String::from_utf8_lossy(&got.body));
    let outcomes = got.json()["outcomes"].clone();
    let row = |index: usize| {
        let row = &outcomes[index];
        (row["id"].clone(), row["status"].clone(), row["error"]["code"].clone())
    };
    let (fine, no) = (json!("final"), json!("rejected"));
    assert_eq!(row(0), (json!(good[0].transfer.id()), fine.clone(), Value::Null));
    assert_eq!(row(1), (Value::Null, no.clone(), json!("malformed")));
    assert_eq!(row(2), (json!(other.transfer.id()), no, json!("other_epoch")));
    assert_eq!(row(3), (json!(good[1].transfer.id()), fine, Value::Null));
    let again = server.post("/v1/transfers/batch", &framed(&parts[..1]));
    assert_eq!((again.status, &again.json()["outcomes"][0]["status"]), (202, &"final".into()));
}

#[test]
fn a_batch_body_is_bounded_and_exact() {
    let server = start(1);
    let post = |bytes: &[u8]| server.post("/v1/transfers/batch", bytes);
    let part = server.moves(0, 1).to_bytes();
    let good = framed(std::slice::from_ref(&part));
    for bad in [&good[..0], &good[..3], &good[..6], &good[..good.len() - 1], &framed(&[])] {
        post(bad).is_problem(400, "malformed");
    }
    post(&[&good[..], &[1]].concat()).is_problem(400, "malformed");
    let most = vec![Vec::new(); TRANSFERS_MAX];
    assert_eq!(post(&framed(&most)).status, 202);
    post(&framed(&vec![Vec::new(); TRANSFERS_MAX + 1])).is_problem(400, "malformed");
    post(&vec![0; BATCH_BODY_BYTES_MAX + 1]).is_problem(413, "too_large");
}

#[test]
fn a_token_history_walks_back_to_genesis_and_ends_with_its_token() {
    let server = start(1);
    let owner = Address(alice().public());
    let mut inputs = server.inputs(0, 1);
    let token = inputs[0].state.token;
    let mut made: Vec<TransferId> = vec![TransferId::default()];
    for _ in 0..3 {
        let to_self = Output::Move { input: 0, to: owner };
        let signed = server.transfer(inputs.clone(), vec![to_self]).sign(&alice());
        server.pay(&signed);
        let id = signed.transfer.id();
        inputs[0].state = signed.transfer.made(id)[0].state;
        made.push(id);
    }
    check_history(&server, token, &made);
    let create = Output::Create { asset: inputs[0].asset, amount: inputs[0].amount, to: bob() };
    let last = server.transfer(inputs, vec![create]).sign(&alice());
    server.pay(&last);
    check_history(&server, token, &made);
    let told = server.get(&format!("/v1/tokens/{token}")).json();
    assert_eq!(told["ended_by"], last.transfer.id().to_string());
    let new = ledger::state::created_token_id(last.transfer.id(), 0);
    let told = server.get(&format!("/v1/tokens/{new}")).json();
    assert_eq!((&told["owner"], &told["height"]), (&json!(bob()), &0.into()));
    check_history(&server, new, &[last.transfer.id()]);
    let strange = server.get(&format!("/v1/tokens/{new}/history?after={}", made[1]));
    strange.is_problem(404, "not_found");
}

/// `made[h]` made the token's state at height h.
fn check_history(server: &Server, token: ledger::TokenId, made: &[TransferId]) {
    let mut after = String::new();
    let mut seen = Vec::new();
    loop {
        let page = server.get(&format!("/v1/tokens/{token}/history?limit=2{after}")).json();
        for row in page["history"].as_array().expect("a list") {
            seen.push((row["height"].clone(), row["made_by"].clone()));
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let expected = made.iter().enumerate().rev();
    let expected: Vec<_> = expected.map(|(height, id)| (json!(height), json!(id))).collect();
    assert_eq!(seen, expected);
}
