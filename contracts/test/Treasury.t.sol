// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {TestToken} from "../src/sim/TestToken.sol";
import {Guarded} from "../src/lib/Guarded.sol";
import {IAllocationManager} from "../src/interfaces/IAllocationManager.sol";
import {SlashGate} from "../src/SlashGate.sol";
import {Treasury} from "../src/Treasury.sol";
import {
    Answers,
    BlockingToken,
    BombOnEth,
    BombToken,
    FalseToken,
    FeeToken,
    IdleToken,
    RebasingToken,
    ReentersOnEth,
    RefusesEth,
    SilentToken,
    SurchargeToken
} from "./OddTokens.sol";
import {Clock} from "./GateSetup.sol";
import {Vm} from "./Vm.sol";

/// @dev A treasury whose authority obeys this contract at once.
contract TreasuryTest is Clock {
    address private constant ETH = address(0);
    address private constant PAYEE = address(0xbee);
    uint128 private constant SMALL = 100;
    uint128 private constant LARGE = 1_000;
    uint32 private constant WINDOW = 30 days;

    AccessManager private manager;
    Treasury private treasury;
    TestToken private token;
    uint256 private lastId;

    function setUp() external {
        startClock();
        manager = new AccessManager(address(this));
        treasury = new Treasury(address(manager));
        token = new TestToken("Token", "T");
        fund(token);
        list(address(token), PAYEE);
        list(ETH, PAYEE);
        vm.deal(address(treasury), 10_000);
    }

    function newId() private returns (bytes32) {
        return bytes32(++lastId);
    }

    function fund(TestToken t) private {
        t.mint(address(treasury), 10_000);
    }

    function list(address token_, address payee) private {
        treasury.setPayee(newId(), token_, payee, Treasury.Terms(SMALL, LARGE, WINDOW));
    }

    function expectPayRefused(address token_, address to, uint256 amount, bytes memory reason) private {
        bytes32 id = newId();
        vm.expectRevert(reason);
        treasury.pay(id, token_, to, amount);
        check(!treasury.executed(treasury.pay.selector, id), "request unused");
    }

    function exceeded(uint256 left) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Treasury.BudgetExceeded.selector, left);
    }

    function notListed(address token_, address payee) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Treasury.PayeeNotListed.selector, token_, payee);
    }

    function used(address token_) private view returns (uint256 small, uint256 large) {
        (, small, large) = treasury.payeeOf(token_, PAYEE);
    }

    // Payments

    function testPaysTokensAndSaysSo() external {
        vm.recordLogs();
        treasury.pay(bytes32("r"), address(token), PAYEE, 60);
        checkEq(token.balanceOf(PAYEE), 60, "paid");
        check(treasury.executed(treasury.pay.selector, bytes32("r")), "request used");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        Vm.Log memory log = logs[logs.length - 1];
        checkEq(log.topics[0], keccak256("Paid(bytes32,address,address,uint256,uint256,bool)"), "event");
        checkEq(log.topics[1], bytes32("r"), "request");
        checkEq(address(uint160(uint256(log.topics[2]))), address(token), "token");
        checkEq(address(uint160(uint256(log.topics[3]))), PAYEE, "payee");
        (uint256 amount, uint256 received, bool large) = abi.decode(log.data, (uint256, uint256, bool));
        check(amount == 60 && received == 60 && !large, "amounts");
    }

    function testPaysEth() external {
        treasury.pay(newId(), ETH, PAYEE, 60);
        treasury.payLarge(newId(), ETH, PAYEE, 600);
        checkEq(PAYEE.balance, 660, "paid");
    }

    function testSmallBudgetAtTheLimitOneBelowAndOneAbove() external {
        expectPayRefused(address(token), PAYEE, SMALL + 1, exceeded(SMALL));
        expectPayRefused(address(token), PAYEE, type(uint256).max, exceeded(SMALL));
        treasury.pay(newId(), address(token), PAYEE, SMALL - 1);
        expectPayRefused(address(token), PAYEE, 2, exceeded(1));
        treasury.pay(newId(), address(token), PAYEE, 1);
        expectPayRefused(address(token), PAYEE, 1, exceeded(0));
        (uint256 small, uint256 large) = used(address(token));
        check(small == SMALL && large == 0, "used");
    }

    function testLargeBudgetIsAnother() external {
        treasury.pay(newId(), address(token), PAYEE, SMALL);
        bytes32 id = newId();
        vm.expectRevert(exceeded(LARGE));
        treasury.payLarge(id, address(token), PAYEE, LARGE + 1);
        treasury.payLarge(newId(), address(token), PAYEE, LARGE);
        vm.expectRevert(exceeded(0));
        treasury.payLarge(id, address(token), PAYEE, 1);
        (uint256 small, uint256 large) = used(address(token));
        check(small == SMALL && large == LARGE, "used");
    }

    function testBudgetsArePerTokenAndPayee() external {
        list(address(token), STRANGER);
        treasury.pay(newId(), address(token), PAYEE, SMALL);
        treasury.pay(newId(), ETH, PAYEE, SMALL);
        treasury.pay(newId(), address(token), STRANGER, SMALL);
        expectPayRefused(ETH, STRANGER, 1, notListed(ETH, STRANGER));
    }

    function testWindowsEdge() external {
        treasury.pay(newId(), address(token), PAYEE, 40);
        skip(WINDOW - 1);
        treasury.pay(newId(), address(token), PAYEE, 60);
        skip(WINDOW);
        expectPayRefused(address(token), PAYEE, 1, exceeded(0));
        skip(1);
        treasury.pay(newId(), address(token), PAYEE, SMALL);
        skip(WINDOW);
        expectPayRefused(address(token), PAYEE, 1, exceeded(0));
        skip(WINDOW);
        treasury.pay(newId(), address(token), PAYEE, SMALL);
    }

    /// @dev A payment happens once, by whichever of the two; other functions have request ids of their own.
    function testRequestsOnlyOncePerFunction() external {
        bytes32 id = newId();
        treasury.pay(id, address(token), PAYEE, 1);
        expectUsed(id, abi.encodeCall(treasury.pay, (id, address(token), PAYEE, 1)));
        expectUsed(id, abi.encodeCall(treasury.payLarge, (id, address(token), PAYEE, 1)));
        check(treasury.executed(treasury.payLarge.selector, id), "one kind");
        checkEq(token.balanceOf(PAYEE), 1, "paid once");
        treasury.setPayee(id, ETH, PAYEE, Treasury.Terms(1, 1, 1));
        expectUsed(id, abi.encodeCall(treasury.setPayee, (id, ETH, PAYEE, Treasury.Terms(1, 1, 1))));
        address next = address(new Treasury(address(manager)));
        treasury.handOver(id, next, new address[](0));
        expectUsed(id, abi.encodeCall(treasury.handOver, (id, next, new address[](0))));
    }

    function expectUsed(bytes32 id, bytes memory data) private {
        bytes memory reason = abi.encodeWithSelector(Guarded.RequestAlreadyExecuted.selector, id);
        (bool ok, bytes memory answer) = address(treasury).call(data);
        check(!ok && keccak256(answer) == keccak256(reason), "the request was executed before");
    }

    /// @dev A stolen veto key cannot use up the ids of payments, nor make an unpaid one look paid.
    function testPausesUseUpNoPayment() external {
        bytes32 id = newId();
        treasury.pause(id, uint64(clock + 1));
        treasury.unpause(id);
        check(!treasury.executed(treasury.pay.selector, id), "nothing was paid");
        treasury.pay(id, address(token), PAYEE, 1);
        checkEq(token.balanceOf(PAYEE), 1, "paid");
    }

    function testUnlistedPayeeTokenAndNothingAreRefused() external {
        expectPayRefused(address(token), STRANGER, 1, notListed(address(token), STRANGER));
        expectPayRefused(address(token1), PAYEE, 1, notListed(address(token1), PAYEE));
        expectPayRefused(address(token), PAYEE, 0, abi.encodePacked(Treasury.ZeroAmount.selector));
    }

    function testPaymentBeyondTheBalanceIsRefused() external {
        Treasury poor = new Treasury(address(manager));
        poor.setPayee(newId(), ETH, PAYEE, Treasury.Terms(SMALL, LARGE, WINDOW));
        vm.deal(address(poor), 9);
        vm.expectRevert(abi.encodeWithSelector(Treasury.EthNotAccepted.selector, PAYEE));
        poor.pay(bytes32("r"), ETH, PAYEE, 10);
        poor.pay(bytes32("r"), ETH, PAYEE, 9);
    }

    // Payees

    function testTermsAndPayeesAreChecked() external {
        bytes memory terms = abi.encodePacked(Treasury.InvalidTerms.selector);
        bytes32 id = newId();
        vm.expectRevert(terms);
        treasury.setPayee(id, ETH, PAYEE, Treasury.Terms(1, 1, 0));
        vm.expectRevert(terms);
        treasury.setPayee(id, ETH, PAYEE, Treasury.Terms(0, 1, 0));
        vm.expectRevert(terms);
        treasury.setPayee(id, ETH, PAYEE, Treasury.Terms(0, 0, 1));
        vm.expectRevert(abi.encodeWithSelector(Treasury.InvalidPayee.selector, address(0)));
        treasury.setPayee(id, ETH, address(0), Treasury.Terms(1, 1, 1));
        vm.expectRevert(abi.encodeWithSelector(Treasury.InvalidPayee.selector, address(treasury)));
        treasury.setPayee(id, ETH, address(treasury), Treasury.Terms(1, 1, 1));
        treasury.setPayee(id, ETH, PAYEE, Treasury.Terms(0, 1, 1));
    }

    function testNewTermsHoldAtOnceAndUseCountsOn() external {
        treasury.pay(newId(), ETH, PAYEE, 50);
        treasury.setPayee(newId(), ETH, PAYEE, Treasury.Terms(40, LARGE, WINDOW));
        expectPayRefused(ETH, PAYEE, 1, exceeded(0));
        treasury.setPayee(newId(), ETH, PAYEE, Treasury.Terms(0, 0, 0));
        expectPayRefused(ETH, PAYEE, 1, notListed(ETH, PAYEE));
        list(ETH, PAYEE);
        expectPayRefused(ETH, PAYEE, 51, exceeded(50));
    }

    /// @dev What was spent under the longer window counts on for one of the shorter, and not for less.
    function testShorterWindowForgetsNoUse() external {
        treasury.pay(newId(), ETH, PAYEE, 50);
        treasury.payLarge(newId(), ETH, PAYEE, 500);
        skip(10 days);
        treasury.setPayee(newId(), ETH, PAYEE, Treasury.Terms(0, 0, 0));
        (uint256 small, uint256 large) = used(ETH);
        check(small == 50 && large == 500, "use survives");
        treasury.setPayee(newId(), ETH, PAYEE, Treasury.Terms(SMALL, LARGE, 1 days));
        expectPayRefused(ETH, PAYEE, 51, exceeded(50));
        bytes32 id = newId();
        vm.expectRevert(exceeded(500));
        treasury.payLarge(id, ETH, PAYEE, 501);
        treasury.pay(newId(), ETH, PAYEE, 50);
        skip(1 days - 1);
        expectPayRefused(ETH, PAYEE, 1, exceeded(0));
        skip(1 days + 1);
        treasury.pay(newId(), ETH, PAYEE, SMALL);
    }

    // ETH

    function testReceivesEthDirectly() external {
        vm.deal(address(this), 5);
        (bool ok,) = address(treasury).call{value: 5}("");
        check(ok && address(treasury).balance == 10_005, "received");
    }

    function testEthRefusedSpendsNothing() external {
        address refuser = address(new RefusesEth());
        list(ETH, refuser);
        expectPayRefused(ETH, refuser, SMALL, abi.encodeWithSelector(Treasury.EthNotAccepted.selector, refuser));
        (, uint256 small,) = treasury.payeeOf(ETH, refuser);
        checkEq(small, 0, "no budget spent");
    }

    /// @dev A megabyte of memory costs its owner some 2.2 million gas; copying it would cost us as much again.
    function testReturnBombIsNotCopied() external {
        address accepting = address(new BombOnEth(true));
        address refusing = address(new BombOnEth(false));
        list(ETH, accepting);
        list(ETH, refusing);
        bytes32 id = newId();
        uint256 before = gasleft();
        treasury.pay(id, ETH, accepting, 1);
        check(before - gasleft() < 2_500_000, "only the receiver's own gas");
        expectPayRefused(ETH, refusing, 1, abi.encodeWithSelector(Treasury.EthNotAccepted.selector, refusing));
    }

    function testReentrancyFindsBudgetAndRequestUsed() external {
        ReentersOnEth payee = new ReentersOnEth();
        list(ETH, address(payee));
        manager.grantRole(0, address(payee), 0);
        payee.arm(address(treasury), abi.encodeCall(treasury.pay, (bytes32("r"), ETH, address(payee), 60)));
        treasury.pay(bytes32("r"), ETH, address(payee), 60);
        bytes memory reason = abi.encodeWithSelector(Guarded.RequestAlreadyExecuted.selector, bytes32("r"));
        check(!payee.succeeded() && keccak256(payee.answer()) == keccak256(reason), "request used");
        treasury.setPayee(newId(), ETH, address(payee), Treasury.Terms(120, 0, WINDOW));
        payee.arm(address(treasury), abi.encodeCall(treasury.pay, (bytes32("t"), ETH, address(payee), 60)));
        treasury.pay(bytes32("s"), ETH, address(payee), 60);
        check(!payee.succeeded() && keccak256(payee.answer()) == keccak256(exceeded(0)), "budget used");
    }

    // Odd tokens

    function odd(TestToken t) private returns (address) {
        fund(t);
        list(address(t), PAYEE);
        return address(t);
    }

    function testTokenThatReturnsFalse() external {
        address t = odd(new FalseToken());
        expectPayRefused(t, PAYEE, 1, abi.encodeWithSignature("SafeERC20FailedOperation(address)", t));
        (uint256 small,) = used(t);
        checkEq(small, 0, "no budget spent");
    }

    function testTokenThatMovesNothing() external {
        address t = odd(new IdleToken());
        expectPayRefused(t, PAYEE, 5, abi.encodeWithSelector(Treasury.WrongAmountTaken.selector, 0, 5));
    }

    function testTokenThatReturnsNothing() external {
        address t = odd(new SilentToken());
        treasury.pay(newId(), t, PAYEE, 5);
        checkEq(TestToken(t).balanceOf(PAYEE), 5, "paid");
    }

    function testTokenThatReturnsTooMuch() external {
        address t = odd(new BombToken());
        treasury.pay(newId(), t, PAYEE, 5);
        checkEq(TestToken(t).balanceOf(PAYEE), 5, "paid");
    }

    function testTokenThatChargesTheReceiver() external {
        address t = odd(new FeeToken());
        vm.recordLogs();
        treasury.pay(newId(), t, PAYEE, SMALL);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        (uint256 amount, uint256 received,) = abi.decode(logs[logs.length - 1].data, (uint256, uint256, bool));
        check(amount == 100 && received == 90, "the fee shows");
        (uint256 small,) = used(t);
        checkEq(small, SMALL, "what left the treasury counts");
    }

    /// @dev A unit more is rounding; two are a fee.
    function testTokenThatTakesMoreFromTheSender() external {
        SurchargeToken t = new SurchargeToken();
        odd(t);
        t.setSurcharge(2);
        expectPayRefused(address(t), PAYEE, 5, abi.encodeWithSelector(Treasury.WrongAmountTaken.selector, 7, 5));
        t.setSurcharge(1);
        treasury.pay(newId(), address(t), PAYEE, 5);
        checkEq(t.balanceOf(PAYEE), 5, "paid");
        checkEq(t.balanceOf(address(treasury)), 10_000 - 6, "and a unit rounded up");
    }

    function testTokenThatRebases() external {
        RebasingToken t = new RebasingToken();
        odd(t);
        t.setRate(1.5e18);
        checkEq(t.balanceOf(address(treasury)), 15_000, "grown");
        treasury.pay(newId(), address(t), PAYEE, 50);
        checkEq(t.balanceOf(PAYEE), 49, "rounded down");
        t.setRate(0.001e18);
        treasury.pay(newId(), address(t), PAYEE, 9);
        expectPayRefused(
            address(t), PAYEE, 30, abi.encodeWithSignature(
                "ERC20InsufficientBalance(address,uint256,uint256)", address(treasury), 967, 30_000
            )
        );
    }

    function testTokenThatBlocksThePayee() external {
        BlockingToken t = new BlockingToken();
        odd(t);
        t.setBlocked(PAYEE, true);
        expectPayRefused(address(t), PAYEE, 5, abi.encodeWithSelector(BlockingToken.Blocked.selector, PAYEE));
        t.setBlocked(PAYEE, false);
        treasury.pay(newId(), address(t), PAYEE, SMALL);
    }

    function testTokenWithoutCode() external {
        list(address(0xdead), PAYEE);
        bytes32 id = newId();
        vm.expectRevert();
        treasury.pay(id, address(0xdead), PAYEE, 1);
    }

    // Pause

    function testPauseStopsAllPayments() external {
        treasury.handOver(newId(), address(new Treasury(address(manager))), new address[](0));
        treasury = new Treasury(address(manager));
        list(ETH, PAYEE);
        vm.deal(address(treasury), 100);
        uint64 until = uint64(clock + 1 days);
        treasury.pause(newId(), until);
        bytes memory reason = abi.encodeWithSelector(Guarded.EnforcedPause.selector, until);
        expectPayRefused(ETH, PAYEE, 1, reason);
        bytes32 id = newId();
        vm.expectRevert(reason);
        treasury.payLarge(id, ETH, PAYEE, 1);
        vm.expectRevert(reason);
        treasury.handOver(id, address(this), new address[](0));
        vm.expectRevert(reason);
        treasury.forward(ETH);
        list(ETH, STRANGER);
        skip(1 days);
        treasury.pay(newId(), ETH, PAYEE, 1);
    }

    // Succession

    function testHandsOverAndForwardsWhatStillArrives() external {
        Treasury next = new Treasury(address(manager));
        address[] memory tokens = new address[](3);
        (tokens[0], tokens[1], tokens[2]) = (ETH, address(token), address(token1));
        treasury.handOver(newId(), address(next), tokens);
        checkEq(treasury.successor(), address(next), "successor");
        checkEq(address(next).balance, 10_000, "ETH");
        checkEq(token.balanceOf(address(next)), 10_000, "token");
        bytes memory handed = abi.encodeWithSelector(Treasury.HasSuccessor.selector, address(next));
        expectPayRefused(address(token), PAYEE, 1, handed);
        fund(token);
        vm.prank(STRANGER);
        treasury.forward(address(token));
        checkEq(token.balanceOf(address(next)), 20_000, "and what came later");
        treasury.forward(address(token));
        Treasury third = new Treasury(address(manager));
        treasury.handOver(newId(), address(third), new address[](0));
        fund(token);
        treasury.forward(address(token));
        checkEq(token.balanceOf(address(third)), 10_000, "a successor's successor");
    }

    function testSuccessorIsChecked() external {
        bytes32 id = newId();
        vm.expectRevert(abi.encodeWithSelector(Treasury.InvalidSuccessor.selector, STRANGER));
        treasury.handOver(id, STRANGER, new address[](0));
        vm.expectRevert(abi.encodeWithSelector(Treasury.InvalidSuccessor.selector, address(treasury)));
        treasury.handOver(id, address(treasury), new address[](0));
        vm.expectRevert(abi.encodePacked(Treasury.NoSuccessor.selector));
        treasury.forward(address(token));
    }

    function expectSuccessorRefused(address next) private {
        bytes32 id = newId();
        vm.expectRevert(abi.encodeWithSelector(Treasury.InvalidSuccessor.selector, next));
        treasury.handOver(id, next, new address[](0));
    }

    /// @dev Code is not enough: a token, a manager and a gate would keep what they get.
    function testSuccessorIsATreasury() external {
        expectSuccessorRefused(address(token));
        expectSuccessorRefused(address(manager));
        expectSuccessorRefused(address(this));
        expectSuccessorRefused(address(new Answers(hex"")));
        expectSuccessorRefused(address(new Answers(abi.encode(address(manager), 1))));
        expectSuccessorRefused(address(new Answers(abi.encode(0))));
        expectSuccessorRefused(address(new Answers(abi.encode(address(manager)))));
        expectSuccessorRefused(address(new SlashGate(address(manager), IAllocationManager(address(token)))));
        expectSuccessorRefused(address(new Treasury(STRANGER)));
    }

    /// @dev Two treasuries cannot hand over to each other.
    function testSuccessorHasNone() external {
        Treasury next = new Treasury(address(manager));
        treasury.handOver(newId(), address(next), new address[](0));
        bytes32 id = newId();
        vm.expectRevert(abi.encodeWithSelector(Treasury.InvalidSuccessor.selector, address(treasury)));
        next.handOver(id, address(treasury), new address[](0));
    }

    function testOneFailingTokenUndoesTheHandOver() external {
        BlockingToken t = new BlockingToken();
        odd(t);
        Treasury next = new Treasury(address(manager));
        t.setBlocked(address(next), true);
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (address(token), address(t));
        bytes32 id = newId();
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, address(next)));
        treasury.handOver(id, address(next), tokens);
        checkEq(treasury.successor(), address(0), "undone");
        treasury.handOver(id, address(next), new address[](0));
        treasury.forward(address(token));
        checkEq(token.balanceOf(address(next)), 10_000, "the others go alone");
        t.setBlocked(address(next), false);
        treasury.forward(address(t));
        checkEq(t.balanceOf(address(next)), 10_000, "once it works");
    }

    function testStrangersMayNothing() external {
        bytes32 id = newId();
        bytes[] memory calls = new bytes[](6);
        calls[0] = abi.encodeCall(treasury.pay, (id, ETH, PAYEE, 1));
        calls[1] = abi.encodeCall(treasury.payLarge, (id, ETH, PAYEE, 1));
        calls[2] = abi.encodeCall(treasury.setPayee, (id, ETH, PAYEE, Treasury.Terms(1, 1, 1)));
        calls[3] = abi.encodeCall(treasury.handOver, (id, address(this), new address[](0)));
        calls[4] = abi.encodeCall(treasury.pause, (id, uint64(clock + 1)));
        calls[5] = abi.encodeCall(treasury.unpause, (id));
        bytes memory reason = abi.encodeWithSignature("AccessManagedUnauthorized(address)", STRANGER);
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(STRANGER);
            (bool ok, bytes memory answer) = address(treasury).call(calls[i]);
            check(!ok && keccak256(answer) == keccak256(reason), "a stranger got through");
        }
    }
}
