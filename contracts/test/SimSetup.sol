// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {EigenLayerSim} from "../src/sim/EigenLayerSim.sol";
import {IAllocationManagerTypes, IEigenLayerErrors, IStrategy, OperatorSet, SimModel} from "../src/sim/EigenLayerTypes.sol";
import {TestToken} from "../src/sim/TestToken.sol";
import {Vm, TestBase} from "./Vm.sol";

/// @dev One service with a redistributing set of two strategies, and one operator with 1000 tokens in each of them,
/// half of which it allocates to the set.
abstract contract SimSetup is TestBase, IAllocationManagerTypes, IEigenLayerErrors {
    uint32 internal constant DEALLOCATION = 100;
    uint32 internal constant CONFIGURATION = 126;
    uint32 internal constant RESOLUTION = 50;
    uint32 internal constant SET = 7;
    uint256 internal constant DEPOSIT = 1000e18;

    address internal constant AVS = address(0xA5);
    address internal constant OPERATOR = address(0x09);
    address internal constant SLASHER = address(0x51A54);
    address internal constant RECIPIENT = address(0x4EC1);
    address internal constant STRANGER = address(0x57A);
    IStrategy internal constant S1 = IStrategy(address(0x1001));
    IStrategy internal constant S2 = IStrategy(address(0x1002));
    IStrategy internal constant S3 = IStrategy(address(0x1003));

    EigenLayerSim internal sim;
    TestToken internal token1 = new TestToken("One", "ONE");
    TestToken internal token2 = new TestToken("Two", "TWO");

    function build(uint32 resolution, SimModel model) internal {
        vm.roll(1_000);
        sim = new EigenLayerSim(DEALLOCATION, CONFIGURATION, resolution, model);
        sim.simSetToken(S1, token1);
        sim.simSetToken(S2, token2);
        vm.prank(AVS);
        sim.updateAVSMetadataURI(AVS, "ipfs://service");
        createSet(SET, RECIPIENT);
        vm.prank(OPERATOR);
        sim.registerAsOperator(address(0), 0, "ipfs://operator");
        deposit(S1, token1);
        deposit(S2, token2);
        allocate(S1, 0.5e18);
        allocate(S2, 0.5e18);
    }

    function buildCurrent() internal {
        build(RESOLUTION, SimModel.SlasherFromV1_9);
    }

    function deposit(IStrategy strategy, TestToken token) internal {
        token.mint(address(this), DEPOSIT);
        token.approve(address(sim), DEPOSIT);
        sim.simDeposit(OPERATOR, strategy, DEPOSIT);
    }

    /// @dev The form that every model has; the service becomes the slasher, and hands over where there is one.
    function createSet(uint32 id, address recipient) internal {
        if (sim.simModel() == SimModel.AppointeeUpToV1_8_1) {
            CreateSetParams[] memory old = new CreateSetParams[](1);
            old[0] = CreateSetParams(id, both());
            vm.prank(AVS);
            if (recipient == address(0)) sim.createOperatorSets(AVS, old);
            else sim.createRedistributingOperatorSets(AVS, old, addresses(recipient));
        } else {
            CreateSetParamsV2[] memory v2 = new CreateSetParamsV2[](1);
            v2[0] = CreateSetParamsV2(id, both(), SLASHER);
            vm.prank(AVS);
            if (recipient == address(0)) sim.createOperatorSets(AVS, v2);
            else sim.createRedistributingOperatorSets(AVS, v2, addresses(recipient));
        }
    }

    function register(uint32 id) internal {
        RegisterParams memory params = RegisterParams(AVS, ids(id), "");
        vm.prank(OPERATOR);
        sim.registerForOperatorSets(OPERATOR, params);
    }

    function deregister(uint32 id) internal {
        DeregisterParams memory params = DeregisterParams(OPERATOR, AVS, ids(id));
        vm.prank(OPERATOR);
        sim.deregisterFromOperatorSets(params);
    }

    function allocation(uint32 id, IStrategy strategy, uint64 magnitude)
        internal
        pure
        returns (AllocateParams[] memory params)
    {
        params = new AllocateParams[](1);
        uint64[] memory magnitudes = new uint64[](1);
        magnitudes[0] = magnitude;
        params[0] = AllocateParams(OperatorSet(AVS, id), one(strategy), magnitudes);
    }

    function allocate(IStrategy strategy, uint64 magnitude) internal {
        AllocateParams[] memory params = allocation(SET, strategy, magnitude);
        vm.prank(OPERATOR);
        sim.modifyAllocations(OPERATOR, params);
    }

    function set() internal pure returns (OperatorSet memory) {
        return OperatorSet(AVS, SET);
    }

    function slash(IStrategy[] memory strategies, uint256[] memory wads) internal returns (uint256, uint256[] memory) {
        SlashingParams memory params = SlashingParams(OPERATOR, SET, strategies, wads, "evidence");
        vm.prank(SLASHER);
        return sim.slashOperator(AVS, params);
    }

    function same(IStrategy a, IStrategy b) internal pure returns (bool) {
        return address(a) == address(b);
    }

    function expectError(bytes4 selector) internal {
        vm.expectRevert(abi.encodePacked(selector));
    }

    function one(IStrategy a) internal pure returns (IStrategy[] memory list) {
        list = new IStrategy[](1);
        list[0] = a;
    }

    function two(IStrategy a, IStrategy b) internal pure returns (IStrategy[] memory list) {
        list = new IStrategy[](2);
        (list[0], list[1]) = (a, b);
    }

    function both() internal pure returns (IStrategy[] memory) {
        return two(S1, S2);
    }

    function wads1(uint256 a) internal pure returns (uint256[] memory list) {
        list = new uint256[](1);
        list[0] = a;
    }

    function wads2(uint256 a, uint256 b) internal pure returns (uint256[] memory list) {
        list = new uint256[](2);
        (list[0], list[1]) = (a, b);
    }

    function ids(uint32 id) internal pure returns (uint32[] memory list) {
        list = new uint32[](1);
        list[0] = id;
    }

    function addresses(address a) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = a;
    }

    /// @dev The last log with this topic, which must exist.
    function lastLog(bytes32 topic) internal returns (Vm.Log memory found) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == topic) found = logs[i];
        }
        check(found.topics.length == 1, "logged, with no indexed parameter");
    }

    /// @dev Whether a call meets what an unknown selector meets: a revert without any reason.
    function isAbsent(bytes memory call) internal returns (bool) {
        (bool ok, bytes memory answer) = address(sim).call(call);
        return !ok && answer.length == 0;
    }
}
