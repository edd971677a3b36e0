//! `help exit-codes`: the table of `error`, by exit status.

use super::answer::Answer;
use super::table::Table;
use crate::error::{CODES, Code};
use serde_json::{Value, json};

/// Exit statuses and what they mean.
pub const MEANINGS: [(u8, &str); 11] = [
    (0, "done"),
    (1, "a bug of ours"),
    (2, "usage; an unknown name or id too"),
    (3, "configuration, genesis or key file"),
    (4, "no node reachable"),
    (5, "rejected, nothing changed; too little funds too"),
    (6, "token locked by another transfer"),
    (7, "outcome unknown; safe to run `quorate tx wait ID` or `quorate tx retry ID`"),
    (8, "no quorum reachable, nothing was proposed; or a threshold missed"),
    (9, "verification failed"),
    (10, "port, lock or store busy"),
];

/// The table of codes, exit and HTTP statuses.
pub fn help() -> Answer {
    let mut exits = Table::new(&["exit", "meaning"]);
    for (exit, meaning) in MEANINGS {
        exits.row([exit.to_string(), meaning.to_string()]);
    }
    let mut codes = Table::new(&["code", "exit", "http", "retryable"]);
    for code in CODES {
        let retryable = if code.is_retryable { "yes" } else { "no" };
        let cells = [code.slug, &code.exit.to_string(), &code.http.to_string(), retryable];
        codes.row(cells.map(String::from));
    }
    let text = format!(
        "{}\n{}\nA rejected transfer has the reason as its code and exit 5.\n",
        exits.render(),
        codes.render()
    );
    let of_code = |code: &Code| -> Value {
        json!({"code": code.slug, "exit": code.exit, "http": code.http,
            "retryable": code.is_retryable})
    };
    let meanings = MEANINGS.map(|(exit, meaning)| json!({"exit": exit, "meaning": meaning}));
    let codes: Vec<Value> = CODES.iter().map(of_code).collect();
    let document = json!({
        "schema": "quorate.exit-codes/1", "ok": true, "exits": meanings, "codes": codes,
    });
    Answer::new(document, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_of_a_code_has_its_meaning() {
        for code in CODES {
            assert!(MEANINGS.iter().any(|(exit, _)| *exit == code.exit), "{}", code.slug);
        }
        for (index, (exit, _)) in (0u8..).zip(MEANINGS) {
            assert_eq!(index, exit);
        }
    }

    #[test]
    fn the_book_has_the_same_tables() {
        let book = include_str!("../../book/src/codes.md");
        for (exit, meaning) in MEANINGS {
            assert!(book.contains(&format!("\n| {exit} | {meaning} |\n")), "{exit}");
        }
        for code in CODES {
            let Code { slug, exit, http, is_retryable } = code;
            let retryable = if *is_retryable { "yes" } else { "no" };
            let row = format!("\n| `{slug}` | {exit} | {http} | {retryable} | ");
            assert!(book.contains(&row), "{row}");
        }
    }
}
