// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {EigenLayerSim} from "../src/sim/EigenLayerSim.sol";
import {
    IAllocationManagerTypes,
    IEigenLayerErrors,
    IEigenLayerEvents,
    IStrategy,
    OperatorSet,
    SimModel
} from "../src/sim/EigenLayerTypes.sol";
import {TestBase} from "./Vm.sol";

/// @dev The simulation's selectors, topics and call data against values made from the core's compiled contracts.
contract EigenLayerAbiTest is TestBase {
    address private constant AVS = 0x1111111111111111111111111111111111111111;
    address private constant OPERATOR = 0x2222222222222222222222222222222222222222;
    IStrategy private constant STRATEGY_A = IStrategy(0x3333333333333333333333333333333333333333);
    IStrategy private constant STRATEGY_B = IStrategy(0x4444444444444444444444444444444444444444);
    address private constant SLASHER = 0x5555555555555555555555555555555555555555;
    address private constant RECIPIENT = 0x6666666666666666666666666666666666666666;

    EigenLayerSim private sim = new EigenLayerSim(10, 20, 30, SimModel.SlasherFromV1_9);

    /// @dev An existing function answers an empty argument list with a failed decoding or a custom error, an unknown
    /// selector with nothing at all; so overloads are probed by calling them with well-formed arguments below.
    function testSelectors() external view {
        check(sim.slashOperator.selector == bytes4(0x36352057), "slashOperator");
        check(sim.updateSlasher.selector == bytes4(0x6c9d7c58), "updateSlasher");
        check(sim.migrateSlashers.selector == bytes4(0x957dc50b), "migrateSlashers");
        check(sim.getSlasher.selector == bytes4(0xd4a3fcce), "getSlasher");
        check(sim.getPendingSlasher.selector == bytes4(0xd7794857), "getPendingSlasher");
        check(sim.getSlashCount.selector == bytes4(0x4cfd2939), "getSlashCount");
        check(sim.isRedistributingOperatorSet.selector == bytes4(0xf231bd08), "isRedistributingOperatorSet");
        check(sim.getRedistributionRecipient.selector == bytes4(0x0f3df50e), "getRedistributionRecipient");
        check(sim.isOperatorSlashable.selector == bytes4(0x1352c3e6), "isOperatorSlashable");
        check(sim.getAllocation.selector == bytes4(0x10e1b9b8), "getAllocation");
        check(sim.getMaxMagnitude.selector == bytes4(0xa9333ec8), "getMaxMagnitude");
        check(sim.registerForOperatorSets.selector == bytes4(0xadc2e3d9), "registerForOperatorSets");
        check(sim.deregisterFromOperatorSets.selector == bytes4(0x6e3492b5), "deregisterFromOperatorSets");
        check(sim.modifyAllocations.selector == bytes4(0x952899ee), "modifyAllocations");
        check(sim.updateAVSMetadataURI.selector == bytes4(0xa9821821), "updateAVSMetadataURI");
        check(sim.setAVSRegistrar.selector == bytes4(0xd3d96ff4), "setAVSRegistrar");
        check(sim.addStrategiesToOperatorSet.selector == bytes4(0x50feea20), "addStrategiesToOperatorSet");
        check(sim.removeStrategiesFromOperatorSet.selector == bytes4(0xb66bd989), "removeStrategiesFromOperatorSet");
        check(sim.clearBurnOrRedistributableShares.selector == bytes4(0x88c10299), "clear");
        check(sim.clearBurnOrRedistributableSharesByStrategy.selector == bytes4(0x2d44def6), "clear by strategy");
        check(sim.getPendingSlashIds.selector == bytes4(0x7def1564), "getPendingSlashIds");
        check(sim.getSlashResolutionBlock.selector == bytes4(0x4b3262f7), "getSlashResolutionBlock");
        check(sim.SLASH_RESOLUTION_DELAY_BLOCKS.selector == bytes4(0x07a79355), "SLASH_RESOLUTION_DELAY_BLOCKS");
        check(sim.setAppointee.selector == bytes4(0x950d806e), "setAppointee");
        check(sim.removeAppointee.selector == bytes4(0x06641201), "removeAppointee");
        check(sim.canCall.selector == bytes4(0xdf595cb8), "canCall");
        check(sim.addPendingAdmin.selector == bytes4(0xeb5a4e87), "addPendingAdmin");
        check(sim.acceptAdmin.selector == bytes4(0x628806ef), "acceptAdmin");
        check(sim.removeAdmin.selector == bytes4(0x268959e5), "removeAdmin");
    }

    /// @dev Overloads have no `.selector`: each is called raw, and must answer other than an unknown selector does.
    function testOverloadedSelectors() external {
        bytes memory set = abi.encode(OperatorSet(AVS, 7), uint256(1), STRATEGY_A);
        check(exists(0x31f8fb4c, set), "getBurnOrRedistributableShares");
        check(exists(0x76fb162b, set), "getBurnOrRedistributableShares of a strategy");
        bytes memory create = abi.encode(AVS, uint256(0x60), uint256(0x80), uint256(0), uint256(0));
        check(exists(0xd1a83f54, create), "createRedistributingOperatorSets V2");
        check(exists(0x32a879e4, create), "createRedistributingOperatorSets");
        check(exists(0x3dff8e7d, create), "createOperatorSets V2");
        check(exists(0x261f84e0, create), "createOperatorSets");
        check(!exists(0x12345678, create), "unknown selector");
    }

    function exists(bytes4 selector, bytes memory arguments) private returns (bool) {
        (bool ok, bytes memory answer) = address(sim).call(abi.encodePacked(selector, arguments));
        return ok || answer.length >= 4;
    }

    function testErrors() external pure {
        check(IEigenLayerErrors.InvalidCaller.selector == bytes4(0x48f5c3ed), "InvalidCaller");
        check(IEigenLayerErrors.InvalidPermissions.selector == bytes4(0x932d94f7), "InvalidPermissions");
        check(IEigenLayerErrors.InvalidWadToSlash.selector == bytes4(0x13536031), "InvalidWadToSlash");
        check(IEigenLayerErrors.InputArrayLengthMismatch.selector == bytes4(0x43714afd), "InputArrayLengthMismatch");
        check(IEigenLayerErrors.StrategiesMustBeInAscendingOrder.selector == bytes4(0x9f1c8053), "ascending order");
        check(IEigenLayerErrors.StrategyNotInOperatorSet.selector == bytes4(0x6378684e), "StrategyNotInOperatorSet");
        check(IEigenLayerErrors.OperatorNotSlashable.selector == bytes4(0xebbff497), "OperatorNotSlashable");
        check(IEigenLayerErrors.InvalidOperatorSet.selector == bytes4(0x7ec5c154), "InvalidOperatorSet");
        check(IEigenLayerErrors.InvalidRedistributionRecipient.selector == bytes4(0xc97c347e), "invalid recipient");
        check(IEigenLayerErrors.InputAddressZero.selector == bytes4(0x73632176), "InputAddressZero");
        check(IEigenLayerErrors.InvalidStrategy.selector == bytes4(0x4e236e9a), "InvalidStrategy");
        check(IEigenLayerErrors.CurrentlyPaused.selector == bytes4(0x840a48d5), "CurrentlyPaused");
        check(IEigenLayerErrors.SlashResolutionDelayNotElapsed.selector == bytes4(0x06f6f070), "delay not elapsed");
        check(IEigenLayerErrors.NotAdmin.selector == bytes4(0x7bfa4b9f), "NotAdmin");
    }

    function testTopics() external pure {
        checkEq(
            IEigenLayerEvents.OperatorSlashed.selector,
            0x80969ad29428d6797ee7aad084f9e4a42a82fc506dcd2ca3b6fb431f85ccebe5,
            "OperatorSlashed"
        );
        checkEq(
            IEigenLayerEvents.SlasherUpdated.selector,
            0x3873f29d7a65a4d75f5ba28909172f486216a1420e77c3c2720815951a6b4f57,
            "SlasherUpdated"
        );
        checkEq(
            IEigenLayerEvents.RedistributionAddressSet.selector,
            0x90a6fa2a9b79b910872ebca540cf3bd8be827f586e6420c30d8836e30012907e,
            "RedistributionAddressSet"
        );
        checkEq(
            IEigenLayerEvents.BurnOrRedistributableSharesIncreased.selector,
            0x5f5209798bbac45a16d2dc3bc67319fab26ee00153916d6f07b69f8a134a1e8b,
            "BurnOrRedistributableSharesIncreased"
        );
        checkEq(
            IEigenLayerEvents.BurnOrRedistributableSharesDecreased.selector,
            0xe6413aa0c789e437b0a06bf64b20926584f066c79a2d8b80a759c85472f7b0af,
            "BurnOrRedistributableSharesDecreased"
        );
        checkEq(
            IEigenLayerEvents.SlashResolutionBlockSet.selector,
            0xa8fd1473d1b9b7b4c9033ecb92a0f6e43f107aec7720ede3709521d122f89fa5,
            "SlashResolutionBlockSet"
        );
        checkEq(
            IEigenLayerEvents.AppointeeSet.selector,
            0x037f03a2ad6b967df4a01779b6d2b4c85950df83925d9e31362b519422fc0169,
            "AppointeeSet"
        );
        checkEq(
            IEigenLayerEvents.AdminSet.selector,
            0xbf265e8326285a2747e33e54d5945f7111f2b5edb826eb8c08d4677779b3ff97,
            "AdminSet"
        );
    }

    function strategies(uint256 length) private pure returns (IStrategy[] memory list) {
        list = new IStrategy[](length);
        if (length > 0) list[0] = STRATEGY_A;
        if (length > 1) list[1] = STRATEGY_B;
    }

    function testV1SlashOperator() external view {
        uint256[] memory wads = new uint256[](2);
        (wads[0], wads[1]) = (0.25e18, 1e18);
        bytes memory call = abi.encodeCall(
            sim.slashOperator,
            (
                AVS,
                IAllocationManagerTypes.SlashingParams(
                    OPERATOR, 7, strategies(2), wads, "evidence:bafkreigh2akiscaildc"
                )
            )
        );
        checkEq(call.length, 484, "length");
        checkEq(keccak256(call), 0xf57605d87713bedb3ea6ea8c68a90ed3840961cfe64b7ce6857a98abaf7f51ef, "V1");
    }

    function testV2SlashOperator() external view {
        uint256[] memory wads = new uint256[](1);
        wads[0] = 1;
        bytes memory call = abi.encodeCall(
            sim.slashOperator, (AVS, IAllocationManagerTypes.SlashingParams(OPERATOR, 0, strategies(1), wads, ""))
        );
        checkEq(keccak256(call), 0xae3c2c9560b6a7cbb44195d7435aee48ed2b6212967657f72bc76e34f686dd02, "V2");
    }

    function testV3Clear() external view {
        bytes memory call = abi.encodeCall(sim.clearBurnOrRedistributableShares, (OperatorSet(AVS, 7), 1));
        checkEq(keccak256(call), 0xfe8acb6acb14377ce4cf04ffa93ecb30ec52656d5c2753eb9783f3338537da72, "V3");
    }

    function testV4CreateRedistributing() external pure {
        IAllocationManagerTypes.CreateSetParamsV2[] memory params = new IAllocationManagerTypes.CreateSetParamsV2[](1);
        params[0] = IAllocationManagerTypes.CreateSetParamsV2(7, strategies(1), SLASHER);
        address[] memory recipients = new address[](1);
        recipients[0] = RECIPIENT;
        bytes memory call = abi.encodeWithSelector(0xd1a83f54, AVS, params, recipients);
        checkEq(keccak256(call), 0x738ef835c6ca655df6c9cac62fac4f2cb0134621baa2163b01464daca90cd353, "V4");
    }

    function testV5UpdateSlasher() external view {
        bytes memory call = abi.encodeCall(sim.updateSlasher, (OperatorSet(AVS, 7), SLASHER));
        checkEq(keccak256(call), 0xb913127b64fe8177b18e90dac7f3c145f597735659621e143b25430aa267ee58, "V5");
    }
}
