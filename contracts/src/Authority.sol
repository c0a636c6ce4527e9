// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IAllocationManager} from "./interfaces/IAllocationManager.sol";
import {Guarded} from "./lib/Guarded.sol";
import {GuardFactory} from "./GuardFactory.sol";
import {SlashGate} from "./SlashGate.sol";
import {TimelockVeto} from "./TimelockVeto.sol";
import {Treasury} from "./Treasury.sol";

/// @title Deploys and wires the whole authority in one transaction
/// @notice The constructor creates AccessManager, TimelockController and TimelockVeto (by CREATE, nonces 1 to 3), has the
/// factory create SlashGate and Treasury (by CREATE2, this contract's address as salt), grants every role, pins the
/// operator sets, lists the payees, and gives up its own power. What remains is five addresses to read. They follow from
/// this contract's address, which by a CREATE2 deployer follows from the arguments.
///
/// | role            | id | held by            | may                                        | delay           | guardian |
/// | ADMIN           | 0  | the timelock       | everything else, AVS admin acts            | the timelock's  | VETO, by TimelockVeto |
/// | SLASH           | 1  | slash account      | SlashGate.slash                            | delays.slash    | VETO     |
/// | TREASURY        | 2  | treasury account   | Treasury.pay                               | delays.treasury | VETO     |
/// | TREASURY_LARGE  | 3  | treasury account   | Treasury.payLarge                          | .treasuryLarge  | VETO     |
/// | VETO            | 4  | vetoers            | pause, unpause, TimelockVeto.cancel, cancel | none           | -        |
/// | GOVERNANCE      | 5  | governance account | tightenLimits, unpin, setPayee             | .governance     | VETO     |
/// | RECOVERY        | 6  | governance account | grant and revoke VETO                      | .recovery       | none but ADMIN |
/// | HANDOVER        | 7  | governance account | Treasury.handOver                          | .handOver       | VETO     |
///
/// RECOVERY is VETO's admin role: only it changes who holds VETO, and VETO cannot cancel that. The governance account is
/// the timelock's only proposer; anybody may execute there.
contract Authority {
    /// @notice Who holds the roles. All have to differ.
    struct Members {
        address slash;
        address treasury;
        address governance;
        address[] vetoers;
    }

    /// @notice Delays in seconds.
    struct Delays {
        uint32 slash;
        uint32 treasury;
        uint32 treasuryLarge;
        uint32 governance;
        uint32 timelock;
        uint32 handOver;
        uint32 recovery;
    }

    /// @notice An operator set to pin.
    struct PinnedSet {
        address avs;
        uint32 operatorSetId;
        SlashGate.Limits limits;
    }

    /// @notice A payee to list.
    struct ListedPayee {
        address token;
        address payee;
        Treasury.Terms terms;
    }

    /// @notice A member is missing or has two parts to play.
    error InvalidMembers();

    /// @notice All delays have to be above zero, payLarge's above pay's, the timelock's below the longest pause (which has to
    /// outlast the revocation of a role), and recovery's at least as long as each other.
    error InvalidDelays();

    /// @notice May slash, through SlashGate.
    uint64 public constant SLASH = 1;
    /// @notice May pay within small budgets.
    uint64 public constant TREASURY = 2;
    /// @notice May pay within large budgets.
    uint64 public constant TREASURY_LARGE = 3;
    /// @notice May cancel and pause.
    uint64 public constant VETO = 4;
    /// @notice May narrow what can be slashed, and say who can be paid.
    uint64 public constant GOVERNANCE = 5;
    /// @notice May replace VETO's members.
    uint64 public constant RECOVERY = 6;
    /// @notice May hand the treasury over.
    uint64 public constant HANDOVER = 7;

    /// @notice The AccessManager.
    AccessManager public immutable MANAGER;
    /// @notice The AccessManager's only admin; to be made the service's admin in EigenLayer.
    TimelockController public immutable TIMELOCK;
    /// @notice The timelock's only canceller.
    TimelockVeto public immutable TIMELOCK_VETO;
    /// @notice To be made the operator sets' slasher in EigenLayer.
    SlashGate public immutable SLASH_GATE;
    /// @notice To be the operator sets' redistribution recipient.
    Treasury public immutable TREASURY_CONTRACT;

    /// @notice Deploys and wires everything, and keeps no power.
    /// @param factory Trusted to create what it says: compare its address with the one that follows from its code.
    constructor(
        GuardFactory factory,
        IAllocationManager allocationManager,
        Members memory members,
        Delays memory delays,
        PinnedSet[] memory sets,
        ListedPayee[] memory payees
    ) {
        _checkMembers(members);
        _checkDelays(delays);
        AccessManager manager = new AccessManager(address(this));
        TimelockController timelock =
            new TimelockController(delays.timelock, new address[](0), new address[](1), address(this));
        TimelockVeto timelockVeto = new TimelockVeto(address(manager), timelock);
        SlashGate gate = factory.newSlashGate(address(manager), allocationManager);
        Treasury treasury = factory.newTreasury(address(manager));
        if (delays.timelock >= gate.MAX_PAUSE()) revert InvalidDelays();
        (MANAGER, TIMELOCK, TIMELOCK_VETO, SLASH_GATE, TREASURY_CONTRACT) =
            (manager, timelock, timelockVeto, gate, treasury);

        for (uint256 i = 0; i < sets.length; ++i) {
            gate.setLimits(bytes32(i + 1), sets[i].avs, sets[i].operatorSetId, sets[i].limits);
        }
        for (uint256 i = 0; i < payees.length; ++i) {
            treasury.setPayee(bytes32(i + 1), payees[i].token, payees[i].payee, payees[i].terms);
        }
        _assignFunctions(manager, timelockVeto, gate, treasury);
        _setGuardians(manager);
        _grant(manager, members, delays);

        timelock.grantRole(timelock.PROPOSER_ROLE(), members.governance);
        timelock.grantRole(timelock.CANCELLER_ROLE(), address(timelockVeto));
        timelock.renounceRole(timelock.DEFAULT_ADMIN_ROLE(), address(this));
        manager.grantRole(manager.ADMIN_ROLE(), address(timelock), 0);
        manager.renounceRole(manager.ADMIN_ROLE(), address(this));
    }

    function _assignFunctions(AccessManager manager, TimelockVeto timelockVeto, SlashGate gate, Treasury treasury)
        private
    {
        _assign(manager, address(gate), SlashGate.slash.selector, SLASH, "SLASH");
        _assign(manager, address(treasury), Treasury.pay.selector, TREASURY, "TREASURY");
        _assign(manager, address(treasury), Treasury.payLarge.selector, TREASURY_LARGE, "TREASURY_LARGE");
        _assign(manager, address(timelockVeto), TimelockVeto.cancel.selector, VETO, "VETO");
        _assign(manager, address(gate), Guarded.pause.selector, VETO, "");
        _assign(manager, address(gate), Guarded.unpause.selector, VETO, "");
        _assign(manager, address(treasury), Guarded.pause.selector, VETO, "");
        _assign(manager, address(treasury), Guarded.unpause.selector, VETO, "");
        _assign(manager, address(gate), SlashGate.tightenLimits.selector, GOVERNANCE, "GOVERNANCE");
        _assign(manager, address(gate), SlashGate.unpin.selector, GOVERNANCE, "");
        _assign(manager, address(treasury), Treasury.setPayee.selector, GOVERNANCE, "");
        _assign(manager, address(treasury), Treasury.handOver.selector, HANDOVER, "HANDOVER");
    }

    function _setGuardians(AccessManager manager) private {
        manager.setRoleGuardian(SLASH, VETO);
        manager.setRoleGuardian(TREASURY, VETO);
        manager.setRoleGuardian(TREASURY_LARGE, VETO);
        manager.setRoleGuardian(GOVERNANCE, VETO);
        manager.setRoleGuardian(HANDOVER, VETO);
    }

    /// @dev VETO's members are granted before RECOVERY becomes the only role that can grant it.
    function _grant(AccessManager manager, Members memory members, Delays memory delays) private {
        manager.grantRole(SLASH, members.slash, delays.slash);
        manager.grantRole(TREASURY, members.treasury, delays.treasury);
        manager.grantRole(TREASURY_LARGE, members.treasury, delays.treasuryLarge);
        manager.grantRole(GOVERNANCE, members.governance, delays.governance);
        manager.grantRole(HANDOVER, members.governance, delays.handOver);
        for (uint256 i = 0; i < members.vetoers.length; ++i) {
            manager.grantRole(VETO, members.vetoers[i], 0);
        }
        manager.grantRole(RECOVERY, members.governance, delays.recovery);
        manager.setRoleAdmin(VETO, RECOVERY);
        manager.labelRole(RECOVERY, "RECOVERY");
    }

    /// @dev An empty label labels nothing.
    function _assign(AccessManager manager, address target, bytes4 selector, uint64 role, string memory label) private {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = selector;
        manager.setTargetFunctionRole(target, selectors, role);
        if (bytes(label).length != 0) manager.labelRole(role, label);
    }

    function _checkMembers(Members memory m) private pure {
        bool missing = m.slash == address(0) || m.treasury == address(0) || m.governance == address(0);
        bool same = m.slash == m.treasury || m.slash == m.governance || m.treasury == m.governance;
        if (missing || same || m.vetoers.length == 0) revert InvalidMembers();
        for (uint256 i = 0; i < m.vetoers.length; ++i) {
            address v = m.vetoers[i];
            if (v == address(0) || v == m.slash || v == m.treasury || v == m.governance) revert InvalidMembers();
        }
    }

    function _checkDelays(Delays memory d) private pure {
        if (d.slash == 0 || d.treasury == 0 || d.governance == 0 || d.timelock == 0 || d.handOver == 0) {
            revert InvalidDelays();
        }
        if (d.treasuryLarge <= d.treasury || d.recovery < d.treasuryLarge || d.recovery < d.slash) revert InvalidDelays();
        if (d.recovery < d.governance || d.recovery < d.timelock || d.recovery < d.handOver) revert InvalidDelays();
    }
}
