//! Firn's own contracts and those of OpenZeppelin between them, as far as kinds call them (contracts/src; tests check selectors).
#![allow(missing_docs, reason = "names and meaning are the contracts' own")]

alloy_sol_types::sol! {
    struct SlashingParams {
        address operator;
        uint32 operatorSetId;
        address[] strategies;
        uint256[] wadsToSlash;
        string description;
    }
    struct Limits {
        uint64 minWad;
        uint64 maxWad;
        uint64 operatorBudget;
        uint72 setBudget;
        uint32 window;
        uint32 coolDown;
    }
    struct PayeeTerms {
        uint128 budget;
        uint128 largeBudget;
        uint32 window;
    }
    interface ISlashGate {
        function slash(bytes32 requestId, bytes32 evidence, address avs, SlashingParams calldata params) external returns (uint256);
        function setLimits(bytes32 requestId, address avs, uint32 operatorSetId, Limits calldata limits) external;
        function tightenLimits(bytes32 requestId, address avs, uint32 operatorSetId, Limits calldata limits) external;
        function unpin(bytes32 requestId, address avs, uint32 operatorSetId) external;
    }
    interface ITreasury {
        function pay(bytes32 requestId, address token, address to, uint256 amount) external;
        function payLarge(bytes32 requestId, address token, address to, uint256 amount) external;
        function setPayee(bytes32 requestId, address token, address payee, PayeeTerms calldata terms) external;
        function handOver(bytes32 requestId, address successor, address[] calldata tokens) external;
    }
    interface IGuarded {
        function pause(bytes32 requestId, uint64 until) external;
        function unpause(bytes32 requestId) external;
    }
    interface ITimelockVeto {
        function cancel(bytes32 requestId, bytes32 operationId) external;
    }
    interface IAccessManager {
        function schedule(address target, bytes calldata data, uint48 when) external returns (bytes32, uint32);
        function execute(address target, bytes calldata data) external payable returns (uint32);
        function cancel(address caller, address target, bytes calldata data) external returns (uint32);
        function grantRole(uint64 roleId, address account, uint32 executionDelay) external;
        function revokeRole(uint64 roleId, address account) external;
    }
    interface ITimelockController {
        function schedule(address target, uint256 value, bytes calldata data, bytes32 predecessor, bytes32 salt, uint256 delay) external;
        function execute(address target, uint256 value, bytes calldata payload, bytes32 predecessor, bytes32 salt) external payable;
    }
}
