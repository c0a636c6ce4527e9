// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

/// @title What SlashGate and Treasury share: an authority, request ids, and a pause that ends by itself
/// @notice Every restricted function takes a request id first. Two operations that differ in nothing else have
/// different calldata by it, hence different ids in the AccessManager, and cancelling one does not touch the other.
///
/// A pause is bounded twice, so that whoever may pause cannot hold the contract for ransom: it lasts at most
/// {MAX_PAUSE} from its beginning, however often it is prolonged, and after its end, early or not, {PAUSE_REST} has to
/// pass before the next. MAX_PAUSE is longer than the 17.5 days that governance needs to take a role away, so a key that
/// was stolen can be stopped until it is powerless.
///
/// Storage: slot 0 holds AccessManaged's authority (bytes 0 to 19) and its flag (byte 20), then _pausedSince (21 to 25)
/// and _pausedUntil (26 to 30), so that one read serves both checks. Slot 1 is _executed.
abstract contract Guarded is AccessManaged {
    /// @notice Paused until this time (exclusive), by this request.
    event Paused(bytes32 indexed requestId, uint64 until);

    /// @notice The pause was ended early, by this request.
    event Unpaused(bytes32 indexed requestId);

    /// @notice The request was executed before.
    error RequestAlreadyExecuted(bytes32 requestId);

    /// @notice Paused until this time (exclusive).
    error EnforcedPause(uint64 until);

    /// @notice There is no pause to end.
    error ExpectedPause();

    /// @notice A pause has to end after now, later than the one it prolongs, and at `latest` at the latest.
    error InvalidPauseEnd(uint64 until, uint64 latest);

    /// @notice The last pause ended too short a time ago.
    error PauseTooSoon(uint64 earliest);

    /// @notice The longest pause, from its beginning, in seconds.
    uint64 public constant MAX_PAUSE = 21 days;

    /// @notice How long after a pause the next one may begin, in seconds.
    uint64 public constant PAUSE_REST = 7 days;

    uint40 private _pausedSince;
    uint40 private _pausedUntil;
    mapping(bytes32 requestId => bool) private _executed;

    /// @dev Lets a request through once. If the function reverts, the request is as unused as before.
    modifier once(bytes32 requestId) {
        if (_executed[requestId]) revert RequestAlreadyExecuted(requestId);
        _executed[requestId] = true;
        _;
    }

    modifier whenNotPaused() {
        if (block.timestamp < _pausedUntil) revert EnforcedPause(_pausedUntil);
        _;
    }

    /// @notice Stops everything that moves or takes stake, until `until`; or prolongs the pause that is on.
    function pause(bytes32 requestId, uint64 until) external restricted once(requestId) {
        uint64 earliest = block.timestamp < _pausedUntil ? _pausedUntil + 1 : uint64(block.timestamp) + 1;
        if (block.timestamp >= _pausedUntil) {
            if (_pausedUntil != 0 && block.timestamp < _pausedUntil + PAUSE_REST) {
                revert PauseTooSoon(_pausedUntil + PAUSE_REST);
            }
            _pausedSince = uint40(block.timestamp);
        }
        uint64 latest = _pausedSince + MAX_PAUSE;
        if (until < earliest || until > latest) revert InvalidPauseEnd(until, latest);
        _pausedUntil = uint40(until);
        emit Paused(requestId, until);
    }

    /// @notice Ends the pause now. The rest before the next one begins now, too.
    function unpause(bytes32 requestId) external restricted once(requestId) {
        if (block.timestamp >= _pausedUntil) revert ExpectedPause();
        _pausedUntil = uint40(block.timestamp);
        emit Unpaused(requestId);
    }

    /// @notice When the current pause, or else the last one, began and ends or ended; zeros if there never was one.
    function pausedBetween() external view returns (uint64 since, uint64 until) {
        return (_pausedSince, _pausedUntil);
    }

    /// @notice Whether there is a pause in this block.
    function paused() external view returns (bool) {
        return block.timestamp < _pausedUntil;
    }

    /// @notice Whether this request was executed. A slash is marked under its evidence instead.
    function executed(bytes32 requestId) external view returns (bool) {
        return _executed[requestId];
    }
}
