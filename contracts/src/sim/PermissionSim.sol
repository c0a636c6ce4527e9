// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {IEigenLayerErrors, IEigenLayerEvents} from "./EigenLayerTypes.sol";

/// @title Simulation of EigenLayer's PermissionController (UAM)
/// @notice Written from the published behaviour of core v1.3 and later. Not EigenLayer's code.
abstract contract PermissionSim is IEigenLayerErrors, IEigenLayerEvents {
    using EnumerableSet for EnumerableSet.AddressSet;
    using EnumerableSet for EnumerableSet.Bytes32Set;

    struct Permissions {
        EnumerableSet.AddressSet pendingAdmins;
        EnumerableSet.AddressSet admins;
        mapping(address appointee => EnumerableSet.Bytes32Set) allowed;
        mapping(bytes32 targetAndSelector => EnumerableSet.AddressSet) appointees;
    }

    mapping(address account => Permissions) private _permissions;

    modifier onlyAdmin(address account) {
        require(isAdmin(account, msg.sender), NotAdmin());
        _;
    }

    /// @dev The check that the managers make: an admin or an appointee for this very function.
    modifier checkCanCall(address account) {
        _checkCanCall(account);
        _;
    }

    /// @notice Proposes an admin. Source: PermissionController.
    function addPendingAdmin(address account, address admin) external onlyAdmin(account) {
        Permissions storage p = _permissions[account];
        require(!p.admins.contains(admin), AdminAlreadySet());
        require(p.pendingAdmins.add(admin), AdminAlreadyPending());
        emit PendingAdminAdded(account, admin);
    }

    /// @notice Withdraws a proposal. Source: PermissionController.
    function removePendingAdmin(address account, address admin) external onlyAdmin(account) {
        require(_permissions[account].pendingAdmins.remove(admin), AdminNotPending());
        emit PendingAdminRemoved(account, admin);
    }

    /// @notice Accepts a proposal; from the first one on the account itself is no admin. Source: PermissionController.
    function acceptAdmin(address account) external {
        Permissions storage p = _permissions[account];
        require(p.pendingAdmins.remove(msg.sender), AdminNotPending());
        require(p.admins.add(msg.sender), AdminAlreadySet());
        emit AdminSet(account, msg.sender);
    }

    /// @notice Removes an admin, but not the last. Source: PermissionController.
    function removeAdmin(address account, address admin) external onlyAdmin(account) {
        EnumerableSet.AddressSet storage admins = _permissions[account].admins;
        require(admins.length() > 1, CannotHaveZeroAdmins());
        require(admins.remove(admin), AdminNotSet());
        emit AdminRemoved(account, admin);
    }

    /// @notice Lets `appointee` call one function of one target for `account`. Source: PermissionController.
    function setAppointee(address account, address appointee, address target, bytes4 selector)
        external
        onlyAdmin(account)
    {
        Permissions storage p = _permissions[account];
        bytes32 key = _targetAndSelector(target, selector);
        require(p.allowed[appointee].add(key), AppointeeAlreadySet());
        p.appointees[key].add(appointee);
        emit AppointeeSet(account, appointee, target, selector);
    }

    /// @notice Takes an appointment back. Source: PermissionController.
    function removeAppointee(address account, address appointee, address target, bytes4 selector)
        external
        onlyAdmin(account)
    {
        Permissions storage p = _permissions[account];
        bytes32 key = _targetAndSelector(target, selector);
        require(p.allowed[appointee].remove(key), AppointeeNotSet());
        p.appointees[key].remove(appointee);
        emit AppointeeRemoved(account, appointee, target, selector);
    }

    /// @notice Whether `caller` is an admin of `account`: the account itself only while it has none.
    /// Source: PermissionController.
    function isAdmin(address account, address caller) public view returns (bool) {
        EnumerableSet.AddressSet storage admins = _permissions[account].admins;
        return admins.length() == 0 ? account == caller : admins.contains(caller);
    }

    /// @notice Whether `admin` was proposed. Source: PermissionController.
    function isPendingAdmin(address account, address admin) external view returns (bool) {
        return _permissions[account].pendingAdmins.contains(admin);
    }

    /// @notice The admins, or the account itself if it has none. Source: PermissionController.
    function getAdmins(address account) external view returns (address[] memory admins) {
        admins = _permissions[account].admins.values();
        if (admins.length == 0) {
            admins = new address[](1);
            admins[0] = account;
        }
    }

    /// @notice The proposed admins. Source: PermissionController.
    function getPendingAdmins(address account) external view returns (address[] memory) {
        return _permissions[account].pendingAdmins.values();
    }

    /// @notice Whether the PermissionController would let `caller` through. An appointment for slashOperator still
    /// answers true under the slasher model, where it is worth nothing. Source: PermissionController.
    function canCall(address account, address caller, address target, bytes4 selector) public view returns (bool) {
        return isAdmin(account, caller)
            || _permissions[account].allowed[caller].contains(_targetAndSelector(target, selector));
    }

    /// @notice The (target, selector) pairs of an appointee. Source: PermissionController.
    function getAppointeePermissions(address account, address appointee)
        external
        view
        returns (address[] memory targets, bytes4[] memory selectors)
    {
        EnumerableSet.Bytes32Set storage keys = _permissions[account].allowed[appointee];
        uint256 length = keys.length();
        (targets, selectors) = (new address[](length), new bytes4[](length));
        for (uint256 i = 0; i < length; ++i) {
            bytes32 key = keys.at(i);
            (targets[i], selectors[i]) = (address(bytes20(key)), bytes4(key << 160));
        }
    }

    /// @notice The appointees for one function. Source: PermissionController.
    function getAppointees(address account, address target, bytes4 selector) external view returns (address[] memory) {
        return _permissions[account].appointees[_targetAndSelector(target, selector)].values();
    }

    function _checkCanCall(address account) internal view {
        require(canCall(account, msg.sender, address(this), msg.sig), InvalidPermissions());
    }

    function _targetAndSelector(address target, bytes4 selector) private pure returns (bytes32) {
        return bytes32(bytes20(target)) | (bytes32(selector) >> 160);
    }
}
