// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {EnumerableMap} from "@openzeppelin/contracts/utils/structs/EnumerableMap.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {OperatorSetSim} from "./OperatorSetSim.sol";
import {IStrategy, OperatorSet} from "./EigenLayerTypes.sol";

/// @title Simulation of the shares: the StrategyManager's clears and the DelegationManager's operators
/// @notice Written from the published behaviour of core v1.5 and later, with v1.13's resolution delay. Not
/// EigenLayer's code. A share is worth one unit of the strategy's token; there are no stakers and no withdrawals.
abstract contract ShareSim is OperatorSetSim {
    using EnumerableMap for EnumerableMap.AddressToUintMap;
    using EnumerableSet for EnumerableSet.Bytes32Set;
    using EnumerableSet for EnumerableSet.UintSet;
    using SafeERC20 for IERC20;

    /// @notice Simulation only: the strategy has no token.
    error SimStrategyWithoutToken(IStrategy strategy);

    uint256 private constant PAUSED_BURNING_AND_REDISTRIBUTION = 1;

    uint32 private immutable _resolutionDelay;

    mapping(address operator => bool) private _isOperator;
    mapping(address operator => uint32) internal _allocationDelays;
    mapping(address operator => mapping(address strategy => uint256)) private _operatorShares;
    mapping(address strategy => IERC20) private _tokens;

    mapping(bytes32 setKey => mapping(uint256 slashId => EnumerableMap.AddressToUintMap)) private _slashedShares;
    mapping(bytes32 setKey => mapping(uint256 slashId => uint32)) private _resolutionBlocks;
    mapping(bytes32 setKey => EnumerableSet.UintSet) private _pendingSlashIds;
    EnumerableSet.Bytes32Set private _pendingSets;

    uint256 private _strategyManagerPaused;

    /// @dev What came with v1.13 does not exist without a resolution delay.
    modifier sinceV1_13() {
        if (_resolutionDelay == 0) _notInThisVersion();
        _;
    }

    constructor(uint32 resolutionDelay) {
        _resolutionDelay = resolutionDelay;
    }

    // DelegationManager

    /// @notice Makes the caller an operator, whose allocation delay acts at once. Source: DelegationManager v1.9.
    function registerAsOperator(address initDelegationApprover, uint32 allocationDelay, string calldata metadataURI)
        external
    {
        require(!_isOperator[msg.sender], ActivelyDelegated());
        _isOperator[msg.sender] = true;
        _allocationDelays[msg.sender] = allocationDelay;
        emit OperatorRegistered(msg.sender, initDelegationApprover);
        emit OperatorMetadataURIUpdated(msg.sender, metadataURI);
    }

    /// @notice Whether `operator` has registered. Source: DelegationManager.
    function isOperator(address operator) public view returns (bool) {
        return _isOperator[operator];
    }

    /// @notice The operator's shares in one strategy. Source: DelegationManager.
    function operatorShares(address operator, IStrategy strategy) external view returns (uint256) {
        return _operatorShares[operator][address(strategy)];
    }

    /// @notice The operator's shares in each strategy. Source: DelegationManager.
    function getOperatorShares(address operator, IStrategy[] calldata strategies)
        external
        view
        returns (uint256[] memory shares)
    {
        shares = new uint256[](strategies.length);
        for (uint256 i = 0; i < strategies.length; ++i) {
            shares[i] = _operatorShares[operator][address(strategies[i])];
        }
    }

    // StrategyManager

    /// @notice Moves everything slashed under `slashId` to the set's recipient. Anyone may call; nothing left, or an
    /// unknown slashId, is no error. Source: StrategyManager v1.5, v1.13.
    function clearBurnOrRedistributableShares(OperatorSet calldata operatorSet, uint256 slashId)
        external
        returns (uint256[] memory amounts)
    {
        _checkClearable(operatorSet, slashId);
        address[] memory strategies = _slashedShares[_key(operatorSet)][slashId].keys();
        amounts = new uint256[](strategies.length);
        for (uint256 i = 0; i < strategies.length; ++i) {
            amounts[i] = _clear(operatorSet, slashId, strategies[i]);
        }
    }

    /// @notice The same for one strategy. Source: StrategyManager v1.5, v1.13.
    function clearBurnOrRedistributableSharesByStrategy(
        OperatorSet calldata operatorSet,
        uint256 slashId,
        IStrategy strategy
    ) external returns (uint256) {
        _checkClearable(operatorSet, slashId);
        return _clear(operatorSet, slashId, address(strategy));
    }

    /// @notice What a clear would move. Source: StrategyManager v1.5.
    function getBurnOrRedistributableShares(OperatorSet calldata operatorSet, uint256 slashId)
        external
        view
        returns (IStrategy[] memory strategies, uint256[] memory shares)
    {
        EnumerableMap.AddressToUintMap storage slashed = _slashedShares[_key(operatorSet)][slashId];
        strategies = _asStrategies(slashed.keys());
        shares = new uint256[](strategies.length);
        for (uint256 i = 0; i < strategies.length; ++i) {
            shares[i] = slashed.get(address(strategies[i]));
        }
    }

    /// @notice What a clear of one strategy would move. Source: StrategyManager v1.5.
    function getBurnOrRedistributableShares(OperatorSet calldata operatorSet, uint256 slashId, IStrategy strategy)
        external
        view
        returns (uint256 shares)
    {
        (, shares) = _slashedShares[_key(operatorSet)][slashId].tryGet(address(strategy));
    }

    /// @notice How many strategies of a slash await clearing. Source: StrategyManager v1.5.
    function getBurnOrRedistributableCount(OperatorSet calldata operatorSet, uint256 slashId)
        external
        view
        returns (uint256)
    {
        return _slashedShares[_key(operatorSet)][slashId].length();
    }

    /// @notice The sets with slashes that await clearing. Source: StrategyManager v1.5.
    function getPendingOperatorSets() external view returns (OperatorSet[] memory sets) {
        sets = new OperatorSet[](_pendingSets.length());
        for (uint256 i = 0; i < sets.length; ++i) {
            sets[i] = _setOf(_pendingSets.at(i));
        }
    }

    /// @notice The slashes of a set that await clearing. Source: StrategyManager v1.5.
    function getPendingSlashIds(OperatorSet calldata operatorSet) external view returns (uint256[] memory) {
        return _pendingSlashIds[_key(operatorSet)].values();
    }

    /// @notice Blocks between a slash and its clear; 50,400 in the core. Source: StrategyManager v1.13.
    // forge-lint: disable-next-line(mixed-case-function)
    function SLASH_RESOLUTION_DELAY_BLOCKS() external view sinceV1_13 returns (uint32) {
        return _resolutionDelay;
    }

    /// @notice The last block in which the slash cannot be cleared, or 0. Source: StrategyManager v1.13.
    function getSlashResolutionBlock(OperatorSet calldata operatorSet, uint256 slashId)
        external
        view
        sinceV1_13
        returns (uint32)
    {
        return _resolutionBlocks[_key(operatorSet)][slashId];
    }

    // Simulation only

    /// @notice Simulation only: says which token a strategy holds.
    function simSetToken(IStrategy strategy, IERC20 token) external {
        _tokens[address(strategy)] = token;
    }

    /// @notice Simulation only: takes `amount` of the strategy's token from the caller and gives the operator as many
    /// shares.
    function simDeposit(address operator, IStrategy strategy, uint256 amount) external {
        IERC20 token = _token(strategy);
        _operatorShares[operator][address(strategy)] += amount;
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @notice Simulation only: sets the StrategyManager's pause bits. Bit 1 stops both clears, from v1.13 on.
    function simPauseStrategyManager(uint256 bits) external {
        _strategyManagerPaused = bits;
    }

    /// @dev Takes the slashed part of the operator's shares and books it for the recipient. Rounds the loss down.
    /// Source: DelegationManager.slashOperatorShares, StrategyManager.increaseBurnOrRedistributableShares.
    function _slashShares(
        address operator,
        OperatorSet memory set,
        uint256 slashId,
        IStrategy strategy,
        uint64 oldMaxMagnitude,
        uint64 newMaxMagnitude
    ) internal returns (uint256 slashed) {
        uint256 shares = _operatorShares[operator][address(strategy)];
        uint256 left = Math.mulDiv(shares, newMaxMagnitude, oldMaxMagnitude, Math.Rounding.Ceil);
        slashed = shares - left;
        _operatorShares[operator][address(strategy)] = left;
        emit OperatorSharesSlashed(operator, strategy, slashed);

        bytes32 key = _key(set);
        _slashedShares[key][slashId].set(address(strategy), slashed);
        _pendingSlashIds[key].add(slashId);
        _pendingSets.add(key);
        if (_resolutionDelay != 0 && _resolutionBlocks[key][slashId] == 0) {
            uint32 resolutionBlock = uint32(block.number) + _resolutionDelay;
            _resolutionBlocks[key][slashId] = resolutionBlock;
            emit SlashResolutionBlockSet(set, slashId, resolutionBlock);
        }
        emit BurnOrRedistributableSharesIncreased(set, slashId, strategy, slashed);
    }

    function _setOf(bytes32 key) internal pure returns (OperatorSet memory) {
        return OperatorSet(address(bytes20(key)), uint32(uint256(key)));
    }

    function _isPaused(uint256 bits, uint256 bit) internal pure returns (bool) {
        return bits & (1 << bit) != 0;
    }

    function _checkClearable(OperatorSet calldata set, uint256 slashId) private view {
        if (_resolutionDelay == 0) return;
        require(!_isPaused(_strategyManagerPaused, PAUSED_BURNING_AND_REDISTRIBUTION), CurrentlyPaused());
        require(block.number > _resolutionBlocks[_key(set)][slashId], SlashResolutionDelayNotElapsed());
    }

    function _clear(OperatorSet calldata set, uint256 slashId, address strategy) private returns (uint256 amount) {
        bytes32 key = _key(set);
        EnumerableMap.AddressToUintMap storage slashed = _slashedShares[key][slashId];
        (, amount) = slashed.tryGet(strategy);
        slashed.remove(strategy);
        if (slashed.length() == 0) {
            _pendingSlashIds[key].remove(slashId);
            if (_pendingSlashIds[key].length() == 0) _pendingSets.remove(key);
        }
        if (amount != 0) {
            emit BurnOrRedistributableSharesDecreased(set, slashId, IStrategy(strategy), amount);
            _token(IStrategy(strategy)).safeTransfer(getRedistributionRecipient(set), amount);
        }
    }

    function _token(IStrategy strategy) private view returns (IERC20 token) {
        token = _tokens[address(strategy)];
        require(address(token) != address(0), SimStrategyWithoutToken(strategy));
    }
}
