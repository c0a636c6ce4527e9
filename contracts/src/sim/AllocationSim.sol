// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {ShareSim} from "./ShareSim.sol";
import {IStrategy, OperatorSet, SimModel} from "./EigenLayerTypes.sol";

/// @title Simulation of the AllocationManager's part about operators: registration, allocations and slashing
/// @notice Written from the published behaviour of core v1.5 to v1.13. Not EigenLayer's code.
abstract contract AllocationSim is ShareSim {
    using EnumerableSet for EnumerableSet.AddressSet;
    using EnumerableSet for EnumerableSet.Bytes32Set;

    struct Registration {
        bool registered;
        uint32 slashableUntil;
    }

    uint64 private constant WAD = 1e18;
    uint256 private constant PAUSED_MODIFY_ALLOCATIONS = 0;
    uint256 private constant PAUSED_OPERATOR_SLASHING = 1;
    uint256 private constant PAUSED_OPERATOR_SET_REGISTRATION_AND_DEREGISTRATION = 2;

    /// @notice Blocks during which stake stays slashable after it is deallocated or its operator deregistered.
    uint32 public immutable DEALLOCATION_DELAY;

    mapping(bytes32 setKey => uint256) private _slashCounts;
    mapping(address operator => mapping(bytes32 setKey => Registration)) private _registrations;
    mapping(address operator => EnumerableSet.Bytes32Set) private _everRegistered;
    mapping(address operator => mapping(address strategy => uint64)) private _lostMagnitude;
    mapping(address operator => mapping(address strategy => uint64)) private _encumbered;
    mapping(address operator => mapping(address strategy => EnumerableSet.Bytes32Set)) private _allocatedSets;
    mapping(address operator => mapping(address strategy => mapping(bytes32 setKey => Allocation))) private
        _allocations;

    uint256 private _allocationManagerPaused;

    modifier whenNotPaused(uint256 bit) {
        require(!_isPaused(_allocationManagerPaused, bit), CurrentlyPaused());
        _;
    }

    constructor(uint32 deallocationDelay) {
        DEALLOCATION_DELAY = deallocationDelay;
    }

    // Slashing

    /// @notice Slashes shares of the operator's allocation to the set. The checks come in the core's order; nothing
    /// stops the same slash from being sent twice; a strategy with nothing allocated is skipped in silence.
    /// Source: AllocationManager v1.9; before it, the permission check came first.
    function slashOperator(address avs, SlashingParams calldata params)
        external
        whenNotPaused(PAUSED_OPERATOR_SLASHING)
        returns (uint256 slashId, uint256[] memory shares)
    {
        if (simModel == SimModel.AppointeeUpToV1_8_1) _checkCanCall(avs);
        OperatorSet memory set = OperatorSet(avs, params.operatorSetId);
        require(params.strategies.length == params.wadsToSlash.length, InputArrayLengthMismatch());
        require(isOperatorSet(set), InvalidOperatorSet());
        require(isOperatorSlashable(params.operator, set), OperatorNotSlashable());
        if (simModel == SimModel.SlasherFromV1_9) require(msg.sender == getSlasher(set), InvalidCaller());

        slashId = ++_slashCounts[_key(set)];
        shares = new uint256[](params.strategies.length);
        uint256[] memory wadSlashed = new uint256[](params.strategies.length);
        for (uint256 i = 0; i < params.strategies.length; ++i) {
            IStrategy strategy = params.strategies[i];
            uint256 wad = params.wadsToSlash[i];
            require(
                i == 0 || address(strategy) > address(params.strategies[i - 1]), StrategiesMustBeInAscendingOrder()
            );
            require(0 < wad && wad <= WAD, InvalidWadToSlash());
            require(_strategies[_key(set)].contains(address(strategy)), StrategyNotInOperatorSet());
            (wadSlashed[i], shares[i]) = _slashAllocation(params.operator, set, slashId, strategy, wad);
        }
        emit OperatorSlashed(params.operator, set, params.strategies, wadSlashed, params.description);
    }

    /// @notice How often operators of the set were slashed: the last slashId. Source: AllocationManager v1.5.
    function getSlashCount(OperatorSet memory operatorSet) external view returns (uint256) {
        return _slashCounts[_key(operatorSet)];
    }

    /// @notice Whether the operator is in the set, or left it no longer than the deallocation delay ago.
    /// Source: AllocationManager.
    function isOperatorSlashable(address operator, OperatorSet memory operatorSet) public view returns (bool) {
        Registration storage r = _registrations[operator][_key(operatorSet)];
        return r.registered || block.number <= r.slashableUntil;
    }

    /// @notice Whether the operator is slashable by some set that redistributes. Source: AllocationManager v1.5.
    function isOperatorRedistributable(address operator) external view returns (bool) {
        EnumerableSet.Bytes32Set storage keys = _everRegistered[operator];
        for (uint256 i = 0; i < keys.length(); ++i) {
            OperatorSet memory set = _setOf(keys.at(i));
            if (isRedistributingOperatorSet(set) && isOperatorSlashable(operator, set)) return true;
        }
        return false;
    }

    // Registration

    /// @notice Registers an operator for sets of one service, whose registrar is told and may refuse.
    /// Source: AllocationManager. A registrar without code, for which the core would revert, is passed over.
    function registerForOperatorSets(address operator, RegisterParams calldata params)
        external
        whenNotPaused(PAUSED_OPERATOR_SET_REGISTRATION_AND_DEREGISTRATION)
        checkCanCall(operator)
    {
        require(isOperator(operator), InvalidOperator());
        for (uint256 i = 0; i < params.operatorSetIds.length; ++i) {
            OperatorSet memory set = OperatorSet(params.avs, params.operatorSetIds[i]);
            require(isOperatorSet(set), InvalidOperatorSet());
            require(!isOperatorSlashable(operator, set), AlreadyMemberOfSet());
            _registrations[operator][_key(set)].registered = true;
            _everRegistered[operator].add(_key(set));
            emit OperatorAddedToOperatorSet(operator, set);
        }
        if (address(getAVSRegistrar(params.avs)).code.length != 0) {
            getAVSRegistrar(params.avs).registerOperator(operator, params.avs, params.operatorSetIds, params.data);
        }
    }

    /// @notice Takes an operator out of sets; it stays slashable for the deallocation delay. Source: AllocationManager.
    function deregisterFromOperatorSets(DeregisterParams calldata params)
        external
        whenNotPaused(PAUSED_OPERATOR_SET_REGISTRATION_AND_DEREGISTRATION)
    {
        require(
            canCall(params.operator, msg.sender, address(this), msg.sig)
                || canCall(params.avs, msg.sender, address(this), msg.sig),
            InvalidCaller()
        );
        for (uint256 i = 0; i < params.operatorSetIds.length; ++i) {
            OperatorSet memory set = OperatorSet(params.avs, params.operatorSetIds[i]);
            Registration storage r = _registrations[params.operator][_key(set)];
            require(isOperatorSet(set), InvalidOperatorSet());
            require(r.registered, NotMemberOfSet());
            (r.registered, r.slashableUntil) = (false, uint32(block.number) + DEALLOCATION_DELAY);
            emit OperatorRemovedFromOperatorSet(params.operator, set);
        }
        if (address(getAVSRegistrar(params.avs)).code.length != 0) {
            getAVSRegistrar(params.avs).deregisterOperator(params.operator, params.avs, params.operatorSetIds);
        }
    }

    // Allocations

    /// @notice Changes how much of its stake an operator allocates to sets. More takes effect after the operator's
    /// allocation delay; less after the deallocation delay, if it is slashable, or at once. Source: AllocationManager.
    function modifyAllocations(address operator, AllocateParams[] calldata params)
        external
        whenNotPaused(PAUSED_MODIFY_ALLOCATIONS)
        checkCanCall(operator)
    {
        require(isOperator(operator), UninitializedAllocationDelay());
        for (uint256 i = 0; i < params.length; ++i) {
            AllocateParams calldata p = params[i];
            require(p.strategies.length == p.newMagnitudes.length, InputArrayLengthMismatch());
            require(isOperatorSet(p.operatorSet), InvalidOperatorSet());
            for (uint256 j = 0; j < p.strategies.length; ++j) {
                _modifyAllocation(operator, p.operatorSet, p.strategies[j], p.newMagnitudes[j]);
            }
        }
    }

    /// @notice The operator's allocation of a strategy to a set, as of this block. Source: AllocationManager.
    function getAllocation(address operator, OperatorSet memory operatorSet, IStrategy strategy)
        public
        view
        returns (Allocation memory allocation)
    {
        allocation = _allocations[operator][address(strategy)][_key(operatorSet)];
        if (allocation.effectBlock != 0 && block.number >= allocation.effectBlock) {
            allocation = Allocation(_plus(allocation.currentMagnitude, allocation.pendingDiff), 0, 0);
        }
    }

    /// @notice What slashing has left of the operator's 1e18 in a strategy. Source: AllocationManager.
    function getMaxMagnitude(address operator, IStrategy strategy) public view returns (uint64) {
        return WAD - _lostMagnitude[operator][address(strategy)];
    }

    /// @notice Simulation only: sets the AllocationManager's pause bits (0 allocations, 1 slashing, 2 registration).
    function simPauseAllocationManager(uint256 bits) external {
        _allocationManagerPaused = bits;
    }

    /// @dev The wad is a share of the allocation; the event's wad is a share of all. Magnitudes lost round up.
    function _slashAllocation(
        address operator,
        OperatorSet memory set,
        uint256 slashId,
        IStrategy strategy,
        uint256 wad
    ) private returns (uint256 wadOfAll, uint256 shares) {
        Allocation storage a = _settle(operator, set, strategy);
        if (a.currentMagnitude == 0) return (0, 0);

        uint64 lost = _wadRoundedUp(a.currentMagnitude, wad);
        uint64 oldMax = getMaxMagnitude(operator, strategy);
        wadOfAll = uint256(lost) * WAD / oldMax;
        a.currentMagnitude -= lost;
        _lostMagnitude[operator][address(strategy)] += lost;
        _encumbered[operator][address(strategy)] -= lost;
        if (a.pendingDiff < 0) {
            a.pendingDiff += int128(uint128(_wadRoundedUp(uint64(uint128(-a.pendingDiff)), wad)));
            uint64 later = _plus(a.currentMagnitude, a.pendingDiff);
            emit AllocationUpdated(operator, set, strategy, later, a.effectBlock);
        }
        emit AllocationUpdated(operator, set, strategy, a.currentMagnitude, uint32(block.number));
        emit EncumberedMagnitudeUpdated(operator, strategy, _encumbered[operator][address(strategy)]);
        emit MaxMagnitudeUpdated(operator, strategy, oldMax - lost);
        shares = _slashShares(operator, set, slashId, strategy, oldMax, oldMax - lost);
    }

    function _modifyAllocation(address operator, OperatorSet memory set, IStrategy strategy, uint64 magnitude) private {
        // Deallocations that have come due, whatever their set, free magnitude.
        EnumerableSet.Bytes32Set storage keys = _allocatedSets[operator][address(strategy)];
        keys.add(_key(set));
        for (uint256 i = 0; i < keys.length(); ++i) {
            _settle(operator, _setOf(keys.at(i)), strategy);
        }

        Allocation storage a = _allocations[operator][address(strategy)][_key(set)];
        require(a.effectBlock == 0, ModificationAlreadyPending());
        require(magnitude != a.currentMagnitude, SameMagnitude());
        bool more = magnitude > a.currentMagnitude;
        uint64 difference = more ? magnitude - a.currentMagnitude : a.currentMagnitude - magnitude;
        uint32 effectBlock = uint32(block.number);
        if (more) {
            uint64 encumbered = _encumbered[operator][address(strategy)];
            require(difference <= getMaxMagnitude(operator, strategy) - encumbered, InsufficientMagnitude());
            _encumbered[operator][address(strategy)] = encumbered + difference;
            effectBlock += _allocationDelays[operator];
            a.pendingDiff = int128(uint128(difference));
        } else {
            bool slashable =
                isOperatorSlashable(operator, set) && _strategies[_key(set)].contains(address(strategy));
            if (slashable) effectBlock += DEALLOCATION_DELAY + 1;
            a.pendingDiff = -int128(uint128(difference));
        }
        a.effectBlock = effectBlock;
        _settle(operator, set, strategy);
        emit EncumberedMagnitudeUpdated(operator, strategy, _encumbered[operator][address(strategy)]);
        emit AllocationUpdated(operator, set, strategy, magnitude, effectBlock);
    }

    /// @dev Writes down a pending change that has come due.
    function _settle(address operator, OperatorSet memory set, IStrategy strategy)
        private
        returns (Allocation storage a)
    {
        a = _allocations[operator][address(strategy)][_key(set)];
        if (a.effectBlock != 0 && block.number >= a.effectBlock) {
            if (a.pendingDiff < 0) _encumbered[operator][address(strategy)] -= uint64(uint128(-a.pendingDiff));
            a.currentMagnitude = _plus(a.currentMagnitude, a.pendingDiff);
            (a.pendingDiff, a.effectBlock) = (0, 0);
        }
    }

    function _plus(uint64 magnitude, int128 difference) private pure returns (uint64) {
        return uint64(uint128(int128(uint128(magnitude)) + difference));
    }

    function _wadRoundedUp(uint64 magnitude, uint256 wad) private pure returns (uint64) {
        return uint64(Math.ceilDiv(uint256(magnitude) * wad, WAD));
    }
}
