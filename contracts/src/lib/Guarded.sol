// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

/// @title What SlashGate and Treasury share: an authority, request ids, and a pause that ends by itself
/// @notice Every restricted function takes a request id first. Two operations that differ in nothing else have
/// different calldata by it, hence different ids in the AccessManager, and cancelling one does not touch the other.
/// An id is used up by function: who may call one cannot use up the ids of another. Pausing uses up none: it has no
/// delay, so nothing of it is scheduled, and the accounts' nonces keep it from being replayed.
///
/// A pause is bounded twice, so that whoever may pause cannot hold the contract for ransom. From the first pause on there
/// are {MAX_PAUSE} in which pausing, ending a pause and pausing again are free; none of it lasts beyond them; and then
/// {PAUSE_REST} without any. MAX_PAUSE is longer than the delay after which governance can take a role away, so a key
/// that was stolen can be stopped until it is powerless.
///
/// Storage: slot 0 holds AccessManaged's authority (bytes 0 to 19) and its flag (byte 20), then _pausedSince (21 to 25)
/// and _pausedUntil (26 to 30), so that one read serves both checks. Slot 1 is _executed.
abstract contract Guarded is AccessManaged {
    /// @notice Paused until this time (exclusive), by this request.
    event Paused(bytes32 indexed requestId, uint64 until);

    /// @notice The pause was ended early, by this request.
    event Unpaused(bytes32 indexed requestId);

    /// @notice The request was executed before, by this function.
    error RequestAlreadyExecuted(bytes32 requestId);

    /// @notice Paused until this time (exclusive).
    error EnforcedPause(uint64 until);

    /// @notice There is no pause to end.
    error ExpectedPause();

    /// @notice A pause has to end after now, later than the one it prolongs, and at `latest` at the latest.
    error InvalidPauseEnd(uint64 until, uint64 latest);

    /// @notice The days for pausing are over, and those without are not.
    error PauseTooSoon(uint64 earliest);

    /// @notice How long there may be pauses, from the beginning of the first, in seconds.
    uint64 public constant MAX_PAUSE = 21 days;

    /// @notice How long there is no pause afterwards, in seconds.
    uint64 public constant PAUSE_REST = 7 days;

    uint40 private _pausedSince;
    uint40 private _pausedUntil;
    mapping(bytes4 kind => mapping(bytes32 requestId => bool)) private _executed;

    /// @dev Lets a request through once for each kind of function. If it reverts, the request is as unused as before.
    modifier once(bytes32 requestId) {
        mapping(bytes32 => bool) storage ofKind = _executed[_kind(msg.sig)];
        if (ofKind[requestId]) revert RequestAlreadyExecuted(requestId);
        ofKind[requestId] = true;
        _;
    }

    modifier whenNotPaused() {
        if (block.timestamp < _pausedUntil) revert EnforcedPause(_pausedUntil);
        _;
    }

    /// @notice Stops everything that moves or takes stake, until `until`; or prolongs the pause that is on.
    function pause(bytes32 requestId, uint64 until) external restricted {
        uint64 time = uint64(block.timestamp);
        uint64 latest = _pausedSince + MAX_PAUSE;
        if (_pausedSince == 0 || time >= latest + PAUSE_REST) {
            _pausedSince = uint40(time);
            latest = time + MAX_PAUSE;
        } else if (time >= latest) {
            revert PauseTooSoon(latest + PAUSE_REST);
        }
        uint64 after_ = time < _pausedUntil ? _pausedUntil : time;
        if (until <= after_ || until > latest) revert InvalidPauseEnd(until, latest);
        _pausedUntil = uint40(until);
        emit Paused(requestId, until);
    }

    /// @notice Ends the pause now. Within {MAX_PAUSE} of the first one's beginning there may be another at once.
    function unpause(bytes32 requestId) external restricted {
        if (block.timestamp >= _pausedUntil) revert ExpectedPause();
        _pausedUntil = uint40(block.timestamp);
        emit Unpaused(requestId);
    }

    /// @notice When the first pause began from which {MAX_PAUSE} count, and when the last one ends or ended; zeros if there
    /// never was one.
    function pausedBetween() external view returns (uint64 since, uint64 until) {
        return (_pausedSince, _pausedUntil);
    }

    /// @notice Whether there is a pause in this block.
    function paused() external view returns (bool) {
        return block.timestamp < _pausedUntil;
    }

    /// @notice Whether this request was executed by this function. A slash is marked under its evidence instead, and pauses
    /// nowhere.
    function executed(bytes4 selector, bytes32 requestId) external view returns (bool) {
        return _executed[_kind(selector)][requestId];
    }

    /// @dev Functions of one kind share their request ids.
    function _kind(bytes4 selector) internal pure virtual returns (bytes4) {
        return selector;
    }
}
