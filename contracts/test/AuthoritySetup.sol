// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {Authority} from "../src/Authority.sol";
import {GuardFactory} from "../src/GuardFactory.sol";
import {IAllocationManager} from "../src/interfaces/IAllocationManager.sol";
import {IStrategy, OperatorSet, SimModel} from "../src/sim/EigenLayerTypes.sol";
import {SlashGate} from "../src/SlashGate.sol";
import {TimelockVeto} from "../src/TimelockVeto.sol";
import {Treasury} from "../src/Treasury.sol";
import {Clock} from "./GateSetup.sol";

/// @dev The whole authority over a simulated service, with the delays that are recommended.
abstract contract AuthoritySetup is Clock {
    uint32 internal constant SLASH_DELAY = 3 days;
    uint32 internal constant TREASURY_DELAY = 2 days;
    uint32 internal constant LARGE_DELAY = 7 days;
    uint32 internal constant GOVERNANCE_DELAY = 7 days;
    uint32 internal constant TIMELOCK_DELAY = 17.5 days;
    uint32 internal constant HANDOVER_DELAY = 28 days;
    uint32 internal constant RECOVERY_DELAY = 28 days;
    uint32 internal constant REDISTRIBUTING_SET = 8;
    address internal constant PAYEE = address(0xbee);

    // Who holds the roles: plain addresses, unless a test puts accounts here before it deploys.
    address internal slashAccount = address(0x51A);
    address internal treasuryAccount = address(0x72EA);
    address internal governanceAccount = address(0x60);
    address internal vetoer = address(0xBE70);
    address internal vetoSafe = address(0xBE70 + 1);

    GuardFactory internal factory = new GuardFactory();
    Authority internal authority;
    AccessManager internal manager;
    TimelockController internal timelock;
    TimelockVeto internal timelockVeto;
    SlashGate internal gate;
    Treasury internal treasury;
    uint256 private _lastId;

    function members() internal view returns (Authority.Members memory) {
        address[] memory vetoers = new address[](2);
        (vetoers[0], vetoers[1]) = (vetoer, vetoSafe);
        return Authority.Members(slashAccount, treasuryAccount, governanceAccount, vetoers);
    }

    function delays() internal pure returns (Authority.Delays memory) {
        return Authority.Delays(
            SLASH_DELAY,
            TREASURY_DELAY,
            LARGE_DELAY,
            GOVERNANCE_DELAY,
            TIMELOCK_DELAY,
            HANDOVER_DELAY,
            RECOVERY_DELAY
        );
    }

    function limits() internal pure returns (SlashGate.Limits memory) {
        return SlashGate.Limits(0.01e18, 0.1e18, 0.2e18, 0.3e18, 30 days, 1 days);
    }

    function deployAuthority(Authority.Members memory m, Authority.Delays memory d) internal returns (Authority) {
        Authority.PinnedSet[] memory sets = new Authority.PinnedSet[](2);
        sets[0] = Authority.PinnedSet(AVS, SET, limits());
        sets[1] = Authority.PinnedSet(AVS, REDISTRIBUTING_SET, limits());
        Authority.ListedPayee[] memory payees = new Authority.ListedPayee[](2);
        payees[0] = Authority.ListedPayee(address(token1), PAYEE, Treasury.Terms(10e18, 100e18, 30 days));
        payees[1] = Authority.ListedPayee(address(0), PAYEE, Treasury.Terms(1 ether, 10 ether, 30 days));
        return new Authority(factory, IAllocationManager(address(sim)), m, d, sets, payees);
    }

    function buildAuthority(uint32 resolution, SimModel model) internal {
        build(resolution, model);
        startClock();
        register(SET);
        authority = deployAuthority(members(), delays());
        manager = authority.MANAGER();
        timelock = authority.TIMELOCK();
        timelockVeto = authority.TIMELOCK_VETO();
        gate = authority.SLASH_GATE();
        treasury = authority.TREASURY_CONTRACT();
        if (model == SimModel.AppointeeUpToV1_8_1) {
            vm.prank(AVS);
            sim.setAppointee(AVS, address(gate), address(sim), sim.slashOperator.selector);
        } else {
            vm.prank(AVS);
            sim.updateSlasher(set(), address(gate));
            vm.roll(1_000 + CONFIGURATION);
        }
        vm.prank(AVS);
        sim.addPendingAdmin(AVS, address(timelock));
    }

    function newId() internal returns (bytes32) {
        return bytes32(1_000 + ++_lastId);
    }

    function slashData(bytes32 id) internal pure returns (bytes memory) {
        SlashingParams memory params = SlashingParams(OPERATOR, SET, one(S1), wads1(0.1e18), "evidence");
        return abi.encodeCall(SlashGate.slash, (id, keccak256(abi.encode(id)), AVS, params));
    }

    function payData(bytes32 id, uint256 amount) internal view returns (bytes memory) {
        return abi.encodeCall(Treasury.pay, (id, address(token1), PAYEE, amount));
    }

    // AccessManager

    function schedule(address who, address target, bytes memory data) internal {
        vm.prank(who);
        manager.schedule(target, data, 0);
    }

    function execute(address who, address target, bytes memory data) internal {
        vm.prank(who);
        manager.execute(target, data);
    }

    function perform(address who, address target, bytes memory data, uint256 delay) internal {
        schedule(who, target, data);
        skip(delay);
        execute(who, target, data);
    }

    function expectExecuteRefused(address who, address target, bytes memory data, bytes4 reason) internal {
        bytes32 id = manager.hashOperation(who, target, data);
        vm.expectRevert(abi.encodeWithSelector(reason, id));
        vm.prank(who);
        manager.execute(target, data);
    }

    function cancel(address by, address who, address target, bytes memory data) internal {
        vm.prank(by);
        manager.cancel(who, target, data);
    }

    // Timelock

    function propose(address target, bytes memory data) internal returns (bytes32) {
        vm.prank(governanceAccount);
        timelock.schedule(target, 0, data, 0, 0, TIMELOCK_DELAY);
        return timelock.hashOperation(target, 0, data, 0, 0);
    }

    /// @dev By whoever likes to.
    function enact(address target, bytes memory data) internal {
        vm.prank(STRANGER);
        timelock.execute(target, 0, data, 0, 0);
    }

    function decree(address target, bytes memory data) internal {
        propose(target, data);
        skip(TIMELOCK_DELAY);
        enact(target, data);
    }

    function grantData(uint64 role, address who, uint32 delay) internal pure returns (bytes memory) {
        return abi.encodeCall(AccessManager.grantRole, (role, who, delay));
    }

    function revokeData(uint64 role, address who) internal pure returns (bytes memory) {
        return abi.encodeCall(AccessManager.revokeRole, (role, who));
    }

    function holds(uint64 role, address who) internal view returns (bool member) {
        (member,) = manager.hasRole(role, who);
    }
}
