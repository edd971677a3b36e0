//! What the targets start from: a committee of seven with quorum five, three owners with tokens,
//! and valid objects of every kind made with their keys. All of it is the same in every run.

use consensus::{AppliedBatch, Batch, CheckedCertificate, Proposal};
use ledger::{
    Address, Ballot, Bitmap, Canonical, Certificate, Claim, Entry, Genesis, GenesisAsset,
    GenesisMember, GenesisTokens, Input, Justification, Keypair, Name, Network, Output, Phase,
    Receipt, Recover, Report, SignedRecover, SignedReport, SignedTransfer, TokenState, Transfer,
    Vote,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::{Arc, LazyLock};

/// Members of the committee.
pub const MEMBERS: u16 = 7;
/// Members enough for a quorum.
pub const QUORUM: u16 = 5;
/// Owners.
pub const OWNERS: u8 = 3;
/// Genesis tokens of each owner, 10 COIN each; owner `o` has those from `o * TOKENS` on.
pub const TOKENS: usize = 4;

static NETWORK: LazyLock<Arc<Network>> = LazyLock::new(|| {
    let network = genesis().network().expect("a good genesis");
    Arc::new(network)
});

static MEMBER_KEYS: LazyLock<Vec<Keypair>> = LazyLock::new(|| {
    let of = |member: u16| Keypair::from_seed([u8::try_from(member + 1).expect("seven"); 32]);
    (0..MEMBERS).map(of).collect()
});

static OWNER_KEYS: LazyLock<Vec<Keypair>> =
    LazyLock::new(|| (0..OWNERS).map(|owner| Keypair::from_seed([100 + owner; 32])).collect());

/// The generator of everything that needs one.
pub fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

/// The genesis file.
pub fn genesis() -> Genesis {
    let member = |index: u16| GenesisMember {
        name: Name::new(&format!("v{index}")).expect("a good name"),
        key: Address(member_key(index).public()),
        weight: 1,
    };
    let tokens = |owner: u8| GenesisTokens {
        owner: address(owner),
        asset: "COIN".into(),
        amount: "10".into(),
        count: u64::try_from(TOKENS).expect("a few"),
    };
    Genesis {
        schema: ledger::genesis::GENESIS_SCHEMA.into(),
        network: Name::new("fuzz").expect("a good name"),
        epoch: 3,
        committee: (0..MEMBERS).map(member).collect(),
        assets: vec![GenesisAsset { name: "COIN".into(), decimals: 0 }],
        tokens: (0..OWNERS).map(tokens).collect(),
    }
}

/// The network.
pub fn network() -> &'static Arc<Network> {
    &NETWORK
}

/// A member's vote key.
pub fn member_key(member: u16) -> &'static Keypair {
    &MEMBER_KEYS[usize::from(member)]
}

/// An owner's key.
pub fn owner_key(owner: u8) -> &'static Keypair {
    &OWNER_KEYS[usize::from(owner)]
}

/// An owner's address.
pub fn address(owner: u8) -> Address {
    Address(owner_key(owner).public())
}

/// The genesis token at this position, as an input.
pub fn coin(position: usize) -> Input {
    let made = network().tokens().nth(position).expect("there are that many");
    Input { state: made.state, asset: made.asset, amount: made.amount }
}

/// A transfer of these inputs and outputs, signed by its owner.
pub fn transfer(
    owner: u8,
    mut inputs: Vec<Input>,
    outputs: Vec<Output>,
    memo: &str,
) -> SignedTransfer {
    inputs.sort_by_key(|input| input.state.token);
    let (network, epoch) = (network().id, network().epoch);
    let (owner_address, memo) = (address(owner), memo.into());
    Transfer { network, epoch, owner: owner_address, inputs, outputs, memo }.sign(owner_key(owner))
}

/// Moves the genesis token at this position from its owner to the next one.
pub fn pay(position: usize, memo: &str) -> SignedTransfer {
    let owner = u8::try_from(position / TOKENS).expect("three owners");
    let outputs = vec![Output::Move { input: 0, to: address((owner + 1) % OWNERS) }];
    transfer(owner, vec![coin(position)], outputs, memo)
}

/// Moves one genesis token of owner 0, splits another and issues an asset: every kind of output.
pub fn rich() -> SignedTransfer {
    let create = |amount| Output::Create { asset: coin(0).asset, amount, to: address(2) };
    let definition = ledger::AssetDefinition {
        name: "POINTS".into(),
        kind: ledger::AssetKind::Fungible { decimals: 2 },
    };
    let outputs = vec![
        Output::Move { input: 0, to: address(1) },
        create(4),
        create(6),
        Output::Issue { definition, supply: 500, to: address(0) },
    ];
    transfer(0, vec![coin(0), coin(1)], outputs, "all kinds")
}

/// A batch of these entries, as this member proposes it.
pub fn batch(proposer: u16, entries: Vec<Entry>) -> (Proposal, Batch) {
    let batch = Batch::new(entries);
    let (network, key) = (network(), member_key(proposer));
    let proposal = Proposal::sign(&batch, &network.id, network.epoch, proposer, key);
    (proposal, batch)
}

/// Three ordinary entries.
pub fn entries() -> Vec<Entry> {
    [rich(), pay(4, "one"), pay(8, "")].into_iter().map(Entry::ordinary).collect()
}

/// A member's vote for these entries of a batch.
pub fn vote(member: u16, phase: Phase, batch: &Batch, bits: &[bool]) -> Vote {
    let bitmap = Bitmap::from_bools(bits);
    let ballot = Ballot { epoch: network().epoch, phase, batch: batch.id(), bitmap };
    ballot.sign(&network().id, member, member_key(member))
}

/// A certificate of exactly a quorum for all entries of a batch.
pub fn certificate(phase: Phase, batch: &Batch) -> Certificate {
    let bits = vec![true; batch.count()];
    let votes: Vec<Vote> = (0..QUORUM).map(|m| vote(m, phase, batch, &bits)).collect();
    Certificate::from_votes(&votes.iter().collect::<Vec<_>>())
}

/// The same, checked.
pub fn checked(certificate: Certificate) -> CheckedCertificate {
    CheckedCertificate::check(certificate, network(), &mut rng()).expect("a quorum of good votes")
}

/// A batch with its Commit certificate.
pub fn applied(entries: Vec<Entry>) -> AppliedBatch {
    let (proposal, batch) = batch(0, entries);
    AppliedBatch { proposal, certificate: certificate(Phase::Commit, &batch) }
}

/// The receipts of a batch of these entries, each needing every vote in it.
pub fn receipts(entries: Vec<Entry>) -> Vec<Receipt> {
    let (_, batch) = batch(0, entries);
    let certificate = certificate(Phase::Commit, &batch);
    (0..batch.count()).map(|index| batch.receipt(index, &certificate)).collect()
}

/// An owner asks for a round of these states.
pub fn recover(owner: u8, round: u32, mut states: Vec<TokenState>) -> SignedRecover {
    states.sort();
    let (epoch, key) = (network().epoch, owner_key(owner));
    Recover { epoch, owner: address(owner), round, states }.sign(&network().id, key)
}

/// A member reports that it has accepted nothing of these states.
pub fn report(member: u16, round: u32, states: &[TokenState]) -> SignedReport {
    let mut claims: Vec<Claim> =
        states.iter().map(|state| Claim { state: *state, accepted: None }).collect();
    claims.sort_by_key(|claim| claim.state);
    let report = Report { epoch: network().epoch, round, claims };
    report.sign(&network().id, member, member_key(member))
}

/// A refresh of the genesis token at this position in this round, justified by a quorum.
pub fn refresh(position: usize, round: u32) -> Entry {
    let owner = u8::try_from(position / TOKENS).expect("three owners");
    let outputs = vec![Output::Move { input: 0, to: address(owner) }];
    let signed = transfer(owner, vec![coin(position)], outputs, "");
    let states = [coin(position).state];
    let reports = (0..QUORUM).map(|member| report(member, round, &states)).collect();
    let justification = Justification { reports, ..Justification::default() }.to_bytes();
    Entry { signed, round, justification }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consensus::Verdict;
    use consensus::judge::judge_entry;

    #[test]
    fn what_the_targets_start_from_is_valid() {
        let tips = consensus::Tips::genesis(network().clone());
        for entry in entries().into_iter().chain([refresh(1, 2)]) {
            assert_eq!(judge_entry(&tips, &entry, &mut rng()), Verdict::Valid);
        }
        for receipt in receipts(entries()).into_iter().chain(receipts(vec![refresh(5, 1)])) {
            receipt.verify(network(), &mut rng()).expect("a good receipt");
        }
    }
}
