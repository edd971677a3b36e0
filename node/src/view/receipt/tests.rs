//! Tests of receipt files.

use super::*;
use crate::api::tests::server::{Server, genesis, start};

fn file(server: &Server) -> String {
    let signed = server.moves(0, 1);
    server.pay(&signed);
    let receipt = server.handle.receipt(&signed.transfer.id()).expect("a good store");
    ReceiptDocument::of(server.network.id, &receipt.expect("it is final")).to_text()
}

fn check_refused(text: &str, network: &Network) {
    let failure = ReceiptDocument::verify(text, network).expect_err(text);
    assert_eq!(failure.code, VERIFICATION_FAILED);
}

#[test]
fn a_file_with_any_byte_changed_is_refused() {
    let server = start(1);
    let text = file(&server);
    let verified = ReceiptDocument::verify(&text, &server.network).expect("the file holds");
    assert_eq!(verified.id(), server.moves(0, 1).transfer.id());
    let original = text.as_bytes();
    for at in 0..original.len() {
        let old = original[at];
        // One bit, the other case, another digit, white space, and the ends of what a byte can be.
        for new in [old ^ 1, old ^ 0x20, old ^ 0x80, b'0', b'f', b' ', b'\n', 0, 0xff] {
            let mut changed = original.to_vec();
            changed[at] = new;
            // What is no text never gets as far as this.
            let Ok(changed) = String::from_utf8(changed) else { continue };
            if new != old {
                check_refused(&changed, &server.network);
            }
        }
    }
}

#[test]
fn there_is_one_text_and_no_other() {
    let server = start(1);
    let network = &server.network;
    let text = file(&server);
    let document = ReceiptDocument::parse(&text).expect("its form is right");
    assert_eq!(document.to_text(), text);
    check_refused(text.trim_end(), network);
    check_refused(&format!("{text}\n"), network);
    check_refused(&format!("\u{feff}{text}"), network);
    check_refused(&text.replace("\n  ", "\r\n  "), network);
    check_refused(&text.replacen("{\n", "{\n  \"x\": 1,\n", 1), network);
    check_refused(&serde_json::to_string(&document).expect("JSON"), network);
    check_refused(&text.replace("receipt/1", "receipt/2"), network);
    let id = document.id.to_string();
    check_refused(&text.replace(&id, &id.to_uppercase()), network);
    check_refused(&text.replace(&document.receipt, &document.receipt.to_uppercase()), network);
    check_refused(&text.replace(&id, &"0".repeat(64)), network);
    let list = format!("[\"{SCHEMA}\", \"{}\", \"{id}\", \"\"]\n", document.network);
    check_refused(&list, network);
    check_refused(&" ".repeat(RECEIPT_FILE_BYTES_MAX + 1), network);
}

#[test]
fn a_receipt_of_another_network_is_refused() {
    let server = start(1);
    let text = file(&server);
    let other = genesis(4).network().expect("a good genesis");
    check_refused(&text, &other);
    let claimed = text.replace(&server.network.id.to_string(), &other.id.to_string());
    check_refused(&claimed, &other);
    check_refused(&claimed, &server.network);
}
