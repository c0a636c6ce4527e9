// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {PermissionSim} from "./PermissionSim.sol";
import {IAVSRegistrar, IAllocationManagerTypes, IStrategy, OperatorSet, SimModel} from "./EigenLayerTypes.sol";

/// @title Simulation of the AllocationManager's part about operator sets, their slashers and their recipients
/// @notice Written from the published behaviour of core v1.9 and later. Not EigenLayer's code.
abstract contract OperatorSetSim is PermissionSim, IAllocationManagerTypes {
    using EnumerableSet for EnumerableSet.AddressSet;

    struct Slasher {
        address current;
        address pending;
        uint32 effectBlock;
    }

    /// @notice Where slashed funds of a set without recipient go.
    address public constant DEFAULT_BURN_ADDRESS = 0x00000000000000000000000000000000000E16E4;

    /// @notice Stands for native ETH; not redistributable.
    IStrategy public constant BEACONCHAIN_ETH_STRAT = IStrategy(0xbeaC0eeEeeeeEEeEeEEEEeeEEeEeeeEeeEEBEaC0);

    /// @notice Blocks between updateSlasher and its effect.
    uint32 public immutable SLASHER_CONFIGURATION_DELAY;

    /// @notice Simulation only: the model this instance follows.
    SimModel public immutable simModel;

    mapping(address avs => bool) private _hasMetadata;
    mapping(address avs => address) private _registrars;
    mapping(bytes32 setKey => bool) private _exists;
    mapping(bytes32 setKey => address) private _recipients;
    mapping(bytes32 setKey => Slasher) private _slashers;
    mapping(bytes32 setKey => EnumerableSet.AddressSet) internal _strategies;
    mapping(address strategy => bool) private _notRedistributable;

    /// @dev The functions that came with v1.9 do not exist before: a call finds nothing and gets no reason.
    modifier sinceV1_9() {
        if (simModel != SimModel.SlasherFromV1_9) _notInThisVersion();
        _;
    }

    constructor(uint32 slasherConfigurationDelay, SimModel model) {
        SLASHER_CONFIGURATION_DELAY = slasherConfigurationDelay;
        simModel = model;
        _notRedistributable[address(BEACONCHAIN_ETH_STRAT)] = true;
    }

    /// @notice Publishes a service's metadata; needed before it can create sets. Source: AllocationManager.
    function updateAVSMetadataURI(address avs, string calldata metadataURI) external checkCanCall(avs) {
        _hasMetadata[avs] = true;
        emit AVSMetadataURIUpdated(avs, metadataURI);
    }

    /// @notice Names the contract that hears of registrations. Source: AllocationManager.
    function setAVSRegistrar(address avs, IAVSRegistrar registrar) external checkCanCall(avs) {
        _registrars[avs] = address(registrar);
        require(address(registrar) == address(0) || registrar.supportsAVS(avs), InvalidAVSRegistrar());
        emit AVSRegistrarSet(avs, getAVSRegistrar(avs));
    }

    /// @notice Creates sets whose slashed funds are burned. Source: AllocationManager v1.9.
    function createOperatorSets(address avs, CreateSetParamsV2[] calldata params) external sinceV1_9 checkCanCall(avs) {
        for (uint256 i = 0; i < params.length; ++i) {
            _createSet(OperatorSet(avs, params[i].operatorSetId), params[i].strategies, params[i].slasher, address(0));
        }
    }

    /// @notice The older form; from v1.9 on the service becomes the slasher. Source: AllocationManager.
    function createOperatorSets(address avs, CreateSetParams[] calldata params) external checkCanCall(avs) {
        for (uint256 i = 0; i < params.length; ++i) {
            _createSet(OperatorSet(avs, params[i].operatorSetId), params[i].strategies, avs, address(0));
        }
    }

    /// @notice Creates sets whose slashed funds go to a recipient, for ever. Source: AllocationManager v1.9.
    function createRedistributingOperatorSets(
        address avs,
        CreateSetParamsV2[] calldata params,
        address[] calldata redistributionRecipients
    ) external sinceV1_9 checkCanCall(avs) {
        require(params.length == redistributionRecipients.length, InputArrayLengthMismatch());
        require(_hasMetadata[avs], NonexistentAVSMetadata());
        for (uint256 i = 0; i < params.length; ++i) {
            address recipient = _checkedRecipient(redistributionRecipients[i]);
            _createSet(OperatorSet(avs, params[i].operatorSetId), params[i].strategies, params[i].slasher, recipient);
        }
    }

    /// @notice The older form; from v1.9 on the service becomes the slasher. Source: AllocationManager v1.5.
    function createRedistributingOperatorSets(
        address avs,
        CreateSetParams[] calldata params,
        address[] calldata redistributionRecipients
    ) external checkCanCall(avs) {
        require(params.length == redistributionRecipients.length, InputArrayLengthMismatch());
        require(_hasMetadata[avs], NonexistentAVSMetadata());
        for (uint256 i = 0; i < params.length; ++i) {
            address recipient = _checkedRecipient(redistributionRecipients[i]);
            _createSet(OperatorSet(avs, params[i].operatorSetId), params[i].strategies, avs, recipient);
        }
    }

    /// @notice Adds strategies to a set. Source: AllocationManager.
    function addStrategiesToOperatorSet(address avs, uint32 operatorSetId, IStrategy[] calldata strategies)
        external
        checkCanCall(avs)
    {
        OperatorSet memory set = OperatorSet(avs, operatorSetId);
        require(isOperatorSet(set), InvalidOperatorSet());
        bool redistributing = isRedistributingOperatorSet(set);
        for (uint256 i = 0; i < strategies.length; ++i) {
            _addStrategy(set, strategies[i], redistributing);
        }
    }

    /// @notice Removes strategies from a set, at once: they cannot be slashed any more. Source: AllocationManager.
    function removeStrategiesFromOperatorSet(address avs, uint32 operatorSetId, IStrategy[] calldata strategies)
        external
        checkCanCall(avs)
    {
        OperatorSet memory set = OperatorSet(avs, operatorSetId);
        require(isOperatorSet(set), InvalidOperatorSet());
        for (uint256 i = 0; i < strategies.length; ++i) {
            require(_strategies[_key(set)].remove(address(strategies[i])), StrategyNotInOperatorSet());
            emit StrategyRemovedFromOperatorSet(set, strategies[i]);
        }
    }

    /// @notice Names another slasher, who acts from the effect block on. Source: AllocationManager v1.9.
    function updateSlasher(OperatorSet memory operatorSet, address slasher)
        external
        sinceV1_9
        checkCanCall(operatorSet.avs)
    {
        require(isOperatorSet(operatorSet), InvalidOperatorSet());
        require(slasher != address(0), InputAddressZero());
        Slasher storage s = _slashers[_key(operatorSet)];
        s.current = getSlasher(operatorSet);
        s.pending = slasher;
        s.effectBlock = uint32(block.number) + SLASHER_CONFIGURATION_DELAY;
        emit SlasherUpdated(operatorSet, slasher, s.effectBlock);
    }

    /// @notice Does nothing: sets made here have a slasher from the start. (In the core it gives one to older sets.)
    /// Source: AllocationManager v1.9.
    function migrateSlashers(OperatorSet[] memory operatorSets) external view sinceV1_9 {}

    /// @notice The slasher of this block. Source: AllocationManager v1.9.
    function getSlasher(OperatorSet memory operatorSet) public view sinceV1_9 returns (address) {
        Slasher storage s = _slashers[_key(operatorSet)];
        return s.pending != address(0) && block.number >= s.effectBlock ? s.pending : s.current;
    }

    /// @notice The slasher to come and its effect block, or zeros. Source: AllocationManager v1.9.
    function getPendingSlasher(OperatorSet memory operatorSet)
        external
        view
        sinceV1_9
        returns (address pendingSlasher, uint32 effectBlock)
    {
        Slasher storage s = _slashers[_key(operatorSet)];
        if (block.number < s.effectBlock) return (s.pending, s.effectBlock);
    }

    /// @notice Who receives slashed funds: the set's recipient or the burn address. Source: AllocationManager v1.5.
    function getRedistributionRecipient(OperatorSet memory operatorSet) public view returns (address) {
        address recipient = _recipients[_key(operatorSet)];
        return recipient == address(0) ? DEFAULT_BURN_ADDRESS : recipient;
    }

    /// @notice Whether the set has a recipient. Source: AllocationManager v1.5.
    function isRedistributingOperatorSet(OperatorSet memory operatorSet) public view returns (bool) {
        return _recipients[_key(operatorSet)] != address(0);
    }

    /// @notice Whether the set exists. Source: AllocationManager.
    function isOperatorSet(OperatorSet memory operatorSet) public view returns (bool) {
        return _exists[_key(operatorSet)];
    }

    /// @notice The strategies of a set. Source: AllocationManager.
    function getStrategiesInOperatorSet(OperatorSet memory operatorSet) external view returns (IStrategy[] memory) {
        return _asStrategies(_strategies[_key(operatorSet)].values());
    }

    /// @notice The registrar, by default the service itself. Source: AllocationManager.
    function getAVSRegistrar(address avs) public view returns (IAVSRegistrar) {
        address registrar = _registrars[avs];
        return IAVSRegistrar(registrar == address(0) ? avs : registrar);
    }

    /// @notice Simulation only: makes a strategy stand for EIGEN, which cannot be redistributed.
    function simForbidRedistribution(IStrategy strategy) external {
        _notRedistributable[address(strategy)] = true;
    }

    /// @dev avs (20 bytes) || uint96(id), as in the core.
    function _key(OperatorSet memory set) internal pure returns (bytes32) {
        return bytes32(bytes20(set.avs)) | bytes32(uint256(set.id));
    }

    function _asStrategies(address[] memory addresses) internal pure returns (IStrategy[] memory strategies) {
        assembly ("memory-safe") {
            strategies := addresses
        }
    }

    /// @dev What a call of an unknown selector gets.
    function _notInThisVersion() internal pure {
        assembly ("memory-safe") {
            revert(0, 0)
        }
    }

    function _checkedRecipient(address recipient) private pure returns (address) {
        require(recipient != address(0), InputAddressZero());
        require(recipient != DEFAULT_BURN_ADDRESS, InvalidRedistributionRecipient());
        return recipient;
    }

    function _createSet(OperatorSet memory set, IStrategy[] calldata strategies, address slasher, address recipient)
        private
    {
        require(_hasMetadata[set.avs], NonexistentAVSMetadata());
        require(!isOperatorSet(set), InvalidOperatorSet());
        bytes32 key = _key(set);
        _exists[key] = true;
        emit OperatorSetCreated(set);
        if (recipient != address(0)) {
            _recipients[key] = recipient;
            emit RedistributionAddressSet(set, recipient);
        }
        for (uint256 i = 0; i < strategies.length; ++i) {
            _addStrategy(set, strategies[i], recipient != address(0));
        }
        if (simModel == SimModel.SlasherFromV1_9) {
            require(slasher != address(0), InputAddressZero());
            _slashers[key].current = slasher;
            emit SlasherUpdated(set, slasher, uint32(block.number));
        }
    }

    function _addStrategy(OperatorSet memory set, IStrategy strategy, bool redistributing) private {
        require(!redistributing || !_notRedistributable[address(strategy)], InvalidStrategy());
        require(_strategies[_key(set)].add(address(strategy)), StrategyAlreadyInOperatorSet());
        emit StrategyAddedToOperatorSet(set, strategy);
    }
}
