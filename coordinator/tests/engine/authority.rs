//! The chain contradicts what the definition declares: whose shares stay here, whose never do, and when it is asked again.

use crate::bench::{AVS, Bench};
use crate::pause::{only_for, pausing};
use alloy_primitives::Address;
use firn_coordinator::api::Event;
use firn_proto::Code;
use firn_proto::definition::declared::{Declared, Delays, Holder};
use firn_proto::definition::{Contracts, Definition, Purpose};

/// A network without rules whose AVS has declared contracts, and whose key is for this purpose.
fn declaring(purpose: Purpose) -> Definition {
    let mut content = (*pausing(2, 3)).clone();
    if purpose != Purpose::Slash {
        only_for(&mut content, purpose);
    }
    content.chain.permission_controller = Some(Address::repeat_byte(0xa3));
    let [manager, timelock, timelock_veto, gate, treasury] = [1, 2, 3, 4, 5].map(Address::repeat_byte);
    let holder = |byte| Holder::Address(Address::repeat_byte(byte));
    let delays =
        Delays { slash: 1, treasury: 1, treasury_large: 2, governance: 1, timelock: 1, hand_over: 1, recovery: 2 };
    let declared = Declared {
        since: 0,
        slash: holder(6),
        treasury: holder(7),
        governance: holder(8),
        veto: vec![holder(9)],
        admins: Vec::new(),
        delays,
        sets: Vec::new(),
        payees: Vec::new(),
        appointees: Vec::new(),
    };
    let declared = Some(declared);
    content.contracts = vec![Contracts { avs: AVS, manager, timelock, timelock_veto, gate, treasury, declared }];
    Definition::new(content)
}

impl Bench {
    fn surveyed(&mut self, stopped: &[Purpose]) {
        for node in [1, 2, 3] {
            self.event(node, Event::AuthoritySurveyed { avs: AVS, stopped: stopped.iter().copied().collect() });
        }
        self.deliver();
        self.rounds(3);
    }
}

#[test]
fn r16_slashes_wait_for_the_first_survey_and_for_the_chain_to_agree() {
    let (mut bench, _) = Bench::ready_of(declaring(Purpose::Slash));
    let before = bench.all_shares();
    let request = bench.asked(7);
    assert_eq!((bench.state(1, &request), bench.says(2, &request)), ("waiting", Some(Code::AuthorityUnchecked)));
    bench.surveyed(&[Purpose::Slash, Purpose::Treasury]);
    assert_eq!((bench.state(1, &request), bench.says(2, &request)), ("waiting", Some(Code::AuthorityDiffers)));
    assert_eq!(bench.all_shares(), before);
    bench.event(1, Event::AuthoritySurveyed { avs: Address::ZERO, stopped: [].into() });
    assert_eq!(bench.says(1, &request), Some(Code::AuthorityDiffers), "another AVS's");
    bench.surveyed(&[Purpose::Treasury]);
    assert_eq!(bench.state(1, &request), "signed");
}

#[test]
fn r16_a_contradiction_found_in_mid_round_keeps_the_share_here() {
    let (mut bench, _) = Bench::ready_of(declaring(Purpose::Slash));
    bench.surveyed(&[]);
    let (mut bench, request, package) = bench.in_mid_round();
    let before = bench.shares_of(package.to);
    bench.event(package.to, Event::AuthoritySurveyed { avs: AVS, stopped: [Purpose::Slash].into() });
    bench.hand_over(&package);
    bench.deliver();
    bench.rounds(2);
    assert_eq!(bench.shares_of(package.to), before);
    assert_eq!(bench.says(package.to, &request), Some(Code::AuthorityDiffers));
}

#[test]
fn r20_no_contradiction_stops_the_veto_or_who_repairs() {
    for purpose in [Purpose::Veto, Purpose::Governance] {
        let (mut bench, _) = Bench::ready_of(declaring(purpose));
        bench.surveyed(&Purpose::ALL);
        let request = bench.asked_for(purpose);
        assert_eq!(bench.state(1, &request), "signed", "{purpose:?}");
    }
    let (mut bench, _) = Bench::ready_of(declaring(Purpose::Treasury));
    bench.surveyed(&[Purpose::Treasury]);
    let request = bench.asked_for(Purpose::Treasury);
    assert_eq!((bench.state(1, &request), bench.says(1, &request)), ("waiting", Some(Code::AuthorityDiffers)));
}

#[test]
fn surveys_are_in_the_journal() {
    let (mut bench, _) = Bench::ready_of(declaring(Purpose::Slash));
    bench.surveyed(&[Purpose::Slash]);
    let host = &bench.hosts[&1];
    let replay = firn_coordinator::journal::replay(&host.journal).unwrap();
    assert_eq!(format!("{:?}", replay.engine), format!("{:?}", host.engine));
}
