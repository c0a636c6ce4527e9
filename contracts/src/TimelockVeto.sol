// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title The canceller of a TimelockController, on behalf of whoever has the veto in the AccessManager
/// @notice A TimelockController keeps its own list of cancellers, which only the timelock itself can change, and whose
/// change the cancellers can cancel. With this contract as the only canceller there is one veto role: replacing its
/// members in the AccessManager replaces them here too, and no veto can prevent it.
///
/// Storage: AccessManaged's slot 0 only.
contract TimelockVeto is AccessManaged {
    /// @notice The operation was cancelled, by this request.
    event Vetoed(bytes32 indexed requestId, bytes32 indexed operationId);

    /// @notice The timelock whose operations can be cancelled.
    TimelockController public immutable TIMELOCK;

    /// @notice Serves one timelock, which has to make this contract a canceller.
    constructor(address authority_, TimelockController timelock) AccessManaged(authority_) {
        TIMELOCK = timelock;
    }

    /// @notice Cancels an operation that is scheduled and not executed.
    /// @dev Source: OpenZeppelin, TimelockController.cancel, which reverts if there is nothing to cancel.
    function cancel(bytes32 requestId, bytes32 operationId) external restricted {
        TIMELOCK.cancel(operationId);
        emit Vetoed(requestId, operationId);
    }
}
