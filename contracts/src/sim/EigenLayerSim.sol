// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {SimModel} from "./EigenLayerTypes.sol";
import {AllocationSim} from "./AllocationSim.sol";
import {OperatorSetSim} from "./OperatorSetSim.sol";
import {ShareSim} from "./ShareSim.sol";

/// @title A simulation of the part of EigenLayer that slashing touches, for tests
/// @notice THIS IS NOT EIGENLAYER, and passing tests against it is not passing tests against EigenLayer. It is written
/// from the core's published behaviour (v1.5 to v1.13): same selectors, errors, events, order of checks and rounding,
/// where those are known. One contract plays AllocationManager, StrategyManager, DelegationManager and
/// PermissionController, which are four contracts in reality.
///
/// Left out: stakers, delegation, withdrawals (and so the slashing of queued ones), native ETH, rewards, proxies,
/// clearDeallocationQueue, changes of an operator's allocation delay, and everything else that is not here.
/// Functions that begin with `sim` do not exist in EigenLayer. Anyone may call them.
contract EigenLayerSim is AllocationSim {
    /// @notice Sets the delays, in blocks, and the model. On mainnet they are 100,800, 126,000 and 50,400.
    /// @param deallocationDelay How long deallocated stake and deregistered operators stay slashable.
    /// @param slasherConfigurationDelay How long a new slasher waits. Without meaning under the appointee model.
    /// @param slashResolutionDelay How long a slash waits for its clear; 0 plays a core before v1.13, which has neither
    /// the delay nor its functions nor the pause of clearing.
    /// @param model 0: up to v1.8.1, appointees of the service slash. 1: from v1.9 on, the set's slasher does.
    constructor(
        uint32 deallocationDelay,
        uint32 slasherConfigurationDelay,
        uint32 slashResolutionDelay,
        SimModel model
    )
        OperatorSetSim(slasherConfigurationDelay, model)
        ShareSim(slashResolutionDelay)
        AllocationSim(deallocationDelay)
    {}
}
