//! `Recover`: an owner asks every validator to promise a round for states of its tokens and to say
//! what it has accepted of them (protocol §4). It moves nothing.

use crate::address::Address;
use crate::encoding::{Canonical, DecodeError, Reader, write_list};
use crate::hash::{Digest, NetworkId, Tag, hash};
use crate::key::{Keypair, Signature};
use crate::state::TokenState;
use crate::statement::Statement;
use crate::transfer::INPUTS_MAX;

/// What an owner signs to begin a round above 0 for its states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recover {
    /// The epoch.
    pub epoch: u64,
    /// Who owns the states.
    pub owner: Address,
    /// The round, at least 1.
    pub round: u32,
    /// 1 to 4,096 states, ascending, without repeats.
    pub states: Vec<TokenState>,
}

impl Canonical for Recover {
    fn write(&self, out: &mut Vec<u8>) {
        self.epoch.write(out);
        self.owner.write(out);
        self.round.write(out);
        write_list(&self.states, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let epoch = u64::read(reader)?;
        let owner = Address::read(reader)?;
        let round = u32::read(reader)?;
        let states: Vec<TokenState> = reader.list("states to recover", INPUTS_MAX, 72)?;
        if round == 0 {
            return Err(DecodeError::NotCanonical("round 0 needs no recovery"));
        }
        if states.is_empty() {
            return Err(DecodeError::NotCanonical("a recovery without states"));
        }
        if states.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(DecodeError::NotCanonical("states out of order"));
        }
        Ok(Self { epoch, owner, round, states })
    }
}

impl Recover {
    /// Its id: hash of the canonical bytes. Answers name it.
    pub fn id(&self) -> Digest {
        hash(Tag::Recover, &[&self.to_bytes()])
    }

    /// The bytes that the owner signs.
    pub fn statement(&self, network: &NetworkId) -> Vec<u8> {
        Statement::Recover.bytes(network, self.epoch, &[&self.id().0])
    }

    /// Signs it. The caller sees to it that `keypair` is the owner's.
    pub fn sign(self, network: &NetworkId, keypair: &Keypair) -> SignedRecover {
        let signature = keypair.sign(&self.statement(network));
        SignedRecover { recover: self, signature }
    }
}

/// A `Recover` with a signature that nobody has checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRecover {
    /// What is asked.
    pub recover: Recover,
    /// Said to be the owner's, over [`Recover::statement`].
    pub signature: Signature,
}
crate::encoding::canonical_struct!(SignedRecover { recover, signature });

impl SignedRecover {
    /// Whether the owner signed it. About 30 µs.
    pub fn is_signed(&self, network: &NetworkId) -> bool {
        self.recover.owner.0.verifies(&self.signature, &self.recover.statement(network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::TransferId;
    use crate::state::genesis_token_id;

    fn state(position: u64) -> TokenState {
        TokenState { token: genesis_token_id(position), height: 0, made_by: TransferId::default() }
    }

    fn recover(round: u32, mut states: Vec<TokenState>) -> Recover {
        states.sort();
        let owner = Address(Keypair::from_seed([9; 32]).public());
        Recover { epoch: 7, owner, round, states }
    }

    #[test]
    fn it_is_read_back_and_only_in_its_one_form() {
        let good = recover(1, vec![state(0), state(1)]);
        let read = |recover: &Recover| Recover::from_bytes(&recover.to_bytes());
        assert_eq!(read(&good), Ok(good.clone()));
        let wrong = |change: fn(&mut Recover)| {
            let mut changed = good.clone();
            change(&mut changed);
            read(&changed)
        };
        assert!(wrong(|r| r.round = 0).is_err());
        assert!(wrong(|r| r.states.clear()).is_err());
        assert!(wrong(|r| r.states.reverse()).is_err());
        assert!(wrong(|r| r.states[1] = r.states[0]).is_err());
        let over = recover(1, (0..4_097).map(state).collect());
        assert!(matches!(read(&over), Err(DecodeError::TooMany { found: 4_097, .. })));
    }

    #[test]
    fn the_signature_is_for_round_states_network_and_epoch() {
        let (network, key) = (NetworkId::default(), Keypair::from_seed([9; 32]));
        let signed = recover(1, vec![state(0)]).sign(&network, &key);
        assert!(signed.is_signed(&network));
        let changed = |change: fn(&mut Recover)| {
            let mut changed = signed.clone();
            change(&mut changed.recover);
            changed.is_signed(&network)
        };
        assert!(!changed(|r| r.round = 2));
        assert!(!changed(|r| r.states[0].height = 1));
        assert!(!changed(|r| r.epoch = 8));
        assert!(!changed(|r| r.owner = Address(Keypair::from_seed([8; 32]).public())));
        assert!(!signed.is_signed(&NetworkId(hash(Tag::Genesis, &[b"other"]))));
    }
}
