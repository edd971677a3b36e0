//! Receiving with real processes: a wallet node that was offline, that is told of payments while it
//! is up, and that is killed in the middle.

#[path = "receiving/liar.rs"]
mod liar;
#[path = "receiving/paying.rs"]
mod paying;
#[expect(dead_code, reason = "the other process tests use the rest of it")]
#[path = "processes/running.rs"]
mod running;
#[path = "receiving/till.rs"]
mod till;

use ledger::TransferId;
use liar::Liar;
use node::Client;
use paying::Payer;
use running::{Place, block_on};
use std::time::{Duration, Instant};
use till::Till;

/// Accounts that pay; the next one is paid.
const SENDERS: usize = 100;
/// The account that a wallet node hosts.
const PAID: &str = "acct-101";
/// What the goal of 2 s may take on a machine that runs other tests, too.
const SOON: Duration = Duration::from_secs(10);

fn up(validators: usize, tokens: usize) -> (Place, Payer) {
    let place = Place::new();
    let accounts = SENDERS + 1;
    let words = format!("up --detach -n {validators} --accounts {accounts} --tokens {tokens}");
    let document = place.testnet(&words).ok();
    let payer = Payer::new(&place, &document);
    (place, payer)
}

#[test]
fn a_wallet_that_was_offline_has_a_thousand_payments_soon_after_its_start() {
    let (place, payer) = up(7, 20);
    let ids = payer.pay(10, 1);
    assert_eq!(ids.len(), 1_000);
    let start = Instant::now();
    let mut till = Till::start(&place, "till", &payer.nodes, payer.paid);
    till.wait_ready();
    let took = start.elapsed();
    println!("1,000 payments over 7 validators: {} ms after the start", took.as_millis());
    assert!(took < SOON, "{took:?}");
    assert_eq!(till.balance(), ("1020".into(), 1_020));
    let shown = place.quorate(&format!("--node {} balance {PAID}", till.api)).ok();
    assert_eq!(shown["balances"][0]["amount"], "1020", "{shown}");
    for id in &ids {
        let receipt = block_on(till.client.receipt(*id)).expect("it is kept");
        let verified = node::view::verify_bytes(&receipt, &payer.network).expect("it holds");
        assert_eq!(verified.id(), *id);
    }
    block_on(check_routes(&till, &payer, &ids));
    let start = Instant::now();
    let mut other = Till::start(&place, "alone", &payer.nodes[..1], payer.paid);
    other.wait_ready();
    println!("the same from one validator alone: {} ms", start.elapsed().as_millis());
    assert_eq!(other.balance(), ("1020".into(), 1_020));
    other.stop();
    till.stop();
    place.quorate(&format!("transfer {PAID} bob --count 5")).ok();
    till.restart(&place);
    till.wait_ready();
    assert_eq!(till.balance(), ("1015".into(), 1_015), "what was spent elsewhere is gone");
}

/// A wallet node answers like a validator where it can, and takes receipts that it is handed.
async fn check_routes(till: &Till, payer: &Payer, ids: &[TransferId]) {
    let wallet = &till.client;
    assert_eq!(wallet.network().await.expect("it answers").network, payer.network.id);
    assert_eq!(wallet.evidence(None).await.expect("it answers").count, 0);
    let text = wallet.metrics().await.expect("it answers");
    assert!(text.contains("quorate_received_total 1000\n") && text.ends_with("# EOF\n"), "{text}");
    let first = wallet.tokens_page(payer.paid, None, 1).await.expect("it answers").tokens.remove(0);
    let token = wallet.token(first.id).await.expect("it answers");
    assert_eq!((token.owner, token.ended_by, token.token), (payer.paid, None, first));
    let stranger = payer.address(0);
    let refused = wallet.account(stranger).await.expect_err("it hosts others");
    assert!(node::client::is_not_found(&refused));
    let validator = Client::new(&payer.nodes[..1], SOON).expect("a URL");
    let mut receipts = validator.fetch_receipts(&ids[..20]).await.expect("it answers");
    receipts[3].entry.signed.signature.0[0] ^= 1;
    let told = wallet.deliver(&receipts).await.expect("it answers");
    let outcomes = told["outcomes"].as_array().expect("a list");
    assert!(outcomes.iter().all(|row| row["outcome"] == "duplicate"), "{told}");
    assert_eq!(wallet.account(payer.paid).await.expect("it answers").balances[0].tokens, 1_020);
}

#[test]
fn payments_come_and_go_while_the_wallet_is_up() {
    let (place, payer) = up(4, 20);
    let mut till = Till::start(&place, "till", &payer.nodes, payer.paid);
    till.wait_ready();
    assert_eq!(till.balance(), ("20".into(), 20));
    let tell = |words: &str, amount: &str| {
        let paid = place.quorate(words).ok();
        assert_eq!(paid["status"], "final", "{paid}");
        let start = Instant::now();
        till.wait_balance(|held, _| held == amount);
        let took = start.elapsed();
        println!("{words}: {} ms after it was final", took.as_millis());
        // A drain without an occasion comes every 30 s: this was pushed.
        assert!(took < SOON, "{took:?}");
    };
    tell(&format!("transfer alice {PAID} --count 3"), "23");
    tell(&format!("transfer {PAID} bob --count 2"), "21");
    tell(&format!("transfer {PAID} bob 0.25"), "20.75");
    tell(&format!("transfer bob {PAID} 1.5"), "22.25");
    // One validator less: another one is followed.
    place.testnet("kill v0").ok();
    tell(&format!("--node v1 transfer carol {PAID} --count 1"), "23.25");
    let live = place.quorate(&format!("--node v2 balance {PAID}")).ok();
    let held = place.quorate(&format!("--node {} balance {PAID}", till.api)).ok();
    assert_eq!(live["balances"], held["balances"]);
    till.stop();
}

#[test]
fn a_validator_that_hides_deliveries_hides_none() {
    let (place, payer) = up(4, 5);
    let ids = payer.pay(1, 2);
    let liar = Liar::start();
    // The liar answers first, and is one of four; a dead one is another.
    place.testnet("kill v3").ok();
    let nodes = [vec![liar.url()], payer.nodes.clone()].concat();
    let mut till = Till::start(&place, "till", &nodes, payer.paid);
    till.wait_ready();
    assert_eq!(till.balance(), ("205".into(), 205));
    assert_eq!(ids.len(), SENDERS);
    assert!(liar.lies() > 0, "it was asked");
    till.stop();
}

#[test]
fn a_wallet_that_is_killed_while_it_receives_has_nothing_half_and_nothing_twice() {
    let kills = std::env::var("QUORATE_RECEIVE_KILLS");
    let kills: usize = kills.map_or(5, |text| text.parse().expect("a number of kills"));
    let (place, payer) = up(4, 5 * kills + 5);
    let own = u64::try_from(5 * kills + 5).expect("small");
    let mut till = Till::start(&place, "till", &payer.nodes, payer.paid);
    till.wait_ready();
    let mut least = own;
    for round in 0..kills {
        till.kill();
        // 100 transfers of five tokens each.
        assert_eq!(payer.pay(1, 5).len(), SENDERS);
        till.restart(&place);
        // A little later each time: before, during and after the first batches.
        let wanted = least + 5 * u64::try_from(round % 5).expect("small") * 20;
        let mut seen = least;
        till.wait_balance(|_, tokens| {
            assert_eq!((tokens - own) % 5, 0, "a transfer is received whole: {tokens}");
            assert!(tokens >= least, "what was received stays: {tokens} of {least}");
            seen = tokens;
            tokens >= wanted
        });
        println!("round {round}: killed at {seen} tokens");
        least = seen;
    }
    till.kill();
    till.restart(&place);
    till.wait_ready();
    let all = own + 500 * u64::try_from(kills).expect("small");
    assert_eq!(till.balance(), (all.to_string(), all));
    let tokens = block_on(till.client.tokens(payer.paid)).expect("tokens").tokens;
    let distinct: std::collections::BTreeSet<_> = tokens.iter().map(|token| token.id).collect();
    assert_eq!(u64::try_from(distinct.len()), Ok(all));
    till.stop();
}
