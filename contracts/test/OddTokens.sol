// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {TestToken} from "../src/sim/TestToken.sol";

/// @dev Tokens that do what some real ones do.
abstract contract OddToken is TestToken("Odd", "ODD") {}

contract FalseToken is OddToken {
    function transfer(address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @dev Says true and moves nothing.
contract IdleToken is OddToken {
    function transfer(address, uint256) public pure override returns (bool) {
        return true;
    }
}

/// @dev Returns nothing, as USDT.
contract SilentToken is OddToken {
    function transfer(address to, uint256 amount) public override returns (bool) {
        super.transfer(to, amount);
        assembly {
            return(0, 0)
        }
    }
}

/// @dev The receiver pays a fee of a tenth.
contract FeeToken is OddToken {
    function transfer(address to, uint256 amount) public override returns (bool) {
        _burn(msg.sender, amount / 10);
        return super.transfer(to, amount - amount / 10);
    }
}

/// @dev The sender pays some units more than it sends: one, as of aTokens that round up.
contract SurchargeToken is OddToken {
    uint256 public surcharge;

    function setSurcharge(uint256 surcharge_) external {
        surcharge = surcharge_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        _burn(msg.sender, surcharge);
        return super.transfer(to, amount);
    }
}

/// @dev Balances follow a rate and round down, so that transfers move up to one unit less, as stETH's.
contract RebasingToken is OddToken {
    uint256 public rate = 1e18;

    function setRate(uint256 rate_) external {
        rate = rate_;
    }

    function balanceOf(address who) public view override returns (uint256) {
        return super.balanceOf(who) * rate / 1e18;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return super.transfer(to, amount * 1e18 / rate);
    }
}

contract BlockingToken is OddToken {
    error Blocked(address who);

    mapping(address => bool) public blocked;

    function setBlocked(address who, bool blocked_) external {
        blocked[who] = blocked_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        require(!blocked[to], Blocked(to));
        require(!blocked[msg.sender], Blocked(msg.sender));
        return super.transfer(to, amount);
    }
}

/// @dev Returns a megabyte of ones, or true in all its first word.
contract BombToken is OddToken {
    function transfer(address to, uint256 amount) public override returns (bool) {
        super.transfer(to, amount);
        assembly {
            mstore(0, 1)
            return(0, 1000000)
        }
    }
}

/// @dev Answers every question with the same bytes.
contract Answers {
    bytes private _answer;

    constructor(bytes memory answer) {
        _answer = answer;
    }

    fallback(bytes calldata) external returns (bytes memory) {
        return _answer;
    }
}

contract RefusesEth {
    receive() external payable {
        revert("no, thanks");
    }
}

/// @dev Answers ETH with a megabyte, as a success or as a revert.
contract BombOnEth {
    bool private immutable ACCEPTS;

    constructor(bool accepts) {
        ACCEPTS = accepts;
    }

    receive() external payable {
        bool accepts = ACCEPTS;
        assembly {
            if accepts { return(0, 1000000) }
            revert(0, 1000000)
        }
    }
}

/// @dev Calls somebody when paid.
contract ReentersOnEth {
    address public target;
    bytes public data;
    bytes public answer;
    bool public succeeded;

    function arm(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    receive() external payable {
        (succeeded, answer) = target.call(data);
    }
}
