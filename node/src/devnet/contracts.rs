//! The contracts of a devnet: deploying them, and reading back what happened to an operator.

use super::files::{Contracts, Manifest};
use super::roster;
use crate::failure::{Exit, Failure};
use alloy::consensus::Transaction;
use alloy::eips::BlockId;
use alloy::network::{EthereumWallet, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::{Filter, TransactionRequest};
use alloy::sol;
use alloy::sol_types::{SolCall, SolEvent, SolValue};
use firn_proto::Point;
use firn_proto::account::{DEPLOYER, VERIFIER_CODE, account_address, account_init_code, verifier_address};
use std::time::Duration;

sol! {
    struct OperatorSet {
        address avs;
        uint32 id;
    }
    struct CreateSetParamsV2 {
        uint32 operatorSetId;
        address[] strategies;
        address slasher;
    }
    struct RegisterParams {
        address avs;
        uint32[] operatorSetIds;
        bytes data;
    }
    struct AllocateParams {
        OperatorSet operatorSet;
        address[] strategies;
        uint64[] newMagnitudes;
    }
    function updateAVSMetadataURI(address avs, string metadataURI);
    function createRedistributingOperatorSets(address avs, CreateSetParamsV2[] params, address[] recipients);
    function registerAsOperator(address initDelegationApprover, uint32 allocationDelay, string metadataURI);
    function registerForOperatorSets(address operator, RegisterParams params);
    function modifyAllocations(address operator, AllocateParams[] params);
    function getSlasher(OperatorSet operatorSet) view returns (address);
    function getOperatorShares(address operator, address[] strategies) view returns (uint256[]);
    function isOperatorSlashable(address operator, OperatorSet operatorSet) view returns (bool);
    function simSetToken(address strategy, address token);
    function simDeposit(address operator, address strategy, uint256 amount);
    function mint(address to, uint256 amount);
    function approve(address spender, uint256 value) returns (bool);
    event Executed(uint256 indexed nonce);
}

/// Delays in blocks, short as a test network's, and the model that mainnet has had since core v1.9. (ABI words all.)
const SIM_ARGUMENTS: (u32, u32, u32, u32) = (50, 75, 50, 1);
/// The operator's stake, in the token's smallest unit: a thousand.
pub(crate) const STAKE: u128 = 1_000_000_000_000_000_000_000;
/// All of an operator's magnitude, and EigenLayer's unit of fractions.
pub(crate) const WAD: u64 = 1_000_000_000_000_000_000;
/// More than deploying the largest contract takes, less than a block holds.
const GAS: u64 = 8_000_000;
const RECEIPT: Duration = Duration::from_secs(20);

/// One execution by the group's account, as the chain has it.
pub(crate) struct Execution {
    pub(crate) transaction: B256,
    pub(crate) block: u64,
    pub(crate) gas: u64,
    pub(crate) relayer: Address,
}

/// A client that only reads.
pub(crate) fn reader(rpc: &str) -> Result<DynProvider, Failure> {
    let url = rpc.parse().map_err(|_| Failure::general("DEVNET_RPC", format!("{rpc} is not a URL")))?;
    Ok(ProviderBuilder::default().connect_http(url).erased())
}

/// The newest block's number.
pub(crate) async fn latest_block(rpc: &DynProvider) -> Result<u64, Failure> {
    rpc.get_block_number().await.map_err(|error| chain("block number", error))
}

/// The finalised block's number.
pub(crate) async fn finalised_block(rpc: &DynProvider) -> Result<u64, Failure> {
    let block = rpc.get_block(BlockId::finalized()).await.map_err(|error| chain("finalised block", error))?;
    Ok(block.map_or(0, |block| block.header.number))
}

/// Deploys what is missing for the group key, and returns its account. A chain that was kept needs nothing.
pub(crate) async fn deploy(manifest: &Manifest, group_key: &Point) -> Result<Address, Failure> {
    let (contracts, account) = (&manifest.contracts, account_address(group_key));
    let rpc = reader(&manifest.rpc)?;
    if has_code(&rpc, contracts.allocation_manager).await? {
        return ready(&rpc, contracts, account).await.map(|()| account);
    }
    let deployer = Sender::new(manifest, roster::DEPLOYER).await?;
    deploy_core(manifest, &rpc, &deployer, SIM_ARGUMENTS).await?;
    let sent = [
        deployer.call(6, DEPLOYER, [B256::ZERO.as_slice(), VERIFIER_CODE].concat()).await?,
        deployer.call(7, DEPLOYER, [B256::ZERO.as_slice(), &account_init_code(group_key)].concat()).await?,
    ];
    mined(&rpc, &sent).await?;
    for (what, address) in [
        ("EigenLayerSim", contracts.allocation_manager),
        ("FrostVerifier", verifier_address()),
        ("FrostAccount", account),
    ] {
        if !has_code(&rpc, address).await? {
            return Err(Failure::general("DEVNET_ADDRESS", format!("{what} is not at its computed address {address}")));
        }
    }
    set_up_operator_set(manifest, &rpc, account).await?;
    ready(&rpc, contracts, account).await.map(|()| account)
}

/// Deploys the simulation with a token for the strategy, and the operator's stake.
pub(super) async fn deploy_core(
    manifest: &Manifest,
    rpc: &DynProvider,
    deployer: &Sender,
    arguments: (u32, u32, u32, u32),
) -> Result<(), Failure> {
    let contracts = &manifest.contracts;
    if deployer.nonce != 0 {
        let cause = format!("the deployer {} has sent {} transactions", deployer.address, deployer.nonce);
        let next = "use a fresh anvil: the simulation's address follows from the deployer's first transaction";
        return Err(Failure::new("DEVNET_CHAIN_USED", cause, next, Exit::Conflict));
    }
    let token = deployer.address.create(1);
    let simulation = [creation_code(EIGENLAYER_SIM)?, arguments.abi_encode_params()].concat();
    let arguments = ("Devnet Stake", "STAKE").abi_encode_params();
    let stake = U256::from(STAKE);
    let (manager, strategy, operator) = (contracts.allocation_manager, contracts.strategy, contracts.operator);
    // One sender, so that the chain keeps their order and one block can hold them all.
    let sent = [
        deployer.create(0, simulation).await?,
        deployer.create(1, [creation_code(TEST_TOKEN)?, arguments].concat()).await?,
        deployer.call(2, manager, simSetTokenCall { strategy, token }.abi_encode()).await?,
        deployer.call(3, token, mintCall { to: deployer.address, amount: stake }.abi_encode()).await?,
        deployer.call(4, token, approveCall { spender: manager, value: stake }.abi_encode()).await?,
        deployer.call(5, manager, simDepositCall { operator, strategy, amount: stake }.abi_encode()).await?,
    ];
    mined(rpc, &sent).await
}

/// The AVS makes its set with the account as slasher, and the operator joins it.
async fn set_up_operator_set(manifest: &Manifest, rpc: &DynProvider, account: Address) -> Result<(), Failure> {
    let Contracts { allocation_manager: manager, avs, strategy, recipient, operator_set_id: id, .. } =
        manifest.contracts.clone();
    let service = Sender::new(manifest, roster::AVS).await?;
    let set = CreateSetParamsV2 { operatorSetId: id, strategies: vec![strategy], slasher: account };
    let create = createRedistributingOperatorSetsCall { avs, params: vec![set], recipients: vec![recipient] };
    let metadata = updateAVSMetadataURICall { avs, metadataURI: "ipfs://sample-avs".to_owned() };
    let sent = [
        service.call(service.nonce, manager, metadata.abi_encode()).await?,
        service.call(service.nonce + 1, manager, create.abi_encode()).await?,
    ];
    mined(rpc, &sent).await?;
    join_operator_set(manifest, rpc).await
}

/// The operator registers and allocates everything to the set.
pub(super) async fn join_operator_set(manifest: &Manifest, rpc: &DynProvider) -> Result<(), Failure> {
    let Contracts { allocation_manager: manager, avs, operator, strategy, operator_set_id: id, .. } =
        manifest.contracts.clone();
    let worker = Sender::new(manifest, roster::OPERATOR).await?;
    let join = registerAsOperatorCall {
        initDelegationApprover: Address::ZERO,
        allocationDelay: 0,
        metadataURI: "ipfs://sample-operator".to_owned(),
    };
    mined(rpc, &[worker.call(worker.nonce, manager, join.abi_encode()).await?]).await?;
    let register = RegisterParams { avs, operatorSetIds: vec![id], data: Bytes::new() };
    let allocate =
        AllocateParams { operatorSet: OperatorSet { avs, id }, strategies: vec![strategy], newMagnitudes: vec![WAD] };
    let register = registerForOperatorSetsCall { operator, params: register };
    let allocate = modifyAllocationsCall { operator, params: vec![allocate] };
    let sent = [
        worker.call(worker.nonce + 1, manager, register.abi_encode()).await?,
        worker.call(worker.nonce + 2, manager, allocate.abi_encode()).await?,
    ];
    mined(rpc, &sent).await
}

/// The operator's shares in the strategy, now.
pub(crate) async fn shares(rpc: &DynProvider, contracts: &Contracts) -> Result<U256, Failure> {
    let call = getOperatorSharesCall { operator: contracts.operator, strategies: vec![contracts.strategy] };
    let shares = read(rpc, contracts.allocation_manager, call, BlockId::latest()).await?;
    shares.first().copied().ok_or_else(|| Failure::general("DEVNET_CHAIN", "no shares in the answer"))
}

/// Whether the operator is slashable by `account` in the finalised state, which is the one that nodes look at.
pub(crate) async fn slashable(rpc: &DynProvider, contracts: &Contracts, account: Address) -> Result<bool, Failure> {
    let set = || OperatorSet { avs: contracts.avs, id: contracts.operator_set_id };
    let (manager, at) = (contracts.allocation_manager, BlockId::finalized());
    let code = rpc.get_code_at(manager).block_id(at).await.map_err(|error| chain("code", error))?;
    if code.is_empty() {
        return Ok(false);
    }
    let slasher = read(rpc, manager, getSlasherCall { operatorSet: set() }, at).await?;
    let call = isOperatorSlashableCall { operator: contracts.operator, operatorSet: set() };
    Ok(slasher == account && read(rpc, manager, call, at).await?)
}

/// The account's execution under `nonce`, once a block holds it.
pub(crate) async fn execution(rpc: &DynProvider, account: Address, nonce: U256) -> Result<Option<Execution>, Failure> {
    let filter = Filter::new().address(account).event_signature(Executed::SIGNATURE_HASH).topic1(nonce).from_block(0);
    let logs = rpc.get_logs(&filter).await.map_err(|error| chain("logs", error))?;
    let Some(transaction) = logs.first().and_then(|log| log.transaction_hash) else { return Ok(None) };
    let receipt = rpc.get_transaction_receipt(transaction).await.map_err(|error| chain("receipt", error))?;
    Ok(receipt.map(|receipt| Execution {
        transaction,
        block: receipt.block_number.unwrap_or_default(),
        gas: receipt.gas_used,
        relayer: receipt.from,
    }))
}

async fn ready(rpc: &DynProvider, contracts: &Contracts, account: Address) -> Result<(), Failure> {
    let set = OperatorSet { avs: contracts.avs, id: contracts.operator_set_id };
    let slasher =
        read(rpc, contracts.allocation_manager, getSlasherCall { operatorSet: set }, BlockId::latest()).await?;
    if slasher != account {
        let cause = format!("the operator set's slasher is {slasher}, the group's account is {account}");
        return Err(Failure::new("DEVNET_SLASHER", cause, "use a fresh chain for a new key", Exit::Conflict));
    }
    Ok(())
}

pub(super) async fn has_code(rpc: &DynProvider, address: Address) -> Result<bool, Failure> {
    let code = rpc.get_code_at(address).await.map_err(|error| chain("code", error))?;
    Ok(!code.is_empty())
}

pub(super) async fn read<C: SolCall>(
    rpc: &DynProvider,
    to: Address,
    call: C,
    at: BlockId,
) -> Result<C::Return, Failure> {
    let request = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
    let answer = rpc.call(request).block(at).await.map_err(|error| chain(C::SIGNATURE, error))?;
    C::abi_decode_returns(&answer).map_err(|error| chain(C::SIGNATURE, error))
}

/// Waits until all are in blocks, and names the first that failed.
pub(super) async fn mined(rpc: &DynProvider, sent: &[B256]) -> Result<(), Failure> {
    let wait = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        for hash in sent {
            let receipt = loop {
                ticks.tick().await;
                let receipt = rpc.get_transaction_receipt(*hash).await.map_err(|error| chain("receipt", error))?;
                if let Some(receipt) = receipt {
                    break receipt;
                }
            };
            if !receipt.status() {
                let sent = rpc.get_transaction_by_hash(*hash).await.ok().flatten();
                let what = sent.map(|sent| format!("to {:?}, nonce {}", sent.to(), sent.nonce())).unwrap_or_default();
                return Err(Failure::general("DEVNET_DEPLOYMENT", format!("transaction {hash} reverted ({what})")));
            }
        }
        Ok(())
    };
    let late = |_| Failure::new("DEVNET_TIMEOUT", "anvil mined nothing", "look at anvil's log", Exit::Timeout);
    tokio::time::timeout(RECEIPT, wait).await.map_err(late)?
}

/// One of anvil's accounts that sends transactions with nonces of our choice, without waiting in between.
pub(super) struct Sender {
    provider: DynProvider,
    pub(super) address: Address,
    pub(super) nonce: u64,
    price: u128,
}

impl Sender {
    pub(super) async fn new(manifest: &Manifest, account: usize) -> Result<Self, Failure> {
        let signer = roster::signer(account)?;
        let address = signer.address();
        let url = manifest.rpc.parse().map_err(|_| Failure::general("DEVNET_RPC", "not a URL"))?;
        let builder = ProviderBuilder::default().fetch_chain_id().wallet(EthereumWallet::from(signer));
        let provider = builder.connect_http(url).erased();
        let nonce = provider.get_transaction_count(address).await.map_err(|error| chain("nonce", error))?;
        let price = provider.get_gas_price().await.map_err(|error| chain("gas price", error))?;
        Ok(Self { provider, address, nonce, price: price.saturating_mul(2) })
    }

    async fn create(&self, nonce: u64, code: Vec<u8>) -> Result<B256, Failure> {
        self.send(TransactionRequest::default().with_deploy_code(code).with_nonce(nonce).with_gas_limit(GAS)).await
    }

    pub(super) async fn call(&self, nonce: u64, to: Address, input: Vec<u8>) -> Result<B256, Failure> {
        let gas = GAS / 4;
        self.send(TransactionRequest::default().with_to(to).with_input(input).with_nonce(nonce).with_gas_limit(gas))
            .await
    }

    /// Sends ether.
    pub(super) async fn pay(&self, nonce: u64, to: Address, wei: U256) -> Result<B256, Failure> {
        self.send(TransactionRequest::default().with_to(to).with_value(wei).with_nonce(nonce).with_gas_limit(21_000))
            .await
    }

    async fn send(&self, request: TransactionRequest) -> Result<B256, Failure> {
        let request = request
            .with_from(self.address)
            .with_max_fee_per_gas(self.price)
            .with_max_priority_fee_per_gas(self.price.min(1_000_000_000));
        let sent = self.provider.send_transaction(request).await.map_err(|error| chain("transaction", error))?;
        Ok(*sent.tx_hash())
    }
}

/// The creation code in a compiled artifact.
fn creation_code(artifact: &str) -> Result<Vec<u8>, Failure> {
    let broken = || Failure::general("DEVNET_ARTIFACT", "a compiled artifact has no bytecode");
    let json: serde_json::Value = serde_json::from_str(artifact).map_err(|_| broken())?;
    let code = json.get("bytecode").and_then(serde_json::Value::as_str).ok_or_else(broken)?;
    hex::decode(code.trim_start_matches("0x")).map_err(|_| broken())
}

fn chain(what: &str, error: impl std::fmt::Display) -> Failure {
    Failure::general("DEVNET_CHAIN", format!("{what}: {error}"))
}

const EIGENLAYER_SIM: &str = include_str!("../../../contracts/artifacts/EigenLayerSim.json");
const TEST_TOKEN: &str = include_str!("../../../contracts/artifacts/TestToken.json");
