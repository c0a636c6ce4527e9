// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {FrostAccount} from "../src/FrostAccount.sol";
import {FrostVerifier} from "../src/FrostVerifier.sol";
import {IAVSRegistrar, IStrategy, OperatorSet} from "../src/sim/EigenLayerTypes.sol";
import {Signer} from "./Signer.sol";
import {SimSetup} from "./SimSetup.sol";

/// @dev Serves one service, and refuses operators on demand.
contract Registrar is IAVSRegistrar {
    error Refused();

    address private immutable AVS;
    bool public refusing;
    uint256 public calls;

    constructor(address avs) {
        AVS = avs;
    }

    function refuse() external {
        refusing = true;
    }

    function registerOperator(address, address, uint32[] calldata, bytes calldata) external {
        require(!refusing, Refused());
        ++calls;
    }

    function deregisterOperator(address, address, uint32[] calldata) external {
        ++calls;
    }

    function supportsAVS(address avs) external view returns (bool) {
        return avs == AVS;
    }
}

/// @dev Sets, slashers, registration and permissions in the simulation; and a FROST account at work in it.
contract EigenLayerSimAdminTest is SimSetup, Signer {
    address private constant ADMIN = address(0xAD);

    constructor() {
        buildCurrent();
    }

    // Creation of sets

    function create(address avs, IStrategy[] memory strategies, address slasher, address[] memory recipients, bytes4 error_)
        private
    {
        CreateSetParamsV2[] memory params = new CreateSetParamsV2[](1);
        params[0] = CreateSetParamsV2(8, strategies, slasher);
        vm.prank(avs);
        if (error_ != 0) expectError(error_);
        sim.createRedistributingOperatorSets(avs, params, recipients);
    }

    function testCreateErrors() external {
        create(STRANGER, both(), SLASHER, new address[](2), InputArrayLengthMismatch.selector);
        create(STRANGER, both(), SLASHER, addresses(RECIPIENT), NonexistentAVSMetadata.selector);
        create(AVS, both(), SLASHER, addresses(address(0)), InputAddressZero.selector);
        create(AVS, both(), address(0), addresses(RECIPIENT), InputAddressZero.selector);
        address burn = sim.DEFAULT_BURN_ADDRESS();
        create(AVS, both(), SLASHER, addresses(burn), InvalidRedistributionRecipient.selector);
        IStrategy eth = sim.BEACONCHAIN_ETH_STRAT();
        create(AVS, one(eth), SLASHER, addresses(RECIPIENT), InvalidStrategy.selector);
        sim.simForbidRedistribution(S3);
        create(AVS, one(S3), SLASHER, addresses(RECIPIENT), InvalidStrategy.selector);
        create(AVS, two(S1, S1), SLASHER, addresses(RECIPIENT), StrategyAlreadyInOperatorSet.selector);
        create(AVS, both(), SLASHER, addresses(RECIPIENT), 0);
        create(AVS, both(), SLASHER, addresses(RECIPIENT), InvalidOperatorSet.selector);
        CreateSetParamsV2[] memory params = new CreateSetParamsV2[](0);
        vm.prank(STRANGER);
        expectError(InvalidPermissions.selector);
        sim.createOperatorSets(AVS, params);
    }

    function testOldCreateMakesTheServiceTheSlasher() external {
        CreateSetParams[] memory params = new CreateSetParams[](1);
        params[0] = CreateSetParams(9, one(S1));
        vm.prank(AVS);
        sim.createRedistributingOperatorSets(AVS, params, addresses(RECIPIENT));
        OperatorSet memory made = OperatorSet(AVS, 9);
        checkEq(sim.getSlasher(made), AVS, "slasher");
        checkEq(sim.getRedistributionRecipient(made), RECIPIENT, "recipient");
        check(sim.isOperatorSet(made) && sim.isRedistributingOperatorSet(made), "exists");
        check(!sim.isOperatorSet(OperatorSet(AVS, 10)), "others do not");
    }

    function testStrategiesComeAndGoAtOnce() external {
        register(SET);
        vm.prank(AVS);
        sim.removeStrategiesFromOperatorSet(AVS, SET, one(S1));
        IStrategy[] memory left = sim.getStrategiesInOperatorSet(set());
        check(left.length == 1 && same(left[0], S2), "one left");
        vm.prank(SLASHER);
        expectError(StrategyNotInOperatorSet.selector);
        sim.slashOperator(AVS, SlashingParams(OPERATOR, SET, one(S1), wads1(1), ""));
        vm.prank(AVS);
        expectError(StrategyNotInOperatorSet.selector);
        sim.removeStrategiesFromOperatorSet(AVS, SET, one(S1));
        vm.prank(AVS);
        sim.addStrategiesToOperatorSet(AVS, SET, one(S1));
        slash(one(S1), wads1(1));
        IStrategy eth = sim.BEACONCHAIN_ETH_STRAT();
        vm.prank(AVS);
        expectError(InvalidStrategy.selector);
        sim.addStrategiesToOperatorSet(AVS, SET, one(eth));
        vm.prank(STRANGER);
        expectError(InvalidPermissions.selector);
        sim.removeStrategiesFromOperatorSet(AVS, SET, one(S2));
    }

    // The slasher

    function testNewSlasherWaits() external {
        register(SET);
        vm.prank(SLASHER);
        expectError(InvalidPermissions.selector);
        sim.updateSlasher(set(), STRANGER);
        vm.prank(AVS);
        expectError(InputAddressZero.selector);
        sim.updateSlasher(set(), address(0));
        vm.prank(AVS);
        expectError(InvalidOperatorSet.selector);
        sim.updateSlasher(OperatorSet(AVS, 99), STRANGER);
        vm.prank(AVS);
        sim.updateSlasher(set(), STRANGER);
        (address pending, uint32 effectBlock) = sim.getPendingSlasher(set());
        check(pending == STRANGER && effectBlock == 1_000 + CONFIGURATION, "pending");
        vm.roll(effectBlock - 1);
        checkEq(sim.getSlasher(set()), SLASHER, "the old one until then");
        slash(one(S1), wads1(1));
        vm.roll(effectBlock);
        checkEq(sim.getSlasher(set()), STRANGER, "the new one from then on");
        (pending, effectBlock) = sim.getPendingSlasher(set());
        check(pending == address(0) && effectBlock == 0, "nothing pending");
        vm.prank(SLASHER);
        expectError(InvalidCaller.selector);
        sim.slashOperator(AVS, SlashingParams(OPERATOR, SET, one(S1), wads1(1), ""));
        sim.migrateSlashers(new OperatorSet[](1));
        checkEq(sim.getSlasher(set()), STRANGER, "nothing to migrate");
    }

    // Registration

    function testRegistrarIsToldAndMayRefuse() external {
        Registrar other = new Registrar(STRANGER);
        vm.prank(AVS);
        expectError(InvalidAVSRegistrar.selector);
        sim.setAVSRegistrar(AVS, other);
        Registrar registrar = new Registrar(AVS);
        vm.prank(AVS);
        sim.setAVSRegistrar(AVS, registrar);
        register(SET);
        deregister(SET);
        checkEq(registrar.calls(), 2, "told twice");
        registrar.refuse();
        vm.roll(1_000 + DEALLOCATION + 1);
        vm.prank(OPERATOR);
        expectError(Registrar.Refused.selector);
        sim.registerForOperatorSets(OPERATOR, RegisterParams(AVS, ids(SET), ""));
        check(!sim.isOperatorSlashable(OPERATOR, set()), "not registered");
    }

    function testRegistrationErrors() external {
        vm.prank(STRANGER);
        expectError(InvalidPermissions.selector);
        sim.registerForOperatorSets(OPERATOR, RegisterParams(AVS, ids(SET), ""));
        vm.prank(STRANGER);
        expectError(InvalidOperator.selector);
        sim.registerForOperatorSets(STRANGER, RegisterParams(AVS, ids(SET), ""));
        vm.prank(OPERATOR);
        expectError(InvalidOperatorSet.selector);
        sim.registerForOperatorSets(OPERATOR, RegisterParams(AVS, ids(99), ""));
        vm.prank(OPERATOR);
        expectError(NotMemberOfSet.selector);
        sim.deregisterFromOperatorSets(DeregisterParams(OPERATOR, AVS, ids(SET)));
        register(SET);
        vm.prank(OPERATOR);
        expectError(AlreadyMemberOfSet.selector);
        sim.registerForOperatorSets(OPERATOR, RegisterParams(AVS, ids(SET), ""));
        vm.prank(STRANGER);
        expectError(InvalidCaller.selector);
        sim.deregisterFromOperatorSets(DeregisterParams(OPERATOR, AVS, ids(SET)));
        vm.prank(AVS);
        sim.deregisterFromOperatorSets(DeregisterParams(OPERATOR, AVS, ids(SET)));
        vm.prank(OPERATOR);
        expectError(AlreadyMemberOfSet.selector);
        sim.registerForOperatorSets(OPERATOR, RegisterParams(AVS, ids(SET), ""));
        vm.prank(OPERATOR);
        expectError(ActivelyDelegated.selector);
        sim.registerAsOperator(address(0), 0, "");
        sim.simPauseAllocationManager(1 << 2);
        vm.prank(OPERATOR);
        expectError(CurrentlyPaused.selector);
        sim.deregisterFromOperatorSets(DeregisterParams(OPERATOR, AVS, ids(SET)));
    }

    // Permissions

    function addAdmin(address by, address admin) private {
        vm.prank(by);
        sim.addPendingAdmin(AVS, admin);
        vm.prank(admin);
        sim.acceptAdmin(AVS);
    }

    function testFirstAdminReplacesTheAccountItself() external {
        check(sim.isAdmin(AVS, AVS) && sim.getAdmins(AVS)[0] == AVS, "the account while there is no admin");
        vm.prank(AVS);
        sim.addPendingAdmin(AVS, ADMIN);
        check(sim.isAdmin(AVS, AVS) && !sim.isAdmin(AVS, ADMIN), "pending is not yet");
        check(sim.isPendingAdmin(AVS, ADMIN) && sim.getPendingAdmins(AVS)[0] == ADMIN, "pending");
        vm.prank(ADMIN);
        sim.acceptAdmin(AVS);
        check(!sim.isAdmin(AVS, AVS) && sim.isAdmin(AVS, ADMIN) && sim.getAdmins(AVS).length == 1, "replaced");
        vm.prank(AVS);
        expectError(InvalidPermissions.selector);
        sim.updateSlasher(set(), STRANGER);
        vm.prank(ADMIN);
        sim.updateSlasher(set(), STRANGER);
        addAdmin(ADMIN, AVS);
        check(sim.isAdmin(AVS, AVS), "unless it is added too");
        vm.prank(AVS);
        sim.removeAdmin(AVS, ADMIN);
        vm.prank(AVS);
        expectError(CannotHaveZeroAdmins.selector);
        sim.removeAdmin(AVS, AVS);
    }

    function testAdminErrors() external {
        vm.prank(STRANGER);
        expectError(NotAdmin.selector);
        sim.addPendingAdmin(AVS, STRANGER);
        vm.prank(STRANGER);
        expectError(AdminNotPending.selector);
        sim.acceptAdmin(AVS);
        addAdmin(AVS, ADMIN);
        vm.prank(ADMIN);
        expectError(AdminAlreadySet.selector);
        sim.addPendingAdmin(AVS, ADMIN);
        vm.prank(ADMIN);
        sim.addPendingAdmin(AVS, STRANGER);
        vm.prank(ADMIN);
        expectError(AdminAlreadyPending.selector);
        sim.addPendingAdmin(AVS, STRANGER);
        vm.prank(ADMIN);
        sim.removePendingAdmin(AVS, STRANGER);
        vm.prank(ADMIN);
        expectError(AdminNotPending.selector);
        sim.removePendingAdmin(AVS, STRANGER);
        addAdmin(ADMIN, AVS);
        vm.prank(ADMIN);
        expectError(AdminNotSet.selector);
        sim.removeAdmin(AVS, STRANGER);
    }

    function testAppointeesAreBoundToOneFunction() external {
        bytes4 update = sim.updateSlasher.selector;
        vm.prank(STRANGER);
        expectError(NotAdmin.selector);
        sim.setAppointee(AVS, STRANGER, address(sim), update);
        vm.prank(AVS);
        sim.setAppointee(AVS, STRANGER, address(sim), update);
        vm.prank(AVS);
        expectError(AppointeeAlreadySet.selector);
        sim.setAppointee(AVS, STRANGER, address(sim), update);
        check(!sim.canCall(AVS, STRANGER, address(this), update), "not for another target");
        check(!sim.canCall(AVS, STRANGER, address(sim), sim.setAVSRegistrar.selector), "not for another function");
        (address[] memory targets, bytes4[] memory selectors) = sim.getAppointeePermissions(AVS, STRANGER);
        check(targets.length == 1 && targets[0] == address(sim) && selectors[0] == update, "listed");
        checkEq(sim.getAppointees(AVS, address(sim), update)[0], STRANGER, "the other way round");
        vm.prank(STRANGER);
        sim.updateSlasher(set(), STRANGER);
        vm.prank(AVS);
        sim.removeAppointee(AVS, STRANGER, address(sim), update);
        vm.prank(AVS);
        expectError(AppointeeNotSet.selector);
        sim.removeAppointee(AVS, STRANGER, address(sim), update);
        vm.prank(STRANGER);
        expectError(InvalidPermissions.selector);
        sim.updateSlasher(set(), STRANGER);
    }

    // A FROST account as slasher and recipient

    function testFrostAccountSlashesAndIsPaid() external {
        uint256 d = 0xd00d;
        (uint256 px, uint256 py) = publicKey(d);
        FrostAccount account = new FrostAccount(address(new FrostVerifier()), bytes32(px), bytes32(py));
        CreateSetParamsV2[] memory params = new CreateSetParamsV2[](1);
        params[0] = CreateSetParamsV2(8, both(), address(account));
        vm.prank(AVS);
        sim.createRedistributingOperatorSets(AVS, params, addresses(address(account)));
        AllocateParams[] memory allocations = allocation(8, S1, 0.5e18);
        vm.prank(OPERATOR);
        sim.modifyAllocations(OPERATOR, allocations);
        register(8);

        SlashingParams memory slashing = SlashingParams(OPERATOR, 8, one(S1), wads1(0.5e18), "evidence");
        bytes[] memory results =
            run(account, d, 1, address(sim), abi.encodeCall(sim.slashOperator, (AVS, slashing)));
        (uint256 slashId, uint256[] memory shares) = abi.decode(results[0], (uint256, uint256[]));
        check(slashId == 1 && shares[0] == 250e18, "slashed");
        vm.roll(1_000 + RESOLUTION + 1);
        sim.clearBurnOrRedistributableShares(OperatorSet(AVS, 8), 1);
        checkEq(token1.balanceOf(address(account)), 250e18, "paid to the account");
        run(account, d, 2, address(token1), abi.encodeCall(token1.transfer, (STRANGER, 250e18)));
        checkEq(token1.balanceOf(STRANGER), 250e18, "and on to the beneficiary");
    }

    function run(FrostAccount account, uint256 d, uint256 nonce, address to, bytes memory data)
        private
        returns (bytes[] memory)
    {
        FrostAccount.Call[] memory calls = new FrostAccount.Call[](1);
        calls[0] = FrostAccount.Call(to, 0, data);
        bytes memory signature = pack(sign(d, 0xcafe, account.hashExecute(calls, nonce, 0, type(uint64).max)));
        return account.execute(calls, nonce, 0, type(uint64).max, signature);
    }
}
