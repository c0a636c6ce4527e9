//! The relayer before an endpoint that remembers what it is sent.

use super::*;
use alloy::consensus::{Transaction, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use relay::Relayer;

const GWEI: u128 = 1_000_000_000;

/// A pool of transactions, and what is mined of it.
#[derive(Default)]
struct Pool {
    sent: Vec<TxEnvelope>,
    mined: u64,
    waiting: u64,
    base_fee: u128,
    receipt: Option<B256>,
    reverts: bool,
    answer_lost: bool,
    refused: Option<&'static str>,
}

async fn pool() -> (Endpoint, Arc<Mutex<Pool>>) {
    let pool = Arc::new(Mutex::new(Pool { base_fee: 10 * GWEI, ..Pool::default() }));
    let inside = Arc::clone(&pool);
    let endpoint = Endpoint::new(move |method, params| {
        let mut pool = inside.lock().unwrap();
        let hex = |number: u128| Said::Result(json!(format!("{number:#x}")));
        match method {
            "eth_estimateGas" if pool.reverts => Said::Reverted,
            "eth_estimateGas" => hex(200_000),
            "eth_getTransactionCount" if params[1] == "pending" => hex(pool.waiting.max(pool.mined).into()),
            "eth_getTransactionCount" => hex(pool.mined.into()),
            "eth_getBalance" => hex(10_u128.pow(17)),
            "eth_getBlockByNumber" => {
                let mut block = block(5);
                block["baseFeePerGas"] = json!(format!("{:#x}", pool.base_fee));
                Said::Result(block)
            }
            "eth_getTransactionReceipt" => match pool.receipt.filter(|hash| params[0] == json!(hash)) {
                Some(hash) => Said::Result(receipt(hash)),
                None => Said::Result(Value::Null),
            },
            "eth_sendRawTransaction" => {
                let bytes = hex::decode(&params[0].as_str().unwrap()[2..]).unwrap();
                let sent = TxEnvelope::decode_2718(&mut bytes.as_slice()).unwrap();
                let hash = *sent.tx_hash();
                pool.sent.push(sent);
                if let Some(why) = pool.refused {
                    return Said::Error(why);
                }
                if pool.answer_lost { Said::Http(504, "") } else { Said::Result(json!(hash)) }
            }
            // There is no history of fees.
            _ => Said::Refused,
        }
    });
    (endpoint.await, pool)
}

fn receipt(hash: B256) -> Value {
    let zero = Address::ZERO;
    json!({
        "transactionHash": hash, "transactionIndex": "0x0", "blockHash": B256::repeat_byte(1), "blockNumber": "0x6",
        "from": zero, "to": zero, "cumulativeGasUsed": "0x30d40", "gasUsed": "0x30d40", "contractAddress": null, "logs": [],
        "logsBloom": format!("0x{}", "00".repeat(256)), "status": "0x1", "type": "0x2", "effectiveGasPrice": "0x1",
    })
}

fn relayer(endpoint: &Endpoint, replace: Duration) -> Relayer {
    forgetting(endpoint, replace, Duration::from_secs(600))
}

fn forgetting(endpoint: &Endpoint, replace: Duration, patience: Duration) -> Relayer {
    let endpoints = Endpoints::new(std::slice::from_ref(&endpoint.url), 1, Counter::default());
    Relayer::new(&endpoints, PrivateKeySigner::from_slice(&[7; 32]).unwrap(), CHAIN, 100).replacing(replace, patience)
}

fn request(payload: u8) -> TransactionRequest {
    TransactionRequest::default().with_to(ACCOUNT).with_input(vec![payload])
}

fn subject(number: u8) -> SubjectId {
    SubjectId(Digest([number; 32]))
}

/// Nonce, fee and tip in gwei of each that was sent.
fn sent(pool: &Mutex<Pool>) -> Vec<(u64, u128, u128)> {
    let gwei = |sent: &TxEnvelope| {
        (sent.nonce(), sent.max_fee_per_gas() / GWEI, sent.max_priority_fee_per_gas().unwrap_or_default() / GWEI)
    };
    pool.lock().unwrap().sent.iter().map(gwei).collect()
}

#[tokio::test]
async fn a_transaction_that_is_not_mined_is_replaced_by_a_dearer_one_in_its_place_up_to_what_the_operator_allows() {
    let (endpoint, pool) = pool().await;
    let relayer = relayer(&endpoint, Duration::ZERO);
    for _ in 0..2 {
        assert!(relayer.step(subject(1), &request(1)).await.is_ok_and(|receipt| receipt.is_none()));
    }
    // Twice the base fee and a gwei; then an eighth more.
    assert_eq!(sent(&pool), [(0, 21, 1), (0, 23, 1)]);
    pool.lock().unwrap().base_fee = 40 * GWEI;
    assert!(relayer.step(subject(1), &request(1)).await.is_ok());
    assert_eq!(sent(&pool)[2].1, 81, "the market's price, where that is higher");
    for _ in 0..4 {
        assert!(relayer.step(subject(1), &request(1)).await.is_ok());
    }
    assert_eq!(sent(&pool)[3..], [(0, 91, 1), (0, 100, 1), (0, 100, 1), (0, 100, 1)], "no more than 100");
    let again: BTreeSet<_> = pool.lock().unwrap().sent[4..].iter().map(|sent| *sent.tx_hash()).collect();
    assert_eq!(again.len(), 1, "the same once more, as it may have been dropped");
    // The first of them was mined after all.
    let first = *pool.lock().unwrap().sent[0].tx_hash();
    pool.lock().unwrap().receipt = Some(first);
    let mined = relayer.step(subject(1), &request(1)).await.ok().flatten().expect("its receipt");
    assert_eq!((mined.transaction_hash, sent(&pool).len()), (first, 7));
}

#[tokio::test]
async fn each_payload_has_a_place_of_its_own_and_keeps_it() {
    let (endpoint, pool) = pool().await;
    let relayer = relayer(&endpoint, Duration::from_secs(600));
    pool.lock().unwrap().answer_lost = true;
    assert!(relayer.step(subject(1), &request(1)).await.is_err(), "nobody said that it was taken");
    pool.lock().unwrap().answer_lost = false;
    for number in [1, 2, 1, 2] {
        assert!(relayer.step(subject(number), &request(number)).await.is_ok());
    }
    let nonces: Vec<_> = sent(&pool).iter().map(|sent| sent.0).collect();
    assert_eq!(nonces, [0, 1], "and is sent once though asked for again");
}

#[tokio::test]
async fn what_nobody_remembers_does_not_block_the_line_for_ever() {
    let (endpoint, pool) = pool().await;
    let relayer = relayer(&endpoint, Duration::ZERO);
    // Before its restart it sent two that nobody mines.
    (pool.lock().unwrap().mined, pool.lock().unwrap().waiting) = (4, 6);
    for _ in 0..2 {
        assert!(relayer.step(subject(1), &request(1)).await.is_ok());
    }
    let places: Vec<_> = sent(&pool).iter().map(|sent| sent.0).collect();
    assert_eq!(places, [6, 4], "behind them first, then in the first one's stead");
}

#[tokio::test]
async fn a_payload_that_would_fail_costs_nothing_and_a_purse_is_low_before_it_is_empty() {
    let (endpoint, pool) = pool().await;
    let relayer = relayer(&endpoint, Duration::ZERO);
    pool.lock().unwrap().reverts = true;
    assert!(relayer.step(subject(1), &request(1)).await.is_err());
    assert_eq!(sent(&pool), []);
    let purse = relayer.purse().await.unwrap();
    assert_eq!((purse.low, purse.ether()), (true, 0.1), "five million gas at 21 gwei are 0.105 ether");
    pool.lock().unwrap().base_fee = GWEI;
    assert!(!relayer.purse().await.unwrap().low);
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_as_it_was_and_dearer_only_where_that_helps() {
    let (endpoint, pool) = pool().await;
    let relayer = relayer(&endpoint, Duration::ZERO);
    for (refused, fee) in
        [("insufficient funds for gas", 21), ("insufficient funds for gas", 21), ("replacement underpriced", 21)]
    {
        pool.lock().unwrap().refused = Some(refused);
        assert!(relayer.step(subject(1), &request(1)).await.is_err());
        assert_eq!(sent(&pool).last().unwrap().1, fee, "hours without ether or endpoints raise no price");
    }
    pool.lock().unwrap().refused = None;
    assert!(relayer.step(subject(1), &request(1)).await.is_ok());
    assert_eq!(sent(&pool).last().unwrap().1, 23);
}

#[tokio::test]
async fn a_payload_that_was_given_up_blocks_nobody() {
    let (endpoint, pool) = pool().await;
    let relayer = forgetting(&endpoint, Duration::ZERO, Duration::ZERO);
    pool.lock().unwrap().refused = Some("insufficient funds for gas");
    assert!(relayer.step(subject(1), &request(1)).await.is_err());
    pool.lock().unwrap().refused = None;
    assert!(relayer.step(subject(2), &request(2)).await.is_ok());
    let places: Vec<_> = sent(&pool).iter().map(|sent| sent.0).collect();
    assert_eq!(places, [0, 0], "nobody asks for the first one any more");
}
