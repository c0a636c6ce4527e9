// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAllocationManager} from "./interfaces/IAllocationManager.sol";
import {SlashGate} from "./SlashGate.sol";
import {Treasury} from "./Treasury.sol";

/// @title Creates gates and treasuries, for whoever asks
/// @notice Has no state, no owner and no arguments: one deployment serves a chain, as the verifier does. It exists since
/// the code of everything that an Authority deploys does not fit into one transaction's (EIP-3860: 49,152 bytes).
/// The salt is the caller, so that nobody can be in an Authority's way.
contract GuardFactory {
    /// @notice Creates a gate under `authority`, at an address that follows from the caller and the arguments.
    function newSlashGate(address authority, IAllocationManager allocationManager) external returns (SlashGate) {
        return new SlashGate{salt: _salt()}(authority, allocationManager);
    }

    /// @notice Creates a treasury under `authority`, at an address that follows from the caller and the argument.
    function newTreasury(address authority) external returns (Treasury) {
        return new Treasury{salt: _salt()}(authority);
    }

    function _salt() private view returns (bytes32) {
        return bytes32(uint256(uint160(msg.sender)));
    }
}
