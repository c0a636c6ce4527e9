//! The vault asks the policy by itself: what people said comes from the core, and is verified like everything else.

use super::*;
use crate::tests::people::{GOVERNED, opinion};
use firn_proto::Opinion;
use firn_proto::opinion::Decision as Word;

impl Case {
    /// A slash of the governed operator.
    fn governed(wad: u64) -> Self {
        let mut case = case();
        let account = account_address(case.certificate.group_key());
        case.subject = case.net.request_with(|slash| {
            slash.account = account;
            slash.operator = GOVERNED;
            slash.wadsToSlash = vec![U256::from(wad)];
        });
        case.package.subject = case.subject.id(case.net.definition.network_id());
        case
    }

    fn ask_with(&mut self, opinions: &[Opinion]) -> Reply {
        let Ask::Release(mut ask) = release(&self.subject, &self.package) else { unreachable!() };
        opinions.iter().for_each(|opinion| ask.opinions.insert(opinion.clone()));
        self.net.ask(self.node, Ask::Release(ask))
    }

    fn says(&self, person: u8, word: Word) -> Opinion {
        opinion(&self.net.definition, person, self.package.subject, word)
    }
}

fn code(reply: &Reply) -> Option<Code> {
    match reply {
        Reply::Refused(refusal) => Some(refusal.code),
        _ => None,
    }
}

#[test]
fn r16_r18_a_share_leaves_only_with_the_approvals_that_a_rule_asks_for() {
    let mut case = Case::governed(100);
    let (first, second) = (case.says(1, Word::Approve), case.says(2, Word::Approve));
    for opinions in [vec![], vec![first.clone()], vec![first.clone(), case.says(2, Word::Withdraw)]] {
        assert_eq!(code(&case.ask_with(&opinions)), Some(Code::PolicyApprovalsMissing), "{opinions:?}");
    }
    assert_eq!(code(&case.ask_with(&[first, second])), None);
}

#[test]
fn r14_the_ceiling_holds_whoever_approved() {
    let mut case = Case::governed(101);
    let all = [case.says(1, Word::Approve), case.says(2, Word::Approve)];
    assert_eq!(code(&case.ask_with(&all)), Some(Code::PolicyWadTooLarge));
}

#[test]
fn r20_no_share_leaves_after_a_veto() {
    let mut case = Case::governed(100);
    let all = [case.says(1, Word::Approve), case.says(2, Word::Approve), case.says(3, Word::Veto)];
    assert_eq!(code(&case.ask_with(&all)), Some(Code::RequestVetoed));
}

#[test]
fn r18_approvals_of_another_request_or_network_are_refused() {
    let mut case = Case::governed(100);
    let other = Case::governed(99);
    let moved = [other.says(1, Word::Approve), other.says(2, Word::Approve)];
    assert_eq!(code(&case.ask_with(&moved)), Some(Code::VaultRefused));
    let mut elsewhere = (*case.net.definition).clone();
    elsewhere.name.push('x');
    let elsewhere = Definition::new(elsewhere);
    let foreign = [1, 2].map(|person| opinion(&elsewhere, person, case.package.subject, Word::Approve));
    assert_eq!(code(&case.ask_with(&foreign)), Some(Code::VaultRefused));
}
