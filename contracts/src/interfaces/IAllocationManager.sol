// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @dev What the gate calls in EigenLayer's core. Names, fields and order are the core's, so that selectors agree; they
/// are the same in every release from v1.0 to v1.13. Only what slashOperator returns differs: nothing before v1.5.

/// @notice A strategy, known by its address alone.
interface IStrategy {}

/// @notice An operator set: the service (AVS) and its number for the set.
struct OperatorSet {
    address avs;
    uint32 id;
}

/// @notice Types of the AllocationManager. Source: EigenLayer core v1.9, IAllocationManagerTypes.
interface IAllocationManagerTypes {
    struct SlashingParams {
        address operator;
        uint32 operatorSetId;
        IStrategy[] strategies;
        uint256[] wadsToSlash;
        string description;
    }

    struct CreateSetParams {
        uint32 operatorSetId;
        IStrategy[] strategies;
    }

    struct CreateSetParamsV2 {
        uint32 operatorSetId;
        IStrategy[] strategies;
        address slasher;
    }

    struct AllocateParams {
        OperatorSet operatorSet;
        IStrategy[] strategies;
        uint64[] newMagnitudes;
    }

    struct RegisterParams {
        address avs;
        uint32[] operatorSetIds;
        bytes data;
    }

    struct DeregisterParams {
        address operator;
        address avs;
        uint32[] operatorSetIds;
    }

    struct Allocation {
        uint64 currentMagnitude;
        int128 pendingDiff;
        uint32 effectBlock;
    }
}

/// @notice The three functions of the AllocationManager that the gate uses.
interface IAllocationManager is IAllocationManagerTypes {
    /// @notice Slashes shares of the operator's allocations to a set. Source: EigenLayer core v1.5.
    function slashOperator(address avs, SlashingParams calldata params)
        external
        returns (uint256 slashId, uint256[] memory shares);

    /// @notice The operator's allocation of a strategy to a set, as of this block. Source: EigenLayer core v1.0.
    function getAllocation(address operator, OperatorSet memory operatorSet, IStrategy strategy)
        external
        view
        returns (Allocation memory allocation);

    /// @notice How often operators of the set were slashed. Source: EigenLayer core v1.5.
    function getSlashCount(OperatorSet memory operatorSet) external view returns (uint256);
}
