//! Several endpoints, of which some lie, lag or are silent; and one that changes its mind about what was final.

use super::*;

/// What an endpoint says instead of the truth, to some questions.
type Lie = Box<dyn Fn(&str, &Value) -> Option<Said> + Send>;

const FINAL: u64 = 100_000;

/// A block whose hash follows from its number and the branch that it is on.
fn on_branch(number: u64, branch: u8) -> Value {
    let mut block = block(number);
    block["hash"] = json!(B256::from(U256::from(number) + (U256::from(branch) << 248)));
    block
}

/// What an endpoint on a branch says, whose last final block is this one.
fn honest(last: u64, branch: u8) -> impl FnMut(&str, &Value) -> Said + Send + 'static {
    let world = World::left(90_000, last);
    move |method, params| match method {
        "eth_getBlockByNumber" => Said::Result(match number(&params[0]) {
            Some(number) if number > last => Value::Null,
            asked => on_branch(asked.unwrap_or(last), branch),
        }),
        _ => world.says(method, params),
    }
}

/// The same, but for what a liar says in another way.
fn lying(
    lie: impl Fn(&str, &Value) -> Option<Said> + Send + 'static,
) -> impl FnMut(&str, &Value) -> Said + Send + 'static {
    let mut truth = honest(FINAL, 0);
    move |method, params| lie(method, params).unwrap_or_else(|| truth(method, params))
}

fn selector(params: &Value) -> String {
    params[0]["input"].as_str().or_else(|| params[0]["data"].as_str()).unwrap_or_default()[2..10].to_owned()
}

fn call(what: [u8; 4], said: impl Fn() -> Said + Send + 'static) -> Lie {
    Box::new(move |method, params| (method == "eth_call" && selector(params) == hex::encode(what)).then(&said))
}

fn instead(of: &'static str, said: impl Fn() -> Said + Send + 'static) -> Lie {
    Box::new(move |method, _| (method == of).then(&said))
}

fn words(bytes: impl AsRef<[u8]>) -> Said {
    Said::Result(json!(format!("0x{}", hex::encode(bytes))))
}

fn urls(endpoints: &[&Endpoint]) -> Vec<RpcUrl> {
    endpoints.iter().map(|endpoint| endpoint.url.clone()).collect()
}

#[tokio::test]
async fn r65_a_fact_about_which_an_endpoint_contradicts_another_is_none() {
    let lies: Vec<(&str, Lie)> = vec![
        ("slasher", call(Manager::getSlasherCall::SELECTOR, || words(OPERATOR.abi_encode()))),
        ("nonce used", call(IFrostAccount::nonceUsedCall::SELECTOR, || words(true.abi_encode()))),
        ("slashable", call(Manager::isOperatorSlashableCall::SELECTOR, || words(false.abi_encode()))),
        ("strategies", call(Manager::getStrategiesInOperatorSetCall::SELECTOR, || words(vec![AVS].abi_encode()))),
        ("reverts", call(Manager::getSlasherCall::SELECTOR, || Said::Reverted)),
        ("no contract", call(IFrostAccount::signerCall::SELECTOR, || words([]))),
        ("no logs", instead("eth_getLogs", || Said::Result(json!([])))),
        ("other logs", instead("eth_getLogs", || Said::Result(json!([left(90_000), came(90_001)])))),
        ("chain", instead("eth_chainId", || Said::Result(json!("0x1")))),
        ("block", instead("eth_getBlockByNumber", || Said::Result(on_branch(FINAL, 1)))),
        (
            "time of the block",
            instead("eth_getBlockByNumber", || {
                let mut block = on_branch(FINAL, 0);
                block["timestamp"] = json!("0x1");
                Said::Result(block)
            }),
        ),
    ];
    let (one, other) = (Endpoint::new(honest(FINAL, 0)).await, Endpoint::new(honest(FINAL, 0)).await);
    let agreed = facts(&client(&urls(&[&one, &other]), 2), None).await.expect("they agree");
    assert_eq!((agreed.block.number, agreed.slasher, agreed.last_block), (FINAL, ACCOUNT, 110_000));
    for (name, lie) in lies {
        let liar = Endpoint::new(lying(lie)).await;
        for order in [[&one, &liar], [&liar, &one]] {
            let asked = facts(&client(&urls(&order), 2), None).await;
            assert_eq!(asked, Err(Code::ChainDisagrees), "{name}");
        }
        let outvoted = client(&urls(&[&one, &other, &liar]), 2);
        assert_eq!(facts(&outvoted, None).await, Err(Code::ChainDisagrees), "{name}: nobody is outvoted");
        assert!(
            outvoted.endpoints.standing().contains("they contradict each other"),
            "{}",
            outvoted.endpoints.standing()
        );
    }
}

#[tokio::test]
async fn r65_what_one_endpoint_says_alone_is_no_fact_and_no_revert_either() {
    let reverts = || Endpoint::new(lying(call(Manager::getSlasherCall::SELECTOR, || Said::Reverted)));
    let silent = || Endpoint::new(lying(call(Manager::getSlasherCall::SELECTOR, || Said::Http(429, ""))));
    let (one, other) = (reverts().await, silent().await);
    for order in [[&one, &other], [&other, &one]] {
        assert_eq!(facts(&client(&urls(&order), 2), None).await, Err(Code::ChainUnavailable));
    }
    let both = facts(&client(&urls(&[&one, &reverts().await]), 2), None).await;
    assert_eq!(both.map(|facts| facts.slasher), Ok(Address::ZERO), "a core without that function");
}

#[tokio::test]
async fn r65_what_a_person_would_call_the_same_is_no_contradiction() {
    let one = Endpoint::new(honest(FINAL, 0)).await;
    // Another kind of node: other fields beside, letters of another case, logs in another order, reverts without data.
    let mut truth = honest(FINAL, 0);
    let other = Endpoint::new(move |method, params| match truth(method, params) {
        Said::Result(Value::String(text)) if method == "eth_call" => {
            Said::Result(json!(text.to_uppercase().replace('X', "x")))
        }
        Said::Result(Value::Array(logs)) => {
            let more = |mut log: Value| {
                log["blockTimestamp"] = json!("0x5");
                log
            };
            Said::Result(logs.into_iter().rev().map(more).collect())
        }
        Said::Result(Value::Object(mut block)) => {
            block.insert("totalDifficulty".to_owned(), json!("0x0"));
            Said::Result(Value::Object(block))
        }
        said => said,
    });
    let other = other.await;
    assert_eq!(facts(&client(&urls(&[&one, &other]), 2), None).await.map(|facts| facts.last_block), Ok(110_000));
}

#[tokio::test]
async fn r65_one_that_is_silent_is_done_without_where_enough_are_left() {
    let (one, other) = (Endpoint::new(honest(FINAL, 0)).await, Endpoint::new(honest(FINAL, 0)).await);
    for silence in [Said::Http(429, "slow down"), Said::Http(503, ""), Said::Http(200, "<html>"), Said::Refused] {
        let silent = Endpoint::new(move |_, _| match &silence {
            Said::Http(status, body) => Said::Http(*status, body),
            _ => Said::Refused,
        });
        let silent = silent.await;
        let two = client(&urls(&[&silent, &one]), 2);
        assert_eq!(facts(&two, None).await, Err(Code::ChainUnavailable));
        let three = client(&urls(&[&silent, &one, &other]), 2);
        assert!(facts(&three, None).await.is_ok(), "{}", three.endpoints.standing());
    }
    let unknown = "http://127.0.0.1:1/v1/secret".parse::<RpcUrl>().unwrap();
    let two = client(&[one.url.clone(), unknown], 2);
    assert_eq!(facts(&two, None).await, Err(Code::ChainUnavailable));
    let standing = two.endpoints.standing();
    assert!(standing.starts_with("1 of 2 endpoints answer: http://127.0.0.1:1/...: it cannot be"), "{standing}");
}

#[tokio::test]
async fn r65_what_is_final_is_what_enough_of_them_call_final() {
    let at = async |numbers: &[u64], agree| {
        let mut all = Vec::new();
        for number in numbers {
            all.push(Endpoint::new(honest(*number, 0)).await);
        }
        facts(&client(&urls(&all.iter().collect::<Vec<_>>()), agree), None).await.map(|facts| facts.block.number)
    };
    assert_eq!(at(&[FINAL, FINAL + 5], 2).await, Ok(FINAL), "the one that lags");
    assert_eq!(at(&[FINAL, FINAL + 5, FINAL + 9], 2).await, Ok(FINAL + 5));
    assert_eq!(at(&[FINAL, FINAL + 5, FINAL + 9], 3).await, Ok(FINAL));
    assert_eq!(at(&[FINAL + 9], 1).await, Ok(FINAL + 9));
    let (one, ahead) = (Endpoint::new(honest(FINAL, 0)).await, Endpoint::new(honest(FINAL + 5, 1)).await);
    let forked = facts(&client(&urls(&[&one, &ahead]), 2), None).await;
    assert_eq!(forked, Err(Code::ChainDisagrees), "who is ahead has another block in that place");
}

#[tokio::test]
async fn r65_nothing_is_decided_on_an_older_state_or_on_another_chain_than_before() {
    let endpoint = Endpoint::new(honest(FINAL, 0)).await;
    let number = async || endpoint.facts(None).await.map(|facts| facts.block.number);
    assert_eq!(number().await, Ok(FINAL));
    endpoint.says(honest(FINAL - 1, 0));
    assert_eq!(number().await, Err(Code::ChainBehind), "as if what happened since had not");
    // Behind with what is final, but not with the blocks.
    let mut knows = honest(FINAL + 5, 0);
    endpoint.says(move |method, params| match params[0].as_str() {
        Some("finalized") => Said::Result(on_branch(FINAL - 1, 0)),
        _ => knows(method, params),
    });
    assert_eq!(number().await, Ok(FINAL));
    for last in [FINAL, FINAL + 7] {
        endpoint.says(honest(last, 1));
        assert_eq!(number().await, Err(Code::ChainReorganised), "{last}");
    }
    endpoint.says(honest(FINAL + 7, 0));
    assert_eq!(number().await, Ok(FINAL + 7));
}

#[tokio::test]
async fn r65_a_finalised_block_that_is_old_is_no_ground() {
    let endpoint = Endpoint::new(honest(FINAL, 0)).await;
    let age = wall_time().0 - FINAL * 12;
    let chain = |stale_after| Chain { stale_after: Some(stale_after), ..client(&urls(&[&endpoint]), 1) };
    assert_eq!(facts(&chain(age - 600), None).await, Err(Code::ChainStale));
    assert!(facts(&chain(age + 600), None).await.is_ok());
}

#[test]
fn r65_one_endpoint_is_believed_on_a_development_chain_or_where_the_operator_says_so() {
    let config = |agree: usize, rpc: &[&str]| config::Chain {
        rpc: rpc.iter().map(|url| url.parse().unwrap()).collect(),
        agree: agree.try_into().unwrap(),
        stale_after: 3_600,
        fee_max: 500,
    };
    let of_node = |config: &config::Chain, chain| Endpoints::of_node(config, chain, Counter::default());
    let (one, two) = (["https://a.example"], ["https://a.example", "https://b.example"]);
    let same_host = ["https://a.example/one", "https://a.example/two"];
    let on_the_way = ["https://a.example", "http://10.0.0.7:8545"];
    for few in [&one[..], &same_host, &on_the_way] {
        let refused = of_node(&config(2, few), 1).err().map(|failure| failure.code);
        assert_eq!(refused.as_deref(), Some("CHAIN_ENDPOINTS_TOO_FEW"), "{few:?}");
    }
    assert!(of_node(&config(2, &two), 1).is_ok());
    for (agree, chain) in [(1, 1), (2, CHAIN)] {
        let alone = of_node(&config(agree, &one), chain).unwrap_or_else(|_| panic!("{agree} on {chain}"));
        assert!(alone.standing().contains("each is believed by itself"), "which is said");
    }
}
