// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";
import {Authority} from "../src/Authority.sol";
import {Guarded} from "../src/lib/Guarded.sol";
import {SimModel} from "../src/sim/EigenLayerTypes.sol";
import {SlashGate} from "../src/SlashGate.sol";
import {TimelockVeto} from "../src/TimelockVeto.sol";
import {Treasury} from "../src/Treasury.sol";
import {AuthoritySetup} from "./AuthoritySetup.sol";

/// @dev Who may do what after the one transaction that deploys everything, how long it takes, and who stops it.
contract AuthorityTest is AuthoritySetup {
    bytes4 private constant NOT_READY = IAccessManager.AccessManagerNotReady.selector;
    bytes4 private constant NOT_SCHEDULED = IAccessManager.AccessManagerNotScheduled.selector;
    bytes4 private constant EXPIRED = IAccessManager.AccessManagerExpired.selector;

    function setUp() external {
        buildAuthority(RESOLUTION, SimModel.SlasherFromV1_9);
        token1.mint(address(treasury), 1_000e18);
    }

    // Wiring

    function expectMember(uint64 role, address who, uint32 delay) private view {
        (bool member, uint32 actual) = manager.hasRole(role, who);
        check(member, "member");
        checkEq(actual, delay, "delay");
    }

    function testRolesDelaysAndGuardians() external view {
        expectMember(0, address(timelock), 0);
        expectMember(1, slashAccount, 3 days);
        expectMember(2, treasuryAccount, 2 days);
        expectMember(3, treasuryAccount, 7 days);
        expectMember(4, vetoer, 0);
        expectMember(4, vetoSafe, 0);
        expectMember(5, governanceAccount, 7 days);
        expectMember(6, governanceAccount, 28 days);
        expectMember(7, governanceAccount, 28 days);
        for (uint64 role = 1; role <= 7; ++role) {
            checkEq(manager.getRoleAdmin(role), role == 4 ? 6 : 0, "admin role");
            checkEq(manager.getRoleGuardian(role), role == 4 || role == 6 ? 0 : 4, "guardian");
            check(!holds(role, address(authority)) && !holds(role, address(timelock)), "no more members");
        }
        check(!holds(0, address(authority)) && !holds(0, address(this)), "no admin left over");
    }

    function testFunctionsOfRoles() external view {
        checkEq(manager.getTargetFunctionRole(address(gate), SlashGate.slash.selector), 1, "slash");
        checkEq(manager.getTargetFunctionRole(address(gate), SlashGate.setLimits.selector), 0, "setLimits");
        checkEq(manager.getTargetFunctionRole(address(gate), SlashGate.tightenLimits.selector), 5, "tightenLimits");
        checkEq(manager.getTargetFunctionRole(address(gate), SlashGate.unpin.selector), 5, "unpin");
        checkEq(manager.getTargetFunctionRole(address(gate), Guarded.pause.selector), 4, "gate's pause");
        checkEq(manager.getTargetFunctionRole(address(gate), Guarded.unpause.selector), 4, "gate's unpause");
        checkEq(manager.getTargetFunctionRole(address(treasury), Treasury.pay.selector), 2, "pay");
        checkEq(manager.getTargetFunctionRole(address(treasury), Treasury.payLarge.selector), 3, "payLarge");
        checkEq(manager.getTargetFunctionRole(address(treasury), Treasury.setPayee.selector), 5, "setPayee");
        checkEq(manager.getTargetFunctionRole(address(treasury), Treasury.handOver.selector), 7, "handOver");
        checkEq(manager.getTargetFunctionRole(address(treasury), Guarded.pause.selector), 4, "treasury's pause");
        checkEq(manager.getTargetFunctionRole(address(treasury), Guarded.unpause.selector), 4, "treasury's unpause");
        checkEq(manager.getTargetFunctionRole(address(timelockVeto), TimelockVeto.cancel.selector), 4, "cancel");
    }

    function testTimelocksRoles() external view {
        checkEq(timelock.getMinDelay(), 17.5 days, "delay");
        check(timelock.hasRole(timelock.PROPOSER_ROLE(), governanceAccount), "proposer");
        check(!timelock.hasRole(timelock.CANCELLER_ROLE(), governanceAccount), "who does not cancel");
        check(timelock.hasRole(timelock.CANCELLER_ROLE(), address(timelockVeto)), "canceller");
        check(timelock.hasRole(timelock.EXECUTOR_ROLE(), address(0)), "anyone executes");
        check(!timelock.hasRole(timelock.DEFAULT_ADMIN_ROLE(), address(authority)), "no admin left over");
        check(timelock.hasRole(timelock.DEFAULT_ADMIN_ROLE(), address(timelock)), "but itself");
    }

    function testAddressesFollowFromTheAuthoritys() external view {
        address[3] memory parts = [address(manager), address(timelock), address(timelockVeto)];
        for (uint8 nonce = 1; nonce <= 3; ++nonce) {
            bytes32 hash = keccak256(abi.encodePacked(hex"d694", address(authority), nonce));
            checkEq(parts[nonce - 1], address(uint160(uint256(hash))), "CREATE address");
        }
        expectCreate2(address(gate), abi.encodePacked(type(SlashGate).creationCode, abi.encode(manager, sim)));
        expectCreate2(address(treasury), abi.encodePacked(type(Treasury).creationCode, abi.encode(manager)));
    }

    function expectCreate2(address actual, bytes memory code) private view {
        bytes32 salt = bytes32(uint256(uint160(address(authority))));
        bytes32 hash = keccak256(abi.encodePacked(hex"ff", address(factory), salt, keccak256(code)));
        checkEq(actual, address(uint160(uint256(hash))), "CREATE2 address");
    }

    function expectMembersRefused(Authority.Members memory m) private {
        vm.expectRevert(abi.encodePacked(Authority.InvalidMembers.selector));
        deployAuthority(m, delays());
    }

    function testMembersHaveToDiffer() external {
        Authority.Members memory m = members();
        m.slash = treasuryAccount;
        expectMembersRefused(m);
        m.slash = governanceAccount;
        expectMembersRefused(m);
        m.slash = address(0);
        expectMembersRefused(m);
        m = members();
        m.treasury = governanceAccount;
        expectMembersRefused(m);
        m.treasury = address(0);
        expectMembersRefused(m);
        m = members();
        m.governance = address(0);
        expectMembersRefused(m);
        m = members();
        m.vetoers = new address[](0);
        expectMembersRefused(m);
        address[4] memory wrong = [address(0), slashAccount, treasuryAccount, governanceAccount];
        for (uint256 i = 0; i < 4; ++i) {
            m.vetoers = addresses(wrong[i]);
            expectMembersRefused(m);
        }
    }

    function expectDelaysRefused(Authority.Delays memory d) private {
        vm.expectRevert(abi.encodePacked(Authority.InvalidDelays.selector));
        deployAuthority(members(), d);
    }

    function testDelaysAreChecked() external {
        expectDelaysRefused(Authority.Delays(0, 2, 7, 7, 17, 28, 28));
        expectDelaysRefused(Authority.Delays(3, 0, 7, 7, 17, 28, 28));
        expectDelaysRefused(Authority.Delays(3, 2, 2, 7, 17, 28, 28));
        expectDelaysRefused(Authority.Delays(3, 2, 7, 0, 17, 28, 28));
        expectDelaysRefused(Authority.Delays(3, 2, 7, 7, 0, 28, 28));
        expectDelaysRefused(Authority.Delays(3, 2, 7, 7, 17, 0, 28));
        expectDelaysRefused(Authority.Delays(29, 2, 7, 7, 17, 28, 28));
        expectDelaysRefused(Authority.Delays(3, 2, 29, 7, 17, 28, 28));
        expectDelaysRefused(Authority.Delays(3, 2, 7, 29, 17, 28, 28));
        expectDelaysRefused(Authority.Delays(3, 2, 7, 7, 29, 28, 28));
        expectDelaysRefused(Authority.Delays(3, 2, 7, 7, 17, 29, 28));
        deployAuthority(members(), Authority.Delays(1, 1, 2, 2, 2, 2, 2));
    }

    /// @dev Or a role could be in force longer than a pause.
    function testTimelocksDelayIsBelowTheLongestPause() external {
        Authority.Delays memory d = delays();
        d.timelock = 21 days;
        expectDelaysRefused(d);
        d.timelock = 21 days - 1;
        deployAuthority(members(), d);
    }

    // A slash: schedule, wait, execute; veto; expiry

    function testSlashAfterItsDelayAndNotASecondEarlier() external {
        bytes memory data = slashData(newId());
        expectExecuteRefused(slashAccount, address(gate), data, NOT_SCHEDULED);
        schedule(slashAccount, address(gate), data);
        skip(SLASH_DELAY - 1);
        expectExecuteRefused(slashAccount, address(gate), data, NOT_READY);
        skip(1);
        execute(slashAccount, address(gate), data);
        checkEq(sim.getSlashCount(set()), 1, "slashed");
        expectExecuteRefused(slashAccount, address(gate), data, NOT_SCHEDULED);
        schedule(slashAccount, address(gate), data);
        skip(SLASH_DELAY);
        bytes32 used = keccak256(abi.encode(bytes32(uint256(1_001))));
        vm.expectRevert(abi.encodeWithSelector(SlashGate.EvidenceAlreadyUsed.selector, used, bytes32(uint256(1_001))));
        vm.prank(slashAccount);
        manager.execute(address(gate), data);
    }

    function testDirectCallConsumesTheSchedule() external {
        bytes memory data = slashData(newId());
        schedule(slashAccount, address(gate), data);
        skip(SLASH_DELAY);
        vm.prank(slashAccount);
        (bool ok,) = address(gate).call(data);
        check(ok, "slashed without execute");
        expectExecuteRefused(slashAccount, address(gate), data, NOT_SCHEDULED);
    }

    function testVetoUntilTheLastSecondAndNotAfter() external {
        bytes memory first = slashData(newId());
        bytes memory second = slashData(newId());
        schedule(slashAccount, address(gate), first);
        schedule(slashAccount, address(gate), second);
        skip(SLASH_DELAY - 1);
        cancel(vetoer, slashAccount, address(gate), first);
        skip(1);
        expectExecuteRefused(slashAccount, address(gate), first, NOT_SCHEDULED);
        execute(slashAccount, address(gate), second);
        vm.expectRevert(
            abi.encodeWithSelector(NOT_SCHEDULED, manager.hashOperation(slashAccount, address(gate), second))
        );
        cancel(vetoer, slashAccount, address(gate), second);
    }

    /// @dev Ready, not yet executed: the block in which the delay ends is still a veto's.
    function testVetoInTheVeryBlockInWhichItIsReady() external {
        bytes memory data = slashData(newId());
        schedule(slashAccount, address(gate), data);
        skip(SLASH_DELAY);
        cancel(vetoSafe, slashAccount, address(gate), data);
        expectExecuteRefused(slashAccount, address(gate), data, NOT_SCHEDULED);
    }

    function testVetoOfOneRequestLeavesItsTwinAlone() external {
        SlashingParams memory params = SlashingParams(OPERATOR, SET, one(S1), wads1(0.1e18), "evidence");
        bytes memory a = abi.encodeCall(SlashGate.slash, (newId(), bytes32("e"), AVS, params));
        bytes memory b = abi.encodeCall(SlashGate.slash, (newId(), bytes32("e"), AVS, params));
        schedule(slashAccount, address(gate), a);
        schedule(slashAccount, address(gate), b);
        cancel(vetoer, slashAccount, address(gate), a);
        skip(SLASH_DELAY);
        expectExecuteRefused(slashAccount, address(gate), a, NOT_SCHEDULED);
        execute(slashAccount, address(gate), b);
    }

    function testOperationExpiresAWeekAfterItIsReady() external {
        bytes memory data = slashData(newId());
        schedule(slashAccount, address(gate), data);
        skip(SLASH_DELAY + 1 weeks);
        expectExecuteRefused(slashAccount, address(gate), data, EXPIRED);
        schedule(slashAccount, address(gate), data);
        skip(SLASH_DELAY + 1 weeks - 1);
        execute(slashAccount, address(gate), data);
    }

    function testPauseInTheWindowStopsWhatIsReady() external {
        bytes memory data = slashData(newId());
        schedule(slashAccount, address(gate), data);
        skip(SLASH_DELAY);
        uint64 until = uint64(clock + 2 days);
        vm.prank(vetoer);
        gate.pause(newId(), until);
        vm.expectRevert(abi.encodeWithSelector(Guarded.EnforcedPause.selector, until));
        execute(slashAccount, address(gate), data);
        skip(2 days);
        execute(slashAccount, address(gate), data);
    }

    /// @dev The AccessManager lets who scheduled an operation cancel it: half a slash key is a veto against slashes.
    function testSlashKeyCancelsItsOwnSlashes() external {
        bytes memory data = slashData(newId());
        schedule(slashAccount, address(gate), data);
        cancel(slashAccount, slashAccount, address(gate), data);
        skip(SLASH_DELAY);
        expectExecuteRefused(slashAccount, address(gate), data, NOT_SCHEDULED);
    }

    // Money

    function testPaymentsDelays() external {
        perform(treasuryAccount, address(treasury), payData(newId(), 10e18), TREASURY_DELAY);
        checkEq(token1.balanceOf(PAYEE), 10e18, "small");
        bytes memory data = abi.encodeCall(Treasury.payLarge, (newId(), address(token1), PAYEE, 100e18));
        schedule(treasuryAccount, address(treasury), data);
        skip(LARGE_DELAY - 1);
        expectExecuteRefused(treasuryAccount, address(treasury), data, NOT_READY);
        skip(1);
        execute(treasuryAccount, address(treasury), data);
        checkEq(token1.balanceOf(PAYEE), 110e18, "large");
    }

    function testRetriedPaymentPaysOnce() external {
        bytes memory data = payData(newId(), 1e18);
        perform(treasuryAccount, address(treasury), data, TREASURY_DELAY);
        schedule(treasuryAccount, address(treasury), data);
        skip(TREASURY_DELAY);
        vm.expectRevert(abi.encodeWithSelector(Guarded.RequestAlreadyExecuted.selector, bytes32(uint256(1_001))));
        execute(treasuryAccount, address(treasury), data);
        checkEq(token1.balanceOf(PAYEE), 1e18, "once");
    }

    function testAFailedPaymentStaysScheduled() external {
        bytes memory data = abi.encodeCall(Treasury.pay, (newId(), address(0), PAYEE, 1 ether));
        schedule(treasuryAccount, address(treasury), data);
        skip(TREASURY_DELAY);
        vm.expectRevert(abi.encodeWithSelector(Treasury.EthNotAccepted.selector, PAYEE));
        execute(treasuryAccount, address(treasury), data);
        vm.deal(address(treasury), 1 ether);
        execute(treasuryAccount, address(treasury), data);
        checkEq(PAYEE.balance, 1 ether, "paid later");
    }

    function testVetoStopsPaymentsPayeesAndSuccession() external {
        bytes memory pay = payData(newId(), 1);
        bytes memory large = abi.encodeCall(Treasury.payLarge, (newId(), address(token1), PAYEE, 1));
        bytes memory payee =
            abi.encodeCall(Treasury.setPayee, (newId(), address(token1), STRANGER, Treasury.Terms(1, 1, 1)));
        address successor = address(new Treasury(address(manager)));
        bytes memory next = abi.encodeCall(Treasury.handOver, (newId(), successor, new address[](0)));
        bytes memory tighter = abi.encodeCall(SlashGate.tightenLimits, (newId(), AVS, SET, limits()));
        expectVetoed(treasuryAccount, address(treasury), pay, TREASURY_DELAY);
        expectVetoed(treasuryAccount, address(treasury), large, LARGE_DELAY);
        expectVetoed(governanceAccount, address(treasury), payee, GOVERNANCE_DELAY);
        expectVetoed(governanceAccount, address(treasury), next, HANDOVER_DELAY);
        expectVetoed(governanceAccount, address(gate), tighter, GOVERNANCE_DELAY);
    }

    function expectVetoed(address who, address target, bytes memory data, uint256 delay) private {
        schedule(who, target, data);
        skip(delay);
        cancel(vetoer, who, target, data);
        expectExecuteRefused(who, target, data, NOT_SCHEDULED);
        perform(who, target, data, delay);
    }

    // What each role may not

    function expectNotAllowed(address who, address target, bytes memory data) private {
        bytes memory reason = abi.encodeWithSelector(
            IAccessManager.AccessManagerUnauthorizedCall.selector, who, target, bytes4(data)
        );
        vm.expectRevert(reason);
        vm.prank(who);
        manager.schedule(target, data, 0);
        vm.expectRevert(reason);
        vm.prank(who);
        manager.execute(target, data);
    }

    function testRolesDoNothingElse() external {
        bytes memory slash = slashData(newId());
        bytes memory pay = payData(newId(), 1);
        bytes memory wider = abi.encodeCall(SlashGate.setLimits, (newId(), AVS, SET, limits()));
        address[5] memory all = [slashAccount, treasuryAccount, governanceAccount, vetoer, STRANGER];
        for (uint256 i = 0; i < 5; ++i) {
            if (all[i] != slashAccount) expectNotAllowed(all[i], address(gate), slash);
            if (all[i] != treasuryAccount) expectNotAllowed(all[i], address(treasury), pay);
            expectNotAllowed(all[i], address(gate), wider);
            expectNotAllowed(all[i], address(manager), grantData(1, STRANGER, 0));
            expectNotAllowed(all[i], address(manager), grantData(0, STRANGER, 0));
            if (all[i] != governanceAccount) expectNotAllowed(all[i], address(manager), grantData(4, STRANGER, 0));
        }
    }

    function testOnlyVetoPausesAndCancels() external {
        address[4] memory others = [slashAccount, treasuryAccount, governanceAccount, STRANGER];
        bytes memory data = slashData(newId());
        schedule(slashAccount, address(gate), data);
        for (uint256 i = 0; i < 4; ++i) {
            bytes memory reason = abi.encodeWithSignature("AccessManagedUnauthorized(address)", others[i]);
            bytes32 id = newId();
            vm.expectRevert(reason);
            vm.prank(others[i]);
            gate.pause(id, uint64(clock + 1));
            vm.expectRevert(reason);
            vm.prank(others[i]);
            timelockVeto.cancel(id, id);
            if (others[i] == slashAccount) continue;
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAccessManager.AccessManagerUnauthorizedCancel.selector,
                    others[i],
                    slashAccount,
                    address(gate),
                    SlashGate.slash.selector
                )
            );
            cancel(others[i], slashAccount, address(gate), data);
        }
    }
}
