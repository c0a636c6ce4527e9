//! The client against endpoints on loopback that refuse, lie or talk nonsense.

use super::*;
use crate::config::RpcUrl;
use alloy::rpc::types::{Block, Log};
use alloy::sol_types::{SolEvent, SolValue};
use axum::http::StatusCode;
use firn_proto::operation::eigenlayer::Allocation;
use firn_proto::operation::eigenlayer::IAllocationManager as Manager;
use prometheus_client::metrics::counter::Counter;
use serde_json::{Value, json};

mod agreement;
mod relaying;

const CHAIN: u64 = 31_337;
const MANAGER: Address = Address::repeat_byte(0xa1);
const AVS: Address = Address::repeat_byte(0x11);
const OPERATOR: Address = Address::repeat_byte(0x22);
const STRATEGY: Address = Address::repeat_byte(0x33);
const ACCOUNT: Address = Address::repeat_byte(0xac);
const DELAY: u32 = 20_000;

/// What an endpoint says.
enum Said {
    Result(Value),
    Refused,
    Reverted,
    Error(&'static str),
    Http(u16, &'static str),
}

/// A chain as an honest endpoint shows it.
#[derive(Clone)]
struct World {
    chain: u64,
    block: Value,
    member: Option<bool>,
    logs: Vec<Log>,
    /// Longest range of blocks that is answered.
    grants: u64,
}

fn block(number: u64) -> Value {
    let mut block: Block = Block::default();
    (block.header.inner.number, block.header.inner.timestamp) = (number, number * 12);
    block.header.hash = B256::repeat_byte(0xb1);
    serde_json::to_value(block).unwrap()
}

fn log(block: u64, event: &impl SolEvent) -> Log {
    Log {
        inner: alloy::primitives::Log { address: MANAGER, data: event.encode_log_data() },
        block_hash: Some(B256::repeat_byte(0xb1)),
        block_number: Some(block),
        log_index: Some(0),
        transaction_index: Some(0),
        transaction_hash: Some(B256::repeat_byte(0xd1)),
        ..Log::default()
    }
}

fn set() -> OperatorSet {
    OperatorSet { avs: AVS, id: 7 }
}

fn left(block: u64) -> Log {
    log(block, &Manager::OperatorRemovedFromOperatorSet { operator: OPERATOR, operatorSet: set() })
}

fn came(block: u64) -> Log {
    log(block, &Manager::OperatorAddedToOperatorSet { operator: OPERATOR, operatorSet: set() })
}

fn slashed() -> Manager::OperatorSlashed {
    let (strategies, wads) = (vec![STRATEGY], vec![U256::from(5)]);
    let (operator, description) = (OPERATOR, String::new());
    Manager::OperatorSlashed { operator, operatorSet: set(), strategies, wadSlashed: wads, description }
}

impl World {
    /// The operator has left at this block, and the chain is at another.
    fn left(at: u64, number: u64) -> Self {
        Self { chain: CHAIN, block: block(number), member: Some(false), logs: vec![left(at)], grants: 10_000 }
    }

    fn says(&self, method: &str, params: &Value) -> Said {
        match method {
            "eth_chainId" => Said::Result(json!(format!("{:#x}", self.chain))),
            "eth_blockNumber" => Said::Result(json!("0x1")),
            "eth_getBlockByNumber" => Said::Result(number(&params[0]).map_or_else(|| self.block.clone(), block)),
            "eth_getLogs" => {
                let (first, last) = range(params);
                if last - first >= self.grants {
                    return Said::Refused;
                }
                let topics = params[0]["topics"][0].to_string();
                let fits = |log: &&Log| {
                    let block = log.block_number.is_some_and(|block| (first..=last).contains(&block));
                    block && log.topics().first().is_some_and(|topic| topics.contains(&topic.to_string()))
                };
                Said::Result(serde_json::to_value(self.logs.iter().filter(fits).collect::<Vec<_>>()).unwrap())
            }
            _ => self.call(params),
        }
    }

    fn call(&self, params: &Value) -> Said {
        let input = params[0]["input"].as_str().or_else(|| params[0]["data"].as_str()).unwrap();
        let selector: [u8; 4] = hex::decode(&input[2..10]).unwrap().try_into().unwrap();
        let answer = match selector {
            Manager::getAllocationCall::SELECTOR => {
                Allocation { currentMagnitude: 10, pendingDiff: 0, effectBlock: 0 }.abi_encode()
            }
            Manager::isOperatorSlashableCall::SELECTOR => true.abi_encode(),
            Manager::isMemberOfOperatorSetCall::SELECTOR => match self.member {
                Some(member) => member.abi_encode(),
                None => return Said::Reverted,
            },
            Manager::DEALLOCATION_DELAYCall::SELECTOR => DELAY.abi_encode(),
            Manager::getSlasherCall::SELECTOR => ACCOUNT.abi_encode(),
            Manager::getStrategiesInOperatorSetCall::SELECTOR => vec![STRATEGY].abi_encode(),
            IFrostAccount::nonceUsedCall::SELECTOR => false.abi_encode(),
            _ => Bytes::from(vec![1; 84]).abi_encode(),
        };
        Said::Result(json!(format!("0x{}", hex::encode(answer))))
    }
}

/// A number, where it is none of the chain's words for a block.
fn number(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str().unwrap().strip_prefix("0x")?, 16).ok()
}

fn range(params: &Value) -> (u64, u64) {
    (number(&params[0]["fromBlock"]).unwrap(), number(&params[0]["toBlock"]).unwrap())
}

type Answers = Box<dyn FnMut(&str, &Value) -> Said + Send>;

/// An endpoint, what it says from now on, and the ranges of logs that it has been asked for and has answered.
struct Endpoint {
    url: RpcUrl,
    chain: Chain,
    answers: Arc<Mutex<Answers>>,
    ranges: Arc<Mutex<Vec<(u64, u64)>>>,
}

/// A client of these, of which so many must agree.
fn client(urls: &[RpcUrl], agree: usize) -> Chain {
    let (endpoints, sets) = (Endpoints::new(urls, agree, Counter::default()), BTreeSet::from([(AVS, 7)]));
    Chain {
        provider: endpoints.provider(),
        endpoints,
        relayer: None,
        last: Mutex::default(),
        stale_after: None,
        chain_id: CHAIN,
        allocation_manager: MANAGER,
        strategy_manager: None,
        permission_controller: None,
        history: History::new(MANAGER, sets.clone()),
        memberships: Memberships::new(sets),
    }
}

/// The facts of a slash, or the code that says why there are none.
async fn facts(chain: &Chain, history_seconds: Option<u64>) -> Result<SlashFacts, Code> {
    let query = ChainQuery::Slash {
        avs: AVS,
        operator: OPERATOR,
        operator_set_id: 7,
        strategies: vec![STRATEGY],
        wads: vec![U256::from(5)],
        account: ACCOUNT,
        nonce: U256::ZERO,
        history_seconds,
        slasher: ACCOUNT,
        gate: None,
    };
    match chain.answer(&query).await {
        Ok(ChainAnswer::Slash(facts)) => Ok(facts),
        Err(Trouble::Unavailable(code)) => Err(code),
        _ => panic!("neither facts nor a code"),
    }
}

impl Endpoint {
    async fn new(answers: impl FnMut(&str, &Value) -> Said + Send + 'static) -> Self {
        let answers: Arc<Mutex<Answers>> = Arc::new(Mutex::new(Box::new(answers)));
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let (ask, answered) = (Arc::clone(&answers), Arc::clone(&ranges));
        let serve = move |body: String| async move {
            let asked: Value = serde_json::from_str(&body).unwrap();
            let said = (*ask.lock().unwrap())(asked["method"].as_str().unwrap(), &asked["params"]);
            if asked["method"] == "eth_getLogs" && matches!(said, Said::Result(_)) {
                answered.lock().unwrap().push(range(&asked["params"]));
            }
            let error = |error: Value| json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error });
            let answer = match said {
                Said::Http(status, body) => return (StatusCode::from_u16(status).unwrap(), body.to_owned()),
                Said::Result(result) => json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }),
                Said::Refused => error(json!({ "code": -32005, "message": "block range too large" })),
                Said::Error(message) => error(json!({ "code": -32000, "message": message })),
                Said::Reverted => error(json!({ "code": 3, "message": "execution reverted", "data": "0x" })),
            };
            (StatusCode::OK, answer.to_string())
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: RpcUrl = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let router = axum::Router::new().fallback(serve);
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { chain: client(std::slice::from_ref(&url), 1), url, answers, ranges }
    }

    async fn of(world: World) -> Self {
        Self::new(move |method, params| world.says(method, params)).await
    }

    fn says(&self, answers: impl FnMut(&str, &Value) -> Said + Send + 'static) {
        *self.answers.lock().unwrap() = Box::new(answers);
    }

    fn shows(&self, world: World) {
        self.says(move |method, params| world.says(method, params));
    }

    async fn facts(&self, history_seconds: Option<u64>) -> Result<SlashFacts, Code> {
        facts(&self.chain, history_seconds).await
    }

    async fn last_block(&self) -> Result<u64, Code> {
        self.facts(None).await.map(|facts| facts.last_block)
    }

    /// The ranges answered since the last time.
    fn ranges(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut *self.ranges.lock().unwrap())
    }
}

#[tokio::test]
async fn r17_what_an_endpoint_refuses_is_asked_for_in_halves_and_nothing_twice() {
    let world = World { grants: 3_000, ..World::left(81_000, 100_000) };
    let endpoint = Endpoint::of(world.clone()).await;
    assert_eq!(endpoint.last_block().await, Ok(101_000));
    let read = endpoint.ranges();
    assert_eq!((read.len(), read[0], read[7]), (8, (97_501, 100_000), (80_001, 82_500)));
    assert!(read.windows(2).all(|pair| pair[1].1 + 1 == pair[0].0), "side by side, newest first: {read:?}");
    assert_eq!((endpoint.last_block().await, endpoint.ranges()), (Ok(101_000), vec![]));
    endpoint.shows(World { block: block(100_010), ..world.clone() });
    assert_eq!((endpoint.last_block().await, endpoint.ranges()), (Ok(101_000), vec![(100_001, 100_010)]));
    let logs = vec![left(81_000), came(100_020)];
    endpoint.shows(World { block: block(100_020), logs, member: None, ..world });
    assert_eq!(
        (endpoint.last_block().await, endpoint.ranges()),
        (Ok(u64::MAX), vec![(100_011, 100_020)]),
        "back again"
    );
}

#[tokio::test]
async fn r17_what_was_read_before_an_endpoint_failed_is_kept() {
    let endpoint = Endpoint::of(World::left(81_000, 100_000)).await;
    let (world, mut granted) = (World::left(81_000, 100_000), 1);
    endpoint.says(move |method, params| {
        if method == "eth_getLogs" && granted == 0 {
            return Said::Http(503, "");
        }
        granted -= i32::from(method == "eth_getLogs");
        world.says(method, params)
    });
    assert_eq!(endpoint.last_block().await, Err(Code::ChainUnavailable));
    assert_eq!(endpoint.ranges(), [(90_001, 100_000)]);
    endpoint.shows(World::left(81_000, 100_000));
    assert_eq!((endpoint.last_block().await, endpoint.ranges()), (Ok(101_000), vec![(80_001, 90_000)]));
}

#[tokio::test]
async fn r17_an_endpoint_that_refuses_every_range_or_too_long_ones_by_status() {
    let endpoint = Endpoint::of(World { grants: 0, ..World::left(81_000, 100_000) }).await;
    assert_eq!(endpoint.last_block().await, Err(Code::ChainUnavailable));
    assert_eq!(endpoint.facts(Some(1_000)).await.map(|facts| facts.history), Err(Code::ChainUnavailable));
    let slashed = log(99_000, &slashed());
    let world = World { grants: 600, logs: vec![slashed, left(99_900)], ..World::left(99_900, 100_000) };
    endpoint.says(move |method, params| match world.says(method, params) {
        Said::Refused => Said::Http(413, "too much"),
        said => said,
    });
    assert_eq!(endpoint.last_block().await, Ok(119_900));
    endpoint.ranges();
    for (seconds, slashes) in [(6_000, 0), (18_000, 1), (18_000, 1)] {
        let history = endpoint.facts(Some(seconds)).await.map(|facts| facts.history.map(|past| past.slashes.len()));
        assert_eq!(history, Ok(Some(slashes)), "the history is read in the same way");
    }
    assert_eq!(endpoint.ranges(), [(99_501, 100_000), (99_001, 99_500), (98_501, 99_000), (98_001, 98_500)]);
}

#[tokio::test]
async fn r17_logs_that_nobody_asked_for_and_logs_left_out_are_no_facts() {
    let another = Address::repeat_byte(0x99);
    let of_another = Manager::OperatorRemovedFromOperatorSet { operator: another, operatorSet: set() };
    let mut of_other_contract = left(90_000);
    of_other_contract.inner.address = another;
    let mut cut = left(90_000);
    cut.inner.data.data = Bytes::new();
    let lies = [
        ("another operator", log(90_000, &of_another)),
        ("another contract", of_other_contract),
        ("another event", log(90_000, &slashed())),
        ("later blocks", left(100_001)),
        ("earlier blocks", left(79_999)),
        ("no block", Log { block_number: None, ..left(90_000) }),
        ("no place in it", Log { log_index: None, ..left(90_000) }),
        ("reorganised away", Log { removed: true, ..left(90_000) }),
        ("no set", cut),
    ];
    for (lie, log) in lies {
        let (world, logs) = (World::left(90_000, 100_000), json!([log]));
        let endpoint = Endpoint::new(move |method, params| match method {
            "eth_getLogs" => Said::Result(logs.clone()),
            _ => world.says(method, params),
        });
        assert_eq!(endpoint.await.last_block().await, Err(Code::ChainUnavailable), "{lie}");
    }
    let silent = Endpoint::of(World { logs: vec![], ..World::left(90_000, 100_000) }).await;
    assert_eq!(silent.last_block().await, Err(Code::ChainUnavailable), "slashable, not there, and never left");
    silent.shows(World::left(90_000, 100_000));
    assert_eq!(silent.last_block().await, Ok(110_000), "which is believed no longer than it is said");
    let of_another_set =
        Manager::OperatorRemovedFromOperatorSet { operator: OPERATOR, operatorSet: OperatorSet { id: 8, ..set() } };
    let logs = vec![log(90_000, &of_another_set)];
    let there = Endpoint::of(World { logs, member: None, ..World::left(90_000, 100_000) }).await;
    assert_eq!(there.last_block().await, Ok(u64::MAX), "it left another set");
}

#[tokio::test]
async fn r17_another_chain_no_block_and_garbage_are_said_by_code() {
    let world = || World::left(90_000, 100_000);
    let other = Endpoint::of(World { chain: 1, ..world() }).await;
    assert_eq!(other.last_block().await, Err(Code::ChainIdMismatch));
    let empty = Endpoint::of(World { block: Value::Null, ..world() }).await;
    assert_eq!(empty.last_block().await, Err(Code::ChainUnavailable));
    let nonsense = ["eth_chainId", "eth_blockNumber", "eth_getBlockByNumber", "eth_call", "eth_getLogs"];
    for (asked, garbage) in nonsense.into_iter().flat_map(|asked| [(asked, json!("0xzz")), (asked, json!({}))]) {
        let (world, said) = (world(), garbage.clone());
        let endpoint =
            Endpoint::new(
                move |method, params| {
                    if method == asked { Said::Result(said.clone()) } else { world.says(method, params) }
                },
            );
        assert_eq!(endpoint.await.last_block().await, Err(Code::ChainUnavailable), "{asked}: {garbage}");
    }
    for body in ["", "<html>", "{\"jsonrpc\":\"2.0\"}"] {
        let endpoint = Endpoint::new(move |_, _| Said::Http(200, body)).await;
        assert_eq!(endpoint.last_block().await, Err(Code::ChainUnavailable), "{body:?}");
    }
}
