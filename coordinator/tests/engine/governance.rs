//! Operations other than slashes: signed once the account's own calls go through at the finalised block.

use crate::bench::{AVS, Bench, REQUESTER, WALL};
use crate::network::definition;
use alloy_primitives::{Address, U256};
use firn_coordinator::api::{AccountFacts, ChainAnswer, Event, SlashFacts};
use firn_coordinator::journal::{self, Tail};
use firn_proto::account::account_address;
use firn_proto::definition::{Authority, Purpose};
use firn_proto::message::BlockReference;
use firn_proto::operation::{Operation, UpdateSlasher};
use firn_proto::request::Request;
use firn_proto::{Code, Definition};

/// The bench's one key is a governance key. Its name says nothing.
fn bench() -> Bench {
    let mut content = (*definition(2, 3)).clone();
    content.keys[0].purpose = Purpose::Governance;
    content.operator_sets.clear();
    content.authorities = vec![Authority { avs: AVS, purpose: Purpose::Governance, key: "slash".to_owned() }];
    content.requesters[0].operations = vec!["update_slasher".to_owned()];
    Bench::ready_of(Definition::new(content)).0
}

/// A request to name another slasher.
fn request(bench: &Bench) -> Request {
    let operation = Operation::UpdateSlasher(UpdateSlasher {
        avs: AVS,
        operatorSetId: 0,
        slasher: Address::repeat_byte(0x77),
        account: account_address(&bench.hosts[&1].engine.keys()[0].group_key.unwrap()),
        nonce: U256::from(7),
        deadline: WALL + 7_200,
    });
    bench.signed(&REQUESTER, operation)
}

#[test]
fn an_operation_whose_calls_go_through_is_signed() {
    let mut bench = bench();
    let request = request(&bench);
    bench.submit(1, &request);
    bench.deliver();
    assert_eq!(bench.state(1, &request), "signed");
    for (id, host) in &bench.hosts {
        let replay = journal::replay(&host.journal).unwrap();
        assert_eq!(replay.tail, Tail::Ended);
        assert_eq!(format!("{:?}", replay.engine), format!("{:?}", host.engine), "n{id}");
    }
}

#[test]
fn every_fact_about_an_account_counts() {
    type Change = fn(&mut AccountFacts);
    let cases: &[(Change, Code)] = &[
        (|f| f.signer = None, Code::AccountNotDeployed),
        (|f| f.signer = Some(vec![0; 84].into()), Code::AccountNotDeployed),
        (|f| f.calls_succeed = false, Code::CallReverts),
    ];
    for (change, code) in cases {
        let mut bench = bench();
        bench.account_facts = *change;
        let request = request(&bench);
        bench.submit(1, &request);
        bench.deliver();
        bench.rounds(2);
        let view = bench.hosts[&2].engine.request(request.id()).unwrap();
        assert_eq!(view.signature, None, "{code}");
        assert!(view.members.iter().all(|member| member.code == Some(*code)), "{code}: {:?}", view.members);
        for (id, host) in &bench.hosts {
            let replay = journal::replay(&host.journal).unwrap();
            assert_eq!(format!("{:?}", replay.engine), format!("{:?}", host.engine), "n{id}");
        }
        bench.account_facts = |_| {};
        bench.rounds(2);
        assert_eq!(bench.state(2, &request), "signed", "once the chain allows it");
    }
}

#[test]
fn a_used_nonce_ends_it() {
    let mut bench = bench();
    bench.account_facts = |facts| facts.nonce_used = true;
    let request = request(&bench);
    bench.submit(1, &request);
    bench.deliver();
    assert_eq!(bench.state(1, &request), "executed");
}

#[test]
fn facts_of_another_kind_decide_nothing() {
    let block = BlockReference { number: 10, ..BlockReference::default() };
    let mut governance = bench();
    governance.chain_silent = true;
    let request = request(&governance);
    governance.submit(1, &request);
    governance.deliver();
    let signer = |bench: &Bench| match bench.answer(&firn_coordinator::api::ChainQuery::Account {
        account: request.account(),
        nonce: Default::default(),
        calls: Vec::new(),
    }) {
        ChainAnswer::Account(facts) => facts.signer,
        _ => None,
    };
    let facts = SlashFacts {
        block,
        slasher: request.account(),
        slashable: true,
        strategies: vec![Address::repeat_byte(0x33)],
        signer: signer(&governance),
        nonce_used: false,
        history: None,
        last_block: u64::MAX,
        takes: None,
        head: block.number,
        gate: None,
    };
    for id in 1..=3 {
        let answer = ChainAnswer::Slash(facts.clone());
        governance.event(id, Event::ChainReplied { subject: request.id(), answer });
    }
    governance.deliver();
    assert_ne!(governance.state(1, &request), "signed");

    let (mut slashing, _) = Bench::ready(2, 3);
    slashing.chain_silent = true;
    let slash = slashing.request(7);
    slashing.submit(1, &slash);
    slashing.deliver();
    let facts = AccountFacts { block, signer: signer(&slashing), nonce_used: false, calls_succeed: true };
    for id in 1..=3 {
        let answer = ChainAnswer::Account(facts.clone());
        slashing.event(id, Event::ChainReplied { subject: slash.id(), answer });
    }
    slashing.deliver();
    assert_ne!(slashing.state(1, &slash), "signed");
}
