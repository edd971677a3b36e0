//! Tests of the tips: where a state stands (R2), what is applied (R7, R8), sums and owners (R3).

use super::*;
use crate::testkit::*;
use ledger::hash::{Tag, hash};
use ledger::{AssetKind, SignedTransfer};

fn genesis() -> Tips {
    Tips::genesis(network())
}

fn signed(owner: u8, inputs: &[Input], outputs: Vec<Output>, memo: &str) -> SignedTransfer {
    let transfer = Transfer { outputs, ..pay(owner, inputs, 0, memo).transfer };
    transfer.sign(&owner_key(owner))
}

/// The owner's coin becomes a new token of the same owner: the coin itself ends.
fn melted(position: usize, memo: &str) -> SignedTransfer {
    let owner = u8::try_from(position / TOKENS).expect("a few owners");
    let Input { asset, amount, .. } = coin(position);
    let outputs = vec![Output::Create { asset, amount, to: address(owner) }];
    signed(owner, &[coin(position)], outputs, memo)
}

fn apply(tips: &mut Tips, signed: &SignedTransfer) -> Result<Change, NotApplied> {
    tips.apply(id(signed), &signed.transfer)
}

fn applied(transfers: &[&SignedTransfer]) -> Tips {
    let mut tips = genesis();
    for signed in transfers {
        apply(&mut tips, signed).expect("it fits");
    }
    tips
}

/// Tokens and assets by id, how many transfers are applied, and their digest.
type Seen = (Vec<(TokenId, Tip)>, Vec<(AssetId, Asset)>, u64, Digest);

/// All that can be seen of tips.
fn seen(tips: &Tips) -> Seen {
    let mut tokens: Vec<_> = tips.tokens().map(|(id, tip)| (*id, *tip)).collect();
    tokens.sort_by_key(|(id, _)| *id);
    let mut assets: Vec<_> = tips.assets().map(|(id, asset)| (*id, asset.clone())).collect();
    assets.sort_by_key(|(id, _)| *id);
    (tokens, assets, tips.applied(), tips.digest())
}

fn invalid(refusal: Refusal) -> Verdict {
    Verdict::Invalid(refusal)
}

#[test]
fn r2_an_input_is_the_tip_of_its_token_or_is_refused_by_name() {
    let first = pay_coin(0, "");
    let second = pay(1, &[made(&first)], 2, "");
    let tips = applied(&[&first, &second]);
    let state = made(&second).state;
    assert_eq!(tips.place(&state), Place::Current);
    let judge = |owner: u8, input: Input| tips.judge(&pay(owner, &[input], 0, "").transfer);
    assert_eq!(judge(2, made(&second)), Verdict::Valid);
    assert_eq!(judge(1, made(&second)), invalid(Refusal::NotOwner { token: state.token }));
    // Spent by the last transfer, which the tip tells, and by one before it, which it does not.
    let (spent, deep) = (made(&first).state, coin(0).state);
    let by = Some(id(&second));
    assert_eq!(judge(1, made(&first)), invalid(Refusal::Spent { state: spent, by }));
    assert_eq!(judge(0, coin(0)), invalid(Refusal::Spent { state: deep, by: None }));
    let missing = Input { state: TokenState { height: 3, ..state }, ..made(&second) };
    let cause = Cause::ParentMissing { state: missing.state };
    assert_eq!(judge(2, missing), Verdict::Unknown(cause), "its maker may come");
    let forged = Input { state: TokenState { made_by: id(&first), ..state }, ..made(&second) };
    assert_eq!(judge(2, forged), invalid(Refusal::NoSuchToken { token: state.token }));
    let token = ledger::state::genesis_token_id(1_000);
    let invented = Input { state: TokenState { token, ..coin(0).state }, ..coin(0) };
    assert_eq!(judge(0, invented), invalid(Refusal::NoSuchToken { token }));
    let strange = TokenState { token, made_by: id(&first), height: 0 };
    assert_eq!(tips.place(&strange), Place::Ahead, "a token that somebody may have made");
}

#[test]
fn r2_asset_and_amount_of_an_input_are_its_tips() {
    let tips = genesis();
    let token = coin(0).state.token;
    let wrong = invalid(Refusal::WrongValue { token });
    for amount in [9, 11, 0, u64::MAX] {
        let input = Input { amount, ..coin(0) };
        assert_eq!(tips.judge(&pay(0, &[input], 1, "").transfer), wrong, "{amount}");
    }
    let asset = AssetId(hash(Tag::Asset, &[b"another"]));
    let input = Input { asset, ..coin(0) };
    assert_eq!(tips.judge(&pay(0, &[input], 1, "").transfer), wrong);
}

#[test]
fn r2_one_bad_input_among_good_and_unknown_ones_refuses_the_transfer() {
    let tips = genesis();
    let unknown = Input { state: TokenState { height: 1, ..coin(1).state }, ..coin(1) };
    let both = pay(0, &[coin(0), unknown], 1, "");
    let cause = Cause::ParentMissing { state: unknown.state };
    assert_eq!(tips.judge(&both.transfer), Verdict::Unknown(cause));
    for position in 0..TOKENS {
        let foreign = coin(TOKENS + position);
        let found = tips.judge(&pay(0, &[coin(0), unknown, foreign], 1, "").transfer);
        assert_eq!(found, invalid(Refusal::NotOwner { token: foreign.state.token }));
    }
}

#[test]
fn r2_a_token_that_has_ended_is_spent_for_good() {
    let end = melted(0, "");
    let tips = applied(&[&end]);
    let (state, by) = (coin(0).state, Some(id(&end)));
    assert_eq!(tips.place(&state), Place::Spent { by });
    let again = pay_coin(0, "again").transfer;
    assert_eq!(tips.judge(&again), invalid(Refusal::Spent { state, by }));
    let above = TokenState { height: 1, made_by: id(&end), ..state };
    assert_eq!(tips.place(&above), Place::Nowhere, "nothing follows on an end");
    assert_eq!(tips.tip(&state.token).and_then(|tip| tip.ended_by), by);
}

#[test]
fn r8_what_is_applied_is_never_applied_twice() {
    for once in [pay_coin(0, ""), melted(0, ""), pay(0, &[coin(0), coin(1)], 1, "two")] {
        let mut tips = applied(&[&once]);
        let before = seen(&tips);
        assert_eq!(apply(&mut tips, &once), Err(NotApplied::Already));
        assert_eq!(seen(&tips), before);
        assert_eq!(tips.applied(), 1);
    }
}

#[test]
fn r7_without_its_parents_nothing_is_applied_and_all_of_them_are_named() {
    let (first, second) = (pay_coin(0, ""), pay_coin(1, ""));
    let child = pay(1, &[made(&first), made(&second), coin(TOKENS)], 2, "");
    let mut tips = genesis();
    let before = seen(&tips);
    let mut wanted = vec![made(&first).state, made(&second).state];
    wanted.sort();
    assert_eq!(apply(&mut tips, &child), Err(NotApplied::Missing(wanted)));
    assert_eq!(seen(&tips), before);
    apply(&mut tips, &first).expect("it fits");
    let wanted = vec![made(&second).state];
    assert_eq!(apply(&mut tips, &child), Err(NotApplied::Missing(wanted)));
    apply(&mut tips, &second).expect("it fits");
    assert!(apply(&mut tips, &child).is_ok());
}

#[test]
fn r7_whatever_does_not_fit_what_is_applied_is_a_fork_and_changes_nothing() {
    let pair = pay(0, &[coin(0), coin(1)], 1, "pair");
    let mut tips = applied(&[&pair]);
    let before = seen(&tips);
    let mut forks = |signed: &SignedTransfer, state: TokenState| {
        assert_eq!(apply(&mut tips, signed), Err(NotApplied::Fork(state)));
        assert_eq!(seen(&tips), before);
    };
    forks(&pay_coin(0, "another spender"), coin(0).state);
    // One input is spent and the other is not, or is not there yet.
    forks(&pay(0, &[coin(0), coin(2)], 1, "half"), coin(0).state);
    let ahead = Input { state: TokenState { height: 1, ..coin(2).state }, ..coin(2) };
    forks(&pay(0, &[coin(0), ahead], 1, "half"), coin(0).state);
    let made_by = id(&pay_coin(0, "another maker"));
    let nowhere = Input { state: TokenState { made_by, ..made(&pair).state }, ..made(&pair) };
    forks(&pay(1, &[nowhere], 2, ""), nowhere.state);
    // Spent so deep that its tip does not name the spender: the other input tells.
    let first = pay_coin(0, "");
    let second = pay(1, &[made(&first)], 2, "");
    let mut tips = applied(&[&first, &second]);
    for other in [coin(2), ahead] {
        let half = pay(0, &[coin(0), other], 1, "half");
        assert_eq!(apply(&mut tips, &half), Err(NotApplied::Fork(coin(0).state)));
    }
    let end = melted(0, "");
    let mut tips = applied(&[&end]);
    let other = apply(&mut tips, &melted(0, "another end"));
    assert_eq!(other, Err(NotApplied::Fork(coin(0).state)));
}

#[test]
fn r3_conserve_issued_and_live_amounts_follow_each_transfer() {
    let asset = coin(0).asset;
    let total = 10 * u64::try_from(TOKENS).expect("few") * u64::from(OWNERS);
    let sums = |tips: &Tips, asset: &AssetId| {
        tips.asset(asset).map(|asset| (asset.issued, asset.live)).expect("it is known")
    };
    let mut tips = genesis();
    assert_eq!(sums(&tips, &asset), (total, total));
    let create = |amount, to: u8| Output::Create { asset, amount, to: address(to) };
    let split = signed(0, &[coin(0), coin(1)], vec![create(13, 1), create(7, 0)], "");
    let item = AssetDefinition {
        name: "picture".into(),
        kind: AssetKind::Item { content: ledger::state::raw_cid(b"picture") },
    };
    let gold = AssetDefinition { name: "GOLD".into(), kind: AssetKind::Fungible { decimals: 2 } };
    let issue = |definition: &AssetDefinition, supply| Output::Issue {
        definition: definition.clone(),
        supply,
        to: address(0),
    };
    let moved = Output::Move { input: 0, to: address(0) };
    let issues = signed(0, &[coin(2)], vec![moved, issue(&item, 1), issue(&gold, 500)], "");
    let change = apply(&mut tips, &split).expect("it fits");
    assert_eq!((change.id, change.owner), (id(&split), address(0)));
    assert_eq!((change.spent, change.made.len()), (split.transfer.inputs.clone(), 2));
    apply(&mut tips, &issues).expect("it fits");
    assert_eq!(sums(&tips, &asset), (total, total));
    let made = issues.transfer.made(id(&issues));
    assert_eq!(sums(&tips, &made[1].asset), (1, 1));
    assert_eq!(sums(&tips, &made[2].asset), (500, 500));
    assert_eq!(tips.asset(&made[2].asset).map(|asset| &asset.definition), Some(&gold));
    // The item is known as indivisible now, and gold is not: R3 asks the tips.
    assert!(Rules::is_indivisible(&tips, &made[1].asset));
    assert!(!Rules::is_indivisible(&tips, &made[2].asset));
    assert!(!Rules::is_indivisible(&tips, &asset));
    assert!(!Rules::is_indivisible(&tips, &AssetId::default()));
    assert!(Rules::is_reserved(&tips, "COIN") && !Rules::is_reserved(&tips, "GOLD"));
    assert_eq!((Rules::network(&tips), Rules::epoch(&tips)), (network().id, network().epoch));
}

fn balances_are_the_sums_of_the_tokens(tips: &Tips, owner: &Address) {
    let mut sums = std::collections::BTreeMap::<AssetId, Sum>::new();
    for (_, tip) in tips.tokens_of(owner) {
        let sum = sums.entry(tip.asset).or_default();
        (sum.units, sum.tokens) = (sum.units + tip.amount, sum.tokens + 1);
    }
    assert_eq!(tips.balances(owner), Vec::from_iter(sums));
}

#[test]
fn owners_have_their_live_tokens_in_order_and_no_others() {
    let of = |tips: &Tips, owner: u8| -> Vec<TokenId> {
        tips.tokens_of(&address(owner)).map(|(token, _)| token).collect()
    };
    let mut coins: Vec<TokenId> = (0..TOKENS).map(|position| coin(position).state.token).collect();
    coins.sort();
    let mut tips = genesis();
    assert_eq!(of(&tips, 0), coins);
    let after = |tips: &Tips, token| -> Vec<TokenId> {
        tips.tokens_after(&address(0), token).map(|(token, _)| token).collect()
    };
    assert_eq!(after(&tips, TokenId::default()), coins);
    assert_eq!(after(&tips, coins[2]), coins[3..]);
    assert_eq!(after(&tips, coins[TOKENS - 1]), []);
    let end = melted(0, "");
    apply(&mut tips, &end).expect("it fits");
    apply(&mut tips, &pay_coin(1, "")).expect("it fits");
    assert!(!of(&tips, 0).contains(&coin(0).state.token), "it has ended");
    assert!(of(&tips, 0).contains(&made(&end).state.token));
    assert!(!of(&tips, 0).contains(&coin(1).state.token), "it is another's");
    assert!(of(&tips, 1).contains(&coin(1).state.token));
    assert_eq!((of(&tips, 0).len(), of(&tips, 1).len()), (TOKENS - 1, TOKENS + 1));
    let all = pay(2, &(2 * TOKENS..3 * TOKENS).map(coin).collect::<Vec<_>>(), 3, "all");
    apply(&mut tips, &all).expect("it fits");
    assert_eq!((of(&tips, 2).len(), of(&tips, 3).len()), (0, 2 * TOKENS));
    (0..OWNERS).for_each(|owner| balances_are_the_sums_of_the_tokens(&tips, &address(owner)));
}

#[test]
fn the_digest_is_of_the_set_that_is_applied_in_whatever_order() {
    let (first, second) = (pay_coin(0, ""), pay_coin(1, ""));
    let (one, other) = (applied(&[&first, &second]), applied(&[&second, &first]));
    assert_eq!(seen(&one), seen(&other));
    let alone = applied(&[&first]);
    assert_eq!(alone.digest(), id(&first).0);
    let both = id(&first).0.0.into_iter().zip(id(&second).0.0).map(|(a, b)| a ^ b);
    assert!(one.digest().0.into_iter().eq(both));
    assert_eq!((one.applied(), alone.applied(), genesis().applied()), (2, 1, 0));
    assert_eq!(genesis().digest(), Digest::default());
}

#[test]
fn an_index_loads_the_same_tips_in_whatever_order() {
    let definition =
        AssetDefinition { name: "GOLD".into(), kind: AssetKind::Fungible { decimals: 2 } };
    let moved = Output::Move { input: 0, to: address(0) };
    let issue = Output::Issue { definition, supply: 500, to: address(0) };
    let issued = signed(0, &[coin(2)], vec![moved, issue], "");
    let told = applied(&[&melted(0, ""), &pay_coin(1, ""), &pay_coin(TOKENS, ""), &issued]);
    let (tokens, assets, applied, digest) = seen(&told);
    for is_reversed in [false, true] {
        let mut rows = tokens.clone();
        if is_reversed {
            rows.reverse();
        }
        let mut loaded = genesis();
        for (id, asset) in &assets {
            loaded.load_asset(*id, asset.definition.clone(), asset.issued);
        }
        rows.into_iter().for_each(|(token, tip)| loaded.load(token, tip));
        loaded.load_counters(applied, digest.0);
        assert_eq!(seen(&loaded), seen(&told));
        let of = |tips: &Tips| -> Vec<TokenId> {
            let all = (0..OWNERS).map(address).collect::<Vec<_>>();
            all.iter().flat_map(|owner| tips.tokens_of(owner).map(|(id, _)| id)).collect()
        };
        assert_eq!(of(&loaded), of(&told));
        (0..OWNERS).for_each(|owner| balances_are_the_sums_of_the_tokens(&loaded, &address(owner)));
    }
}
