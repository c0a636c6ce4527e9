// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Guarded} from "./lib/Guarded.sol";
import {SlidingWindow} from "./lib/SlidingWindow.sol";

/// @title The redistribution recipient of operator sets: pays listed payees, within budgets
/// @notice EigenLayer fixes an operator set's recipient for ever and pushes money to it at anybody's moment, in tokens
/// that may rebase, charge fees or blocklist. So there is no ledger of what came in: what is here is what balances say.
///
/// A payee is listed per token, with two budgets, each in a sliding window: a small one that {pay} spends and a large one
/// that {payLarge} spends. The authority gives the second a longer delay. ETH is the token at address zero.
/// A payment happens as a whole or reverts, and then has spent neither budget nor request id. {pay} and {payLarge} share
/// their request ids: a request pays once, by whichever.
///
/// Since the address can never change, the treasury can hand over: from then on it pays nobody, and anyone may push
/// what still arrives on to the successor.
///
/// Storage after Guarded's: slot 2 successor, slot 3 _payees. Sources: ERC-20; EigenLayer core v1.5 to v1.13.
contract Treasury is Guarded {
    using SafeERC20 for IERC20;

    /// @notice What a payee may be paid in one token.
    struct Terms {
        /// What {pay} may spend within a window, in the token's units.
        uint128 budget;
        /// What {payLarge} may spend within a window.
        uint128 largeBudget;
        /// The window, in seconds. 0 if the payee is not listed.
        uint32 window;
    }

    /// @dev What was spent of one budget. `window` is the one under which the buckets were written.
    struct Use {
        uint128 previous;
        uint128 current;
        uint40 start;
        uint32 window;
    }

    struct Payee {
        Terms terms;
        Use small;
        Use large;
    }

    /// @notice `amount` was paid, of which the payee's balance shows `received`: less if the token charges a fee.
    event Paid(
        bytes32 indexed requestId, address indexed token, address indexed to, uint256 amount, uint256 received, bool large
    );

    /// @notice The payee is listed on these terms, or not any more if they are zeros.
    event PayeeSet(bytes32 indexed requestId, address indexed token, address indexed payee, Terms terms);

    /// @notice The treasury has a successor now.
    event HandedOver(bytes32 indexed requestId, address indexed successor);

    /// @notice A balance went to the successor.
    event Forwarded(address indexed token, address indexed successor, uint256 amount);

    /// @notice Budgets without a window, or the reverse.
    error InvalidTerms();

    /// @notice Neither nobody nor the treasury itself can be paid.
    error InvalidPayee(address payee);

    /// @notice The payee is not listed for this token.
    error PayeeNotListed(address token, address payee);

    /// @notice A payment of nothing.
    error ZeroAmount();

    /// @notice The payment would pass the budget, of which `left` is left.
    error BudgetExceeded(uint256 left);

    /// @notice The ETH was not accepted.
    error EthNotAccepted(address to);

    /// @notice The token took nothing from the treasury, or more than the amount and a unit.
    error WrongAmountTaken(uint256 taken, uint256 amount);

    /// @notice The successor is no treasury under an authority, or has a successor itself.
    error InvalidSuccessor(address successor);

    /// @notice The treasury was handed over to its successor and pays nobody.
    error HasSuccessor(address successor);

    /// @notice There is no successor to forward to.
    error NoSuccessor();

    /// @notice Whom the treasury was handed over to, or zero.
    address public successor;

    mapping(address token => mapping(address payee => Payee)) private _payees;

    /// @notice A treasury that lists nobody: that is {setPayee}'s.
    /// @param authority_ The AccessManager.
    constructor(address authority_) AccessManaged(authority_) {}

    /// @notice Accepts plain ETH, as unwrapped ether or from whoever sends it.
    receive() external payable {}

    /// @notice Pays a listed payee within its small budget.
    function pay(bytes32 requestId, address token, address to, uint256 amount)
        external
        restricted
        whenNotPaused
        once(requestId)
    {
        Payee storage p = _payable(token, to, amount);
        _spend(p.small, p.terms.window, p.terms.budget, amount);
        _pay(requestId, token, to, amount, false);
    }

    /// @notice Pays a listed payee within its large budget. The small one stays as it is.
    function payLarge(bytes32 requestId, address token, address to, uint256 amount)
        external
        restricted
        whenNotPaused
        once(requestId)
    {
        Payee storage p = _payable(token, to, amount);
        _spend(p.large, p.terms.window, p.terms.largeBudget, amount);
        _pay(requestId, token, to, amount, true);
    }

    /// @notice Lists a payee for a token, changes its terms, or with zeros takes it off. What was spent counts on.
    function setPayee(bytes32 requestId, address token, address payee, Terms calldata terms)
        external
        restricted
        once(requestId)
    {
        bool zeros = terms.budget == 0 && terms.largeBudget == 0;
        if (zeros != (terms.window == 0)) revert InvalidTerms();
        if (payee == address(0) || payee == address(this)) revert InvalidPayee(payee);
        _payees[token][payee].terms = terms;
        emit PayeeSet(requestId, token, payee, terms);
    }

    /// @notice Makes another contract the successor, for good, and sends it all there is of these tokens. If one of them
    /// fails, everything is undone: leave that token out, and {forward} it once it works.
    /// @dev A successor may itself be replaced, by another request. It has to answer as this contract does: `authority()`
    /// with an address that has code, and `successor()` with none.
    function handOver(bytes32 requestId, address successor_, address[] calldata tokens)
        external
        restricted
        whenNotPaused
        once(requestId)
    {
        bool governed = _ask(successor_, IAccessManaged.authority.selector).code.length != 0;
        bool last = _ask(successor_, this.successor.selector) == address(0);
        if (!governed || !last || successor_ == address(this)) revert InvalidSuccessor(successor_);
        successor = successor_;
        emit HandedOver(requestId, successor_);
        for (uint256 i = 0; i < tokens.length; ++i) {
            _forward(tokens[i]);
        }
    }

    /// @notice Sends all there is of a token to the successor. Anyone may call. Nothing there is no error.
    function forward(address token) external whenNotPaused {
        if (successor == address(0)) revert NoSuccessor();
        _forward(token);
    }

    /// @notice A payee's terms, and what is used up of its small and its large budget as of this block.
    function payeeOf(address token, address payee)
        external
        view
        returns (Terms memory terms, uint256 used, uint256 usedLarge)
    {
        Payee storage p = _payees[token][payee];
        terms = p.terms;
        (, uint256 previous, uint256 current) = _rolled(p.small, terms.window);
        used = previous + current;
        (, previous, current) = _rolled(p.large, terms.window);
        usedLarge = previous + current;
    }

    function _payable(address token, address to, uint256 amount) private view returns (Payee storage p) {
        if (successor != address(0)) revert HasSuccessor(successor);
        if (amount == 0) revert ZeroAmount();
        p = _payees[token][to];
        if (p.terms.window == 0) revert PayeeNotListed(token, to);
    }

    /// @dev Casts are safe: sums stay within the budget.
    function _spend(Use storage u, uint256 window, uint256 budget, uint256 amount) private {
        (uint256 start, uint256 previous, uint256 current) = _rolled(u, window);
        uint256 used = previous + current;
        uint256 left = used < budget ? budget - used : 0;
        if (amount > left) revert BudgetExceeded(left);
        (u.previous, u.current) = (uint128(previous), uint128(current + amount));
        (u.start, u.window) = (uint40(start), uint32(window));
    }

    function _rolled(Use storage u, uint256 window) private view returns (uint256, uint256, uint256) {
        return SlidingWindow.carry(u.start, u.previous, u.current, u.window, window, block.timestamp);
    }

    function _pay(bytes32 requestId, address token, address to, uint256 amount, bool large) private {
        uint256 before = _balance(token, to);
        _send(token, to, amount);
        uint256 afterwards = _balance(token, to);
        uint256 received = afterwards > before ? afterwards - before : 0;
        emit Paid(requestId, token, to, amount, received, large);
    }

    function _forward(address token) private {
        uint256 amount = _balance(token, address(this));
        if (amount == 0) return;
        _send(token, successor, amount);
        emit Forwarded(token, successor, amount);
    }

    /// @dev Of what the receiver of ETH returns nothing is copied, so it cannot make this run out of gas.
    /// A token that keeps balances by a rate may take a unit less than `amount`, or a unit more; one that takes nothing has
    /// not paid.
    function _send(address token, address to, uint256 amount) private {
        if (token == address(0)) {
            bool ok;
            assembly ("memory-safe") {
                ok := call(gas(), to, amount, 0, 0, 0, 0)
            }
            if (!ok) revert EthNotAccepted(to);
            return;
        }
        uint256 before = _balance(token, address(this));
        IERC20(token).safeTransfer(to, amount);
        uint256 afterwards = _balance(token, address(this));
        uint256 taken = before > afterwards ? before - afterwards : 0;
        if (taken == 0 || taken > amount + 1) revert WrongAmountTaken(taken, amount);
    }

    /// @dev What another contract answers to a function that takes nothing and returns an address. Reverts unless it does.
    function _ask(address who, bytes4 selector) private view returns (address) {
        (bool ok, bytes memory answer) = who.staticcall(abi.encodePacked(selector));
        if (!ok || answer.length != 32) revert InvalidSuccessor(who);
        return address(uint160(uint256(bytes32(answer))));
    }

    /// @inheritdoc Guarded
    function _kind(bytes4 selector) internal pure override returns (bytes4) {
        return selector == Treasury.payLarge.selector ? Treasury.pay.selector : selector;
    }

    function _balance(address token, address who) private view returns (uint256) {
        return token == address(0) ? who.balance : IERC20(token).balanceOf(who);
    }
}
