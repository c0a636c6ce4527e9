//! The interfaces that surveys and slashes through a gate read, a deployment writes, and nothing else of them (contracts/src; OpenZeppelin 5.7;
//! EigenLayer core v1.0 to v1.13).

alloy::sol! {
    struct OperatorSet {
        address avs;
        uint32 id;
    }
    struct SlashingParams {
        address operator;
        uint32 operatorSetId;
        address[] strategies;
        uint256[] wadsToSlash;
        string description;
    }
    struct Members {
        address slash;
        address treasury;
        address governance;
        address[] vetoers;
    }
    struct Delays {
        uint32 slash;
        uint32 treasury;
        uint32 treasuryLarge;
        uint32 governance;
        uint32 timelock;
        uint32 handOver;
        uint32 recovery;
    }
    #[derive(PartialEq, Eq)]
    struct Limits {
        uint64 minWad;
        uint64 maxWad;
        uint64 operatorBudget;
        uint72 setBudget;
        uint32 window;
        uint32 coolDown;
    }
    struct PinnedSet {
        address avs;
        uint32 operatorSetId;
        Limits limits;
    }
    #[derive(PartialEq, Eq)]
    struct Terms {
        uint128 budget;
        uint128 largeBudget;
        uint32 window;
    }
    struct ListedPayee {
        address token;
        address payee;
        Terms terms;
    }
    interface IManager {
        event RoleGranted(uint64 indexed roleId, address indexed account, uint32 delay, uint48 since, bool newMember);
        event TargetFunctionRoleUpdated(address indexed target, bytes4 selector, uint64 indexed roleId);
        event TargetClosed(address indexed target, bool closed);
        event TargetAdminDelayUpdated(address indexed target, uint32 delay, uint48 since);
        event OperationScheduled(bytes32 indexed operationId, uint32 indexed nonce, uint48 schedule, address caller, address target, bytes data);
        function getAccess(uint64 roleId, address account) external view
            returns (uint48 since, uint32 currentDelay, uint32 pendingDelay, uint48 effect);
        function getRoleAdmin(uint64 roleId) external view returns (uint64);
        function getRoleGuardian(uint64 roleId) external view returns (uint64);
        function getRoleGrantDelay(uint64 roleId) external view returns (uint32);
        function getTargetFunctionRole(address target, bytes4 selector) external view returns (uint64);
        function isTargetClosed(address target) external view returns (bool);
        function getTargetAdminDelay(address target) external view returns (uint32);
        function getSchedule(bytes32 id) external view returns (uint48);
        function canCall(address caller, address target, bytes4 selector) external view returns (bool immediate, uint32 delay);
    }
    interface ITimelock {
        event RoleGranted(bytes32 indexed role, address indexed account, address indexed sender);
        event CallScheduled(bytes32 indexed id, uint256 indexed index, address target, uint256 value, bytes data, bytes32 predecessor, uint256 delay);
        function hasRole(bytes32 role, address account) external view returns (bool);
        function getMinDelay() external view returns (uint256);
        function getTimestamp(bytes32 id) external view returns (uint256);
    }
    interface IGuarded {
        function authority() external view returns (address);
        function pausedBetween() external view returns (uint64 since, uint64 until);
        function pause(bytes32 requestId, uint64 until) external;
        function unpause(bytes32 requestId) external;
    }
    interface IVeto {
        function cancel(bytes32 requestId, bytes32 operationId) external;
    }
    interface IGate {
        event LimitsSet(bytes32 indexed requestId, address indexed avs, uint32 indexed operatorSetId, Limits limits);
        function slash(bytes32 requestId, bytes32 evidence, address avs, SlashingParams calldata params) external;
        function tightenLimits(bytes32 requestId, address avs, uint32 operatorSetId, Limits calldata limits) external;
        function unpin(bytes32 requestId, address avs, uint32 operatorSetId) external;
        function limitsOf(address avs, uint32 operatorSetId) external view returns (Limits memory);
        function requestOf(bytes32 evidence, address avs, uint32 operatorSetId, address operator) external view returns (bytes32);
    }
    interface ITreasury {
        event PayeeSet(bytes32 indexed requestId, address indexed token, address indexed payee, Terms terms);
        function pay(bytes32 requestId, address token, address to, uint256 amount) external;
        function payLarge(bytes32 requestId, address token, address to, uint256 amount) external;
        function setPayee(bytes32 requestId, address token, address payee, Terms calldata terms) external;
        function handOver(bytes32 requestId, address successor_, address[] calldata tokens) external;
        function successor() external view returns (address);
        function payeeOf(address token, address payee) external view
            returns (Terms memory terms, uint256 used, uint256 usedLarge);
    }
    interface ICore {
        function getSlasher(OperatorSet memory operatorSet) external view returns (address);
        function getPendingSlasher(OperatorSet memory operatorSet) external view returns (address slasher, uint32 effectBlock);
        function getRedistributionRecipient(OperatorSet memory operatorSet) external view returns (address);
        function isOperatorSet(OperatorSet memory operatorSet) external view returns (bool);
        function SLASH_RESOLUTION_DELAY_BLOCKS() external view returns (uint32);
        function SLASHER_CONFIGURATION_DELAY() external view returns (uint32);
        function updateSlasher(OperatorSet memory operatorSet, address slasher) external;
        function getAdmins(address account) external view returns (address[] memory);
        function getPendingAdmins(address account) external view returns (address[] memory);
        function getAppointees(address account, address target, bytes4 selector) external view returns (address[] memory);
        function canCall(address account, address caller, address target, bytes4 selector) external view returns (bool);
        function addPendingAdmin(address account, address admin) external;
        function acceptAdmin(address account) external;
        function setAppointee(address account, address appointee, address target, bytes4 selector) external;
    }
}
