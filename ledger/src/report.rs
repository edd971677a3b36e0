//! Reports: what a validator has accepted of states whose round it has just promised (protocol §4).
//! One signature covers all states of one answer.

use crate::encoding::{Canonical, DecodeError, Reader, canonical_struct, write_list};
use crate::hash::{NetworkId, Tag, TransferId, hash};
use crate::key::{Keypair, Signature};
use crate::state::TokenState;
use crate::statement::Statement;
use crate::transfer::INPUTS_MAX;

/// A transfer that was accepted, and in which round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Accepted {
    /// The round.
    pub round: u32,
    /// The transfer.
    pub transfer: TransferId,
}
canonical_struct!(Accepted { round, transfer });

/// What is said of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The state, unspent where this is said.
    pub state: TokenState,
    /// What was accepted last for it, before the round was promised. A claim counts only together
    /// with the Lock certificate that proves it.
    pub accepted: Option<Accepted>,
}

impl Canonical for Claim {
    fn write(&self, out: &mut Vec<u8>) {
        self.state.write(out);
        match &self.accepted {
            None => out.push(0),
            Some(accepted) => {
                out.push(1);
                accepted.write(out);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let state = TokenState::read(reader)?;
        let accepted = match u8::read(reader)? {
            0 => None,
            1 => Some(Accepted::read(reader)?),
            tag => return Err(DecodeError::BadTag { what: "presence of an accept", tag }),
        };
        Ok(Self { state, accepted })
    }
}

/// What a validator says after it has promised `round` for all these states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The epoch.
    pub epoch: u64,
    /// The round promised, at least 1: nothing below is locked or accepted any more.
    pub round: u32,
    /// 1 to 4,096, ascending by state, without repeats.
    pub claims: Vec<Claim>,
}

impl Canonical for Report {
    fn write(&self, out: &mut Vec<u8>) {
        self.epoch.write(out);
        self.round.write(out);
        write_list(&self.claims, out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let epoch = u64::read(reader)?;
        let round = u32::read(reader)?;
        let claims: Vec<Claim> = reader.list("claims of a report", INPUTS_MAX, 73)?;
        if round == 0 || claims.is_empty() {
            return Err(DecodeError::NotCanonical("a report about nothing"));
        }
        if claims.windows(2).any(|pair| pair[0].state >= pair[1].state) {
            return Err(DecodeError::NotCanonical("claims out of order"));
        }
        Ok(Self { epoch, round, claims })
    }
}

impl Report {
    /// The bytes that the member signs.
    pub fn statement(&self, network: &NetworkId) -> Vec<u8> {
        let digest = hash(Tag::Report, &[&self.to_bytes()]);
        Statement::Report.bytes(network, self.epoch, &[&digest.0])
    }

    /// Signs it as member `member`.
    pub fn sign(self, network: &NetworkId, member: u16, keypair: &Keypair) -> SignedReport {
        let signature = keypair.sign(&self.statement(network));
        SignedReport { report: self, member, signature }
    }
}

/// A report with its member and a signature that is still to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedReport {
    /// What is said.
    pub report: Report,
    /// Index of the member in the committee.
    pub member: u16,
    /// Said to be the member's over [`Report::statement`].
    pub signature: Signature,
}
canonical_struct!(SignedReport { report, member, signature });

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::genesis_token_id;

    fn claim(position: u64, accepted: Option<Accepted>) -> Claim {
        let state = TokenState {
            token: genesis_token_id(position),
            height: 0,
            made_by: TransferId::default(),
        };
        Claim { state, accepted }
    }

    #[test]
    fn it_is_read_back_and_only_in_its_one_form() {
        let accepted = Some(Accepted { round: 0, transfer: TransferId::default() });
        let mut claims = vec![claim(0, None), claim(1, accepted)];
        claims.sort_by_key(|claim| claim.state);
        let good = Report { epoch: 7, round: 2, claims };
        let read = |report: &Report| Report::from_bytes(&report.to_bytes());
        assert_eq!(read(&good), Ok(good.clone()));
        let wrong = |change: fn(&mut Report)| {
            let mut changed = good.clone();
            change(&mut changed);
            read(&changed)
        };
        assert!(wrong(|r| r.round = 0).is_err());
        assert!(wrong(|r| r.claims.clear()).is_err());
        assert!(wrong(|r| r.claims.reverse()).is_err());
        assert!(wrong(|r| r.claims[1] = r.claims[0]).is_err());
    }

    #[test]
    fn the_signature_is_for_all_of_it() {
        let (network, key) = (NetworkId::default(), Keypair::from_seed([9; 32]));
        let report = Report { epoch: 7, round: 1, claims: vec![claim(0, None)] };
        let signed = report.sign(&network, 3, &key);
        let holds = |signed: &SignedReport| {
            key.public().verifies(&signed.signature, &signed.report.statement(&network))
        };
        assert!(holds(&signed));
        let changed = |change: fn(&mut Report)| {
            let mut changed = signed.clone();
            change(&mut changed.report);
            holds(&changed)
        };
        assert!(!changed(|r| r.round = 2));
        assert!(!changed(|r| r.epoch = 8));
        let said = |r: &mut Report| {
            r.claims[0].accepted = Some(Accepted { round: 0, transfer: TransferId::default() });
        };
        assert!(!changed(said));
    }
}
