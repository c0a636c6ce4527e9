// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

// The ABI of EigenLayer's core (v1.9 and later, with v1.13's additions) as far as the simulation plays it:
// types, events and errors with the same names, fields and order, so that selectors and topics agree.
import {IAllocationManagerTypes, IStrategy, OperatorSet} from "../interfaces/IAllocationManager.sol";

/// @notice Simulation only: which authority slashOperator obeys.
enum SimModel {
    AppointeeUpToV1_8_1,
    SlasherFromV1_9
}

/// @notice What a service's registrar must answer. Source: EigenLayer core, IAVSRegistrar.
interface IAVSRegistrar {
    /// @notice Called when an operator registers; a revert refuses the registration.
    function registerOperator(address operator, address avs, uint32[] calldata operatorSetIds, bytes calldata data)
        external;

    /// @notice Called when an operator is deregistered.
    function deregisterOperator(address operator, address avs, uint32[] calldata operatorSetIds) external;

    /// @notice Whether the registrar serves `avs`.
    function supportsAVS(address avs) external view returns (bool);
}

/// @notice Events of the core. No parameter of those that concern slashing is indexed.
interface IEigenLayerEvents {
    event OperatorSlashed(
        address operator, OperatorSet operatorSet, IStrategy[] strategies, uint256[] wadSlashed, string description
    );
    event RedistributionAddressSet(OperatorSet operatorSet, address redistributionRecipient);
    event SlasherUpdated(OperatorSet operatorSet, address slasher, uint32 effectBlock);
    event OperatorSetCreated(OperatorSet operatorSet);
    event StrategyAddedToOperatorSet(OperatorSet operatorSet, IStrategy strategy);
    event StrategyRemovedFromOperatorSet(OperatorSet operatorSet, IStrategy strategy);
    event OperatorAddedToOperatorSet(address indexed operator, OperatorSet operatorSet);
    event OperatorRemovedFromOperatorSet(address indexed operator, OperatorSet operatorSet);
    event AllocationUpdated(
        address operator, OperatorSet operatorSet, IStrategy strategy, uint64 magnitude, uint32 effectBlock
    );
    event EncumberedMagnitudeUpdated(address operator, IStrategy strategy, uint64 encumberedMagnitude);
    event MaxMagnitudeUpdated(address operator, IStrategy strategy, uint64 maxMagnitude);
    event AVSMetadataURIUpdated(address indexed avs, string metadataURI);
    event AVSRegistrarSet(address avs, IAVSRegistrar registrar);

    event BurnOrRedistributableSharesIncreased(
        OperatorSet operatorSet, uint256 slashId, IStrategy strategy, uint256 shares
    );
    event BurnOrRedistributableSharesDecreased(
        OperatorSet operatorSet, uint256 slashId, IStrategy strategy, uint256 shares
    );
    event SlashResolutionBlockSet(OperatorSet operatorSet, uint256 slashId, uint32 resolutionBlock);

    event OperatorRegistered(address indexed operator, address delegationApprover);
    event OperatorMetadataURIUpdated(address indexed operator, string metadataURI);
    event OperatorSharesSlashed(address indexed operator, IStrategy strategy, uint256 totalSlashedShares);

    event AppointeeSet(address indexed account, address indexed appointee, address target, bytes4 selector);
    event AppointeeRemoved(address indexed account, address indexed appointee, address target, bytes4 selector);
    event PendingAdminAdded(address indexed account, address admin);
    event PendingAdminRemoved(address indexed account, address admin);
    event AdminSet(address indexed account, address admin);
    event AdminRemoved(address indexed account, address admin);
}

/// @notice Errors of the core.
interface IEigenLayerErrors {
    error InvalidCaller();
    error InvalidPermissions();
    error InvalidWadToSlash();
    error InputArrayLengthMismatch();
    error StrategiesMustBeInAscendingOrder();
    error StrategyNotInOperatorSet();
    error StrategyAlreadyInOperatorSet();
    error OperatorNotSlashable();
    error InvalidOperatorSet();
    error InvalidOperator();
    error InvalidRedistributionRecipient();
    error InputAddressZero();
    error InvalidStrategy();
    error InvalidAVSRegistrar();
    error NonexistentAVSMetadata();
    error AlreadyMemberOfSet();
    error NotMemberOfSet();
    error SameMagnitude();
    error ModificationAlreadyPending();
    error InsufficientMagnitude();
    error UninitializedAllocationDelay();
    error CurrentlyPaused();
    error SlashResolutionDelayNotElapsed();
    error ActivelyDelegated();

    error NotAdmin();
    error AdminNotPending();
    error AdminAlreadySet();
    error AdminAlreadyPending();
    error AdminNotSet();
    error AppointeeAlreadySet();
    error AppointeeNotSet();
    error CannotHaveZeroAdmins();
}
