//! Which package each of our own commitments went into: one package each, so that a coordinator can have us write no
//! more than it asked us for commitments.

use crate::limits::LENT_MAX;
use firn_proto::commitments::CommitmentStatement;
use firn_proto::{Code, Digest, Incarnation};
use std::collections::BTreeMap;

#[derive(Default, Debug)]
pub(crate) struct Lent {
    /// Of this boot, once the vault has made commitments in it.
    incarnation: Option<Incarnation>,
    packages: BTreeMap<u64, Digest>,
}

impl Lent {
    /// The vault made commitments: only those of its boot can be used.
    pub(crate) fn made(&mut self, own: &CommitmentStatement) {
        self.incarnation = Some(own.incarnation);
    }

    /// Takes our commitments for a package. True for the first time; the same package may come again, another never.
    pub(crate) fn take(&mut self, own: &CommitmentStatement, package: Digest) -> Result<bool, Code> {
        let full = self.packages.len() >= LENT_MAX;
        match self.packages.get(&own.serial) {
            _ if self.incarnation != Some(own.incarnation) => Err(Code::CommitmentUnknown),
            Some(known) if *known == package => Ok(false),
            Some(_) => Err(Code::PackageRival),
            None if full && self.packages.first_key_value().is_some_and(|(oldest, _)| own.serial < *oldest) => {
                Err(Code::CommitmentUnknown)
            }
            None => {
                self.packages.insert(own.serial, package);
                if full {
                    self.packages.pop_first();
                }
                Ok(true)
            }
        }
    }
}
