//! EigenLayer's contracts as far as Firn calls them (core v1.9 and later; selectors are checked by tests).
#![allow(missing_docs, reason = "names and meaning are EigenLayer's own")]

alloy_sol_types::sol! {
    struct OperatorSet {
        address avs;
        uint32 id;
    }
    struct Allocation {
        uint64 currentMagnitude;
        int128 pendingDiff;
        uint32 effectBlock;
    }
    struct SlashingParams {
        address operator;
        uint32 operatorSetId;
        address[] strategies;
        uint256[] wadsToSlash;
        string description;
    }
    interface IAllocationManager {
        event OperatorSlashed(address operator, OperatorSet operatorSet, address[] strategies, uint256[] wadSlashed, string description);
        event OperatorAddedToOperatorSet(address indexed operator, OperatorSet operatorSet);
        event OperatorRemovedFromOperatorSet(address indexed operator, OperatorSet operatorSet);
        function slashOperator(address avs, SlashingParams calldata params)
            external returns (uint256 slashId, uint256[] memory shares);
        function updateSlasher(OperatorSet memory operatorSet, address slasher) external;
        function addStrategiesToOperatorSet(address avs, uint32 operatorSetId, address[] calldata strategies) external;
        function removeStrategiesFromOperatorSet(address avs, uint32 operatorSetId, address[] calldata strategies) external;
        function getSlasher(OperatorSet memory operatorSet) external view returns (address);
        function isOperatorSlashable(address operator, OperatorSet memory operatorSet) external view returns (bool);
        function isMemberOfOperatorSet(address operator, OperatorSet memory operatorSet) external view returns (bool);
        function getAllocation(address operator, OperatorSet memory operatorSet, address strategy)
            external view returns (Allocation memory);
        function DEALLOCATION_DELAY() external view returns (uint32);
        function getStrategiesInOperatorSet(OperatorSet memory operatorSet) external view returns (address[] memory);
    }
    interface IPermissionController {
        function acceptAdmin(address account) external;
        function setAppointee(address account, address appointee, address target, bytes4 selector) external;
        function removeAppointee(address account, address appointee, address target, bytes4 selector) external;
    }
    interface IStrategyManager {
        function clearBurnOrRedistributableShares(OperatorSet calldata operatorSet, uint256 slashId)
            external returns (uint256[] memory);
    }
}
