//! The events that notices are made of (EigenLayer core v1.0 to v1.13; contracts/src; OpenZeppelin 5.7). An event that a generation
//! of the core does not have is simply never found.

alloy::sol! {
    struct OperatorSet {
        address avs;
        uint32 id;
    }
    struct Limits {
        uint64 minWad;
        uint64 maxWad;
        uint64 operatorBudget;
        uint72 setBudget;
        uint32 window;
        uint32 coolDown;
    }
    struct Terms {
        uint128 budget;
        uint128 largeBudget;
        uint32 window;
    }
    /// AllocationManager, StrategyManager and PermissionController.
    interface Core {
        event OperatorSlashed(address operator, OperatorSet operatorSet, address[] strategies, uint256[] wadSlashed, string description);
        event SlashResolutionBlockSet(OperatorSet operatorSet, uint256 slashId, uint32 resolutionBlock);
        event BurnOrRedistributableSharesDecreased(OperatorSet operatorSet, uint256 slashId, address strategy, uint256 shares);
        event SlasherUpdated(OperatorSet operatorSet, address slasher, uint32 effectBlock);
        event SlasherMigrated(OperatorSet operatorSet, address slasher);
        event OperatorSetCreated(OperatorSet operatorSet);
        event RedistributionAddressSet(OperatorSet operatorSet, address redistributionRecipient);
        event StrategyAddedToOperatorSet(OperatorSet operatorSet, address strategy);
        event StrategyRemovedFromOperatorSet(OperatorSet operatorSet, address strategy);
        event OperatorRemovedFromOperatorSet(address indexed operator, OperatorSet operatorSet);
        event AllocationUpdated(address operator, OperatorSet operatorSet, address strategy, uint64 magnitude, uint32 effectBlock);
        event AVSRegistrarSet(address avs, address registrar);
        event Paused(address indexed account, uint256 newPausedStatus);
        event Unpaused(address indexed account, uint256 newPausedStatus);
        event AppointeeSet(address indexed account, address indexed appointee, address target, bytes4 selector);
        event AppointeeRemoved(address indexed account, address indexed appointee, address target, bytes4 selector);
        event PendingAdminAdded(address indexed account, address admin);
        event PendingAdminRemoved(address indexed account, address admin);
        event AdminSet(address indexed account, address admin);
        event AdminRemoved(address indexed account, address admin);
    }
    interface Manager {
        event OperationScheduled(bytes32 indexed operationId, uint32 indexed nonce, uint48 schedule, address caller, address target, bytes data);
        event OperationExecuted(bytes32 indexed operationId, uint32 indexed nonce);
        event OperationCanceled(bytes32 indexed operationId, uint32 indexed nonce);
        event RoleGranted(uint64 indexed roleId, address indexed account, uint32 delay, uint48 since, bool newMember);
        event RoleRevoked(uint64 indexed roleId, address indexed account);
        event RoleAdminChanged(uint64 indexed roleId, uint64 indexed admin);
        event RoleGuardianChanged(uint64 indexed roleId, uint64 indexed guardian);
        event RoleGrantDelayChanged(uint64 indexed roleId, uint32 delay, uint48 since);
        event TargetClosed(address indexed target, bool closed);
        event TargetFunctionRoleUpdated(address indexed target, bytes4 selector, uint64 indexed roleId);
        event TargetAdminDelayUpdated(address indexed target, uint32 delay, uint48 since);
    }
    interface Timelock {
        event CallScheduled(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data, bytes32 predecessor, uint256 delay);
        event CallExecuted(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data);
        event Cancelled(bytes32 indexed id);
        event MinDelayChange(uint256 oldDuration, uint256 newDuration);
        event RoleGranted(bytes32 indexed role, address indexed account, address indexed sender);
        event RoleRevoked(bytes32 indexed role, address indexed account, address indexed sender);
    }
    /// SlashGate and, of its first three, Treasury. What TimelockVeto cancels the timelock logs as well.
    interface Guard {
        event Paused(bytes32 indexed requestId, uint64 until);
        event Unpaused(bytes32 indexed requestId);
        event AuthorityUpdated(address authority);
        event LimitsSet(bytes32 indexed requestId, address indexed avs, uint32 indexed operatorSetId, Limits limits);
        event Unpinned(bytes32 indexed requestId, address indexed avs, uint32 indexed operatorSetId);
    }
    interface Spending {
        event Paid(bytes32 indexed requestId, address indexed token, address indexed to, uint256 amount, uint256 received, bool large);
        event PayeeSet(bytes32 indexed requestId, address indexed token, address indexed payee, Terms terms);
        event HandedOver(bytes32 indexed requestId, address indexed successor);
        event Forwarded(address indexed token, address indexed successor, uint256 amount);
    }
    interface FrostAccount {
        event Executed(uint256 indexed nonce);
        event NonceInvalidated(uint256 indexed nonce);
    }
    interface Schedulers {
        function schedule(address target, bytes calldata data, uint48 when) external returns (bytes32, uint32);
        function schedule(address target, uint256 value, bytes calldata data, bytes32 predecessor, bytes32 salt, uint256 delay) external;
        function scheduleBatch(address[] calldata targets, uint256[] calldata values, bytes[] calldata payloads, bytes32 predecessor, bytes32 salt, uint256 delay) external;
    }
}

pub(super) use Core::CoreEvents;
pub(super) use FrostAccount::FrostAccountEvents;
pub(super) use Guard::GuardEvents;
pub(super) use Manager::ManagerEvents;
pub(super) use Schedulers::SchedulersCalls;
pub(super) use Spending::SpendingEvents;
pub(super) use Timelock::TimelockEvents;

use alloy::primitives::{Address, B256};
use alloy::rpc::types::Filter;
use firn_proto::definition::Content;

/// All that is looked for: what this network's own contracts and accounts log, and what EigenLayer's do. Anybody can have the latter
/// log as much as gas pays for, so that the former is asked for by itself.
pub(super) fn filters(definition: &Content, accounts: impl Iterator<Item = Address>) -> [Option<Filter>; 2] {
    let topics = [
        ManagerEvents::SELECTORS,
        TimelockEvents::SELECTORS,
        GuardEvents::SELECTORS,
        SpendingEvents::SELECTORS,
        FrostAccountEvents::SELECTORS,
    ];
    let contracts = definition.contracts.iter();
    let contracts = contracts.flat_map(|at| [at.manager, at.timelock, at.gate, at.treasury]);
    let filter = |addresses: Vec<Address>, topics: Vec<[u8; 32]>| {
        let topics: Vec<_> = topics.into_iter().map(B256::from).collect();
        // No address would mean every address.
        (!addresses.is_empty()).then(|| Filter::new().address(addresses).event_signature(topics))
    };
    [
        filter(contracts.chain(accounts).collect(), topics.concat()),
        filter(core(definition).into_iter().flatten().collect(), CoreEvents::SELECTORS.to_vec()),
    ]
}

/// EigenLayer's contracts, as far as the definition names them.
pub(super) fn core(definition: &Content) -> [Option<Address>; 3] {
    let chain = &definition.chain;
    [Some(chain.allocation_manager), chain.strategy_manager, chain.permission_controller]
}
