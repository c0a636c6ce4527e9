// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAllocationManager, IAllocationManagerTypes, IStrategy, OperatorSet} from "./interfaces/IAllocationManager.sol";
import {Guarded} from "./lib/Guarded.sol";
import {SlidingWindow} from "./lib/SlidingWindow.sol";
import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

/// @title The slasher of operator sets, with limits that hold whoever signs
/// @notice Passes slashes on to EigenLayer's AllocationManager, for pinned operator sets and within each set's limits.
/// It works as a set's slasher (core v1.9 and later) and as the service's appointee for slashOperator (up to v1.8.1).
/// It cannot be upgraded: another gate is another slasher, which takes 17.5 days in the open.
///
/// Wads are shares of an operator's *allocation to the set*, one per strategy. A slash counts toward budgets with its
/// heaviest wad, not with the sum over strategies: a budget of 10% then says that no allocation loses more than 10%
/// within a window, whatever the number of strategies, and one storage slot per operator keeps that promise. Two
/// slashes in different strategies count as if they were in the same: the error is on the side of the operator.
/// Budgets count in sliding windows, per operator of a set and over all operators of the set.
///
/// Each evidence hash slashes an operator of a set once, ever; the core has no such guard. One offence of several
/// operators may have one hash for all of them, and nobody can use up the hash of another's offence. The request's id is
/// stored there and not marked by itself, as by the other functions: the same request carries the same evidence, and
/// another fresh storage slot would add 22,100 gas to every slash. A slash that takes no share of any strategy is
/// refused: the core lets it pass in silence. That some of its strategies are empty is no reason to refuse, or an
/// operator could escape by emptying one.
///
/// Storage after Guarded's: slot 2 _requests, slot 3 _sets, slot 4 _operators. Sources: EigenLayer core v1.0 to v1.13.
contract SlashGate is Guarded, IAllocationManagerTypes {
    /// @notice Limits of one operator set.
    struct Limits {
        /// Smallest wad of a strategy.
        uint64 minWad;
        /// Largest wad of a strategy.
        uint64 maxWad;
        /// What one operator may lose within a window: the sum of its slashes' heaviest wads.
        uint64 operatorBudget;
        /// The same over all operators of the set.
        uint72 setBudget;
        /// The window, in seconds.
        uint32 window;
        /// Seconds between two slashes of one operator in this set.
        uint32 coolDown;
    }

    /// @dev Two slots: limits; budget and use. maxWad is 0 if and only if the set is not pinned.
    struct SetState {
        uint64 minWad;
        uint64 maxWad;
        uint64 operatorBudget;
        uint32 window;
        uint32 coolDown;
        uint72 setBudget;
        uint40 start;
        uint72 previous;
        uint72 current;
    }

    /// @dev One slot. `window` is the one under which the buckets were written.
    struct OperatorState {
        uint40 start;
        uint40 lastSlash;
        uint32 window;
        uint72 previous;
        uint72 current;
    }

    /// @notice An operator was slashed. `slashId` is the core's, or 0 where the core gives none (before v1.5).
    /// @param counted What the slash counts toward budgets: its heaviest wad.
    event Slashed(
        bytes32 indexed requestId,
        bytes32 indexed evidence,
        address indexed operator,
        address avs,
        uint32 operatorSetId,
        uint256 slashId,
        uint256 counted
    );

    /// @notice The set is pinned, with these limits.
    event LimitsSet(bytes32 indexed requestId, address indexed avs, uint32 indexed operatorSetId, Limits limits);

    /// @notice The set is not pinned any more.
    event Unpinned(bytes32 indexed requestId, address indexed avs, uint32 indexed operatorSetId);

    /// @notice There is no code at the AllocationManager's address.
    error AllocationManagerWithoutCode(address allocationManager);

    /// @notice 0 < minWad <= maxWad <= 1e18, maxWad <= operatorBudget <= setBudget and 0 < window are demanded.
    error InvalidLimits();

    /// @notice {tightenLimits} may not widen anything.
    error LimitsWidened();

    /// @notice The operator set is not pinned.
    error OperatorSetNotPinned(address avs, uint32 operatorSetId);

    /// @notice Zero is nobody's request.
    error ZeroRequestId();

    /// @notice The evidence was used against this operator of this set, by another request or by this one before.
    error EvidenceAlreadyUsed(bytes32 evidence, bytes32 requestId);

    /// @notice No strategy is named, or not one wad per strategy.
    error InvalidStrategies();

    /// @notice The wad of strategy `index` is below the floor or above the ceiling.
    error WadOutOfLimits(uint256 index, uint256 wad);

    /// @notice The operator was slashed too short a time ago.
    error CoolingDown(uint256 until);

    /// @notice The slash would pass the operator's budget, of which `left` is left.
    error OperatorBudgetExceeded(uint256 left);

    /// @notice The slash would pass the set's budget, of which `left` is left.
    error SetBudgetExceeded(uint256 left);

    /// @notice The core took no share in any strategy; or, where it does not say what it takes, nothing is allocated in any.
    error NothingSlashed();

    uint256 private constant WAD = 1e18;

    /// @notice EigenLayer's AllocationManager.
    IAllocationManager public immutable ALLOCATION_MANAGER;

    /// @notice Whether the core said what a slash takes when this gate was created: from v1.5 on. For one that did not, the
    /// gate asks for allocations before each slash.
    bool public immutable CORE_RETURNS_SHARES;

    mapping(bytes32 evidenceKey => bytes32 requestId) private _requests;
    mapping(bytes32 setKey => SetState) private _sets;
    mapping(bytes32 setKey => mapping(address operator => OperatorState)) private _operators;

    /// @notice Binds the gate to one core. It pins no set: that is {setLimits}'s.
    /// @param authority_ The AccessManager.
    /// @param allocationManager EigenLayer's AllocationManager.
    constructor(address authority_, IAllocationManager allocationManager) AccessManaged(authority_) {
        if (address(allocationManager).code.length == 0) {
            revert AllocationManagerWithoutCode(address(allocationManager));
        }
        ALLOCATION_MANAGER = allocationManager;
        // Slashes have been counted since v1.5, which is also since when they return what they take.
        (bool ok, bytes memory count) = address(allocationManager).staticcall(
            abi.encodeCall(IAllocationManager.getSlashCount, (OperatorSet(address(0), 0)))
        );
        CORE_RETURNS_SHARES = ok && count.length == 32;
    }

    /// @notice Slashes an operator of a pinned set, within limits, on evidence not used against it before.
    /// @dev All state is written before the core is called, and undone if that fails.
    /// Source: EigenLayer core, AllocationManager.slashOperator.
    /// @return slashId The core's number of the slash, or 0 before v1.5.
    function slash(bytes32 requestId, bytes32 evidence, address avs, SlashingParams calldata params)
        external
        restricted
        whenNotPaused
        returns (uint256 slashId)
    {
        if (requestId == 0) revert ZeroRequestId();
        bytes32 evidenceKey = _evidenceKey(evidence, avs, params.operatorSetId, params.operator);
        bytes32 usedBy = _requests[evidenceKey];
        if (usedBy != 0) revert EvidenceAlreadyUsed(evidence, usedBy);
        _requests[evidenceKey] = requestId;
        uint256 counted = _spend(avs, params);
        if (!CORE_RETURNS_SHARES) _checkAllocations(avs, params);
        slashId = _slash(avs, params);
        emit Slashed(requestId, evidence, params.operator, avs, params.operatorSetId, slashId, counted);
    }

    /// @notice Pins an operator set with these limits, or changes the limits of a pinned one. What was used counts on.
    function setLimits(bytes32 requestId, address avs, uint32 operatorSetId, Limits calldata limits)
        external
        restricted
        once(requestId)
    {
        _setLimits(requestId, avs, operatorSetId, limits);
    }

    /// @notice The same, for limits of a pinned set none of which becomes wider.
    function tightenLimits(bytes32 requestId, address avs, uint32 operatorSetId, Limits calldata limits)
        external
        restricted
        once(requestId)
    {
        SetState storage s = _pinned(avs, operatorSetId);
        bool wadsTighter = limits.minWad >= s.minWad && limits.maxWad <= s.maxWad;
        bool budgetsTighter = limits.operatorBudget <= s.operatorBudget && limits.setBudget <= s.setBudget;
        bool timesTighter = limits.window >= s.window && limits.coolDown >= s.coolDown;
        if (!wadsTighter || !budgetsTighter || !timesTighter) revert LimitsWidened();
        _setLimits(requestId, avs, operatorSetId, limits);
    }

    /// @notice Makes a set one that this gate cannot slash. What was used counts on, should the set be pinned again.
    function unpin(bytes32 requestId, address avs, uint32 operatorSetId) external restricted once(requestId) {
        SetState storage s = _pinned(avs, operatorSetId);
        (s.minWad, s.maxWad, s.operatorBudget, s.setBudget) = (0, 0, 0, 0);
        emit Unpinned(requestId, avs, operatorSetId);
    }

    /// @notice The limits of a set; all zero but window and cool-down if it is not pinned.
    function limitsOf(address avs, uint32 operatorSetId) external view returns (Limits memory) {
        SetState storage s = _sets[_key(avs, operatorSetId)];
        return Limits(s.minWad, s.maxWad, s.operatorBudget, s.setBudget, s.window, s.coolDown);
    }

    /// @notice The request that used this evidence against this operator of this set, or 0.
    function requestOf(bytes32 evidence, address avs, uint32 operatorSetId, address operator)
        external
        view
        returns (bytes32)
    {
        return _requests[_evidenceKey(evidence, avs, operatorSetId, operator)];
    }

    /// @notice What is used up as of this block: of the set's budget, of the operator's, and when the operator's
    /// cool-down ends (0 if it was never slashed).
    function usage(address avs, uint32 operatorSetId, address operator)
        external
        view
        returns (uint256 ofSet, uint256 ofOperator, uint256 coolDownEnd)
    {
        bytes32 key = _key(avs, operatorSetId);
        SetState storage s = _sets[key];
        OperatorState storage o = _operators[key][operator];
        (, uint256 previous, uint256 current) =
            SlidingWindow.roll(s.start, s.previous, s.current, s.window, block.timestamp);
        ofSet = previous + current;
        (, previous, current) = SlidingWindow.carry(o.start, o.previous, o.current, o.window, s.window, block.timestamp);
        ofOperator = previous + current;
        coolDownEnd = o.lastSlash == 0 ? 0 : uint256(o.lastSlash) + s.coolDown;
    }

    function _setLimits(bytes32 requestId, address avs, uint32 operatorSetId, Limits calldata l) private {
        bool wadsOk = 0 < l.minWad && l.minWad <= l.maxWad && l.maxWad <= WAD;
        if (!wadsOk || l.maxWad > l.operatorBudget || l.operatorBudget > l.setBudget || l.window == 0) {
            revert InvalidLimits();
        }
        SetState storage s = _sets[_key(avs, operatorSetId)];
        if (l.window < s.window) {
            (uint256 start,, uint256 current) =
                SlidingWindow.carry(s.start, s.previous, s.current, s.window, l.window, block.timestamp);
            (s.start, s.previous, s.current) = (uint40(start), 0, uint72(current));
        }
        (s.minWad, s.maxWad, s.operatorBudget, s.setBudget) = (l.minWad, l.maxWad, l.operatorBudget, l.setBudget);
        (s.window, s.coolDown) = (l.window, l.coolDown);
        emit LimitsSet(requestId, avs, operatorSetId, l);
    }

    /// @dev Checks the slash against the set's limits and counts it. Casts are safe: sums stay within budgets.
    function _spend(address avs, SlashingParams calldata params) private returns (uint256 counted) {
        SetState memory s = _pinned(avs, params.operatorSetId);
        counted = _heaviestWad(s, params);
        bytes32 key = _key(avs, params.operatorSetId);

        OperatorState memory o = _operators[key][params.operator];
        if (o.lastSlash != 0 && block.timestamp < uint256(o.lastSlash) + s.coolDown) {
            revert CoolingDown(uint256(o.lastSlash) + s.coolDown);
        }
        (uint256 start, uint256 previous, uint256 current) =
            SlidingWindow.carry(o.start, o.previous, o.current, o.window, s.window, block.timestamp);
        uint256 left = _left(s.operatorBudget, previous + current);
        if (counted > left) revert OperatorBudgetExceeded(left);
        _operators[key][params.operator] = OperatorState(
            uint40(start), uint40(block.timestamp), s.window, uint72(previous), uint72(current + counted)
        );

        (start, previous, current) = SlidingWindow.roll(s.start, s.previous, s.current, s.window, block.timestamp);
        left = _left(s.setBudget, previous + current);
        if (counted > left) revert SetBudgetExceeded(left);
        SetState storage stored = _sets[key];
        (stored.start, stored.previous, stored.current) = (uint40(start), uint72(previous), uint72(current + counted));
    }

    function _heaviestWad(SetState memory s, SlashingParams calldata params) private pure returns (uint256 heaviest) {
        uint256 length = params.strategies.length;
        if (length == 0 || length != params.wadsToSlash.length) revert InvalidStrategies();
        for (uint256 i = 0; i < length; ++i) {
            uint256 wad = params.wadsToSlash[i];
            if (wad < s.minWad || wad > s.maxWad) revert WadOutOfLimits(i, wad);
            if (wad > heaviest) heaviest = wad;
        }
    }

    function _checkAllocations(address avs, SlashingParams calldata params) private view {
        OperatorSet memory set = OperatorSet(avs, params.operatorSetId);
        for (uint256 i = 0; i < params.strategies.length; ++i) {
            IStrategy strategy = params.strategies[i];
            if (ALLOCATION_MANAGER.getAllocation(params.operator, set, strategy).currentMagnitude != 0) return;
        }
        revert NothingSlashed();
    }

    /// @dev A core before v1.5 returns nothing; there, the allocations found before must do.
    function _slash(address avs, SlashingParams calldata params) private returns (uint256 slashId) {
        (bool ok, bytes memory result) =
            address(ALLOCATION_MANAGER).call(abi.encodeCall(IAllocationManager.slashOperator, (avs, params)));
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(result, 0x20), mload(result))
            }
        }
        if (result.length == 0) return 0;
        uint256[] memory shares;
        (slashId, shares) = abi.decode(result, (uint256, uint256[]));
        for (uint256 i = 0; i < shares.length; ++i) {
            if (shares[i] != 0) return slashId;
        }
        revert NothingSlashed();
    }

    function _pinned(address avs, uint32 operatorSetId) private view returns (SetState storage s) {
        s = _sets[_key(avs, operatorSetId)];
        if (s.maxWad == 0) revert OperatorSetNotPinned(avs, operatorSetId);
    }

    /// @dev The budget may have been lowered below what is used.
    function _left(uint256 budget, uint256 used) private pure returns (uint256) {
        return used < budget ? budget - used : 0;
    }

    function _evidenceKey(bytes32 evidence, address avs, uint32 operatorSetId, address operator)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(evidence, _key(avs, operatorSetId), operator));
    }

    /// @dev avs (20 bytes) || uint96(id), as in the core.
    function _key(address avs, uint32 operatorSetId) private pure returns (bytes32) {
        return bytes32(bytes20(avs)) | bytes32(uint256(operatorSetId));
    }
}
