#!/usr/bin/env node
// Compiles the contracts and writes artifacts/<Contract>.json: { contractName, abi, bytecode, deployedBytecode }.
//   node build.js           write the artifacts
//   node build.js --check   compile, compare with the committed artifacts, name every file that differs
// Compiler settings come from foundry.toml. Source names are relative to this folder, so the output does not depend
// on where the folder lies.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const solc = require('solc');

const ROOT = __dirname;
const ARTIFACTS = path.join(ROOT, 'artifacts');
const CONTRACTS = {
  FrostVerifier: 'src/FrostVerifier.sol',
  FrostAccount: 'src/FrostAccount.sol',
  FrostOwner: 'src/FrostOwner.sol',
  SlashGate: 'src/SlashGate.sol',
  Treasury: 'src/Treasury.sol',
  TimelockVeto: 'src/TimelockVeto.sol',
  GuardFactory: 'src/GuardFactory.sol',
  Authority: 'src/Authority.sol',
  AccessManager: '@openzeppelin/contracts/access/manager/AccessManager.sol',
  TimelockController: '@openzeppelin/contracts/governance/TimelockController.sol',
  EigenLayerSim: 'src/sim/EigenLayerSim.sol',
  TestToken: 'src/sim/TestToken.sol',
};
const MAX_RUNTIME_BYTES = 24_576; // EIP-170
const MAX_CREATION_BYTES = 49_152; // EIP-3860; arguments count as well

/** Reads one `key = value` line of foundry.toml's default profile. */
function setting(key) {
  const profile = fs.readFileSync(path.join(ROOT, 'foundry.toml'), 'utf8').split(/^\[(?!profile\.default\])/m)[0];
  const found = profile.match(new RegExp(`^${key}\\s*=\\s*(.+?)\\s*$`, 'm'));
  if (!found) throw new Error(`foundry.toml: no ${key} in [profile.default]`);
  return JSON.parse(found[1].replace(/(?<=\d)_(?=\d)/g, ''));
}

function readImport(name) {
  const base = name.startsWith('@') ? path.join(ROOT, 'node_modules') : ROOT;
  try {
    return { contents: fs.readFileSync(path.join(base, name), 'utf8') };
  } catch (error) {
    return { error: `cannot read ${name}: ${error.code}` };
  }
}

function compile() {
  const sources = {};
  for (const file of Object.values(CONTRACTS)) sources[file] = { content: readImport(file).contents };
  const input = {
    language: 'Solidity',
    sources,
    settings: {
      optimizer: { enabled: setting('optimizer'), runs: setting('optimizer_runs') },
      viaIR: setting('via_ir'),
      evmVersion: setting('evm_version'),
      metadata: { bytecodeHash: setting('bytecode_hash'), appendCBOR: setting('cbor_metadata') },
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));
  // Errors fail the build, and so do warnings about our own sources.
  const ours = (e) => !e.sourceLocation || e.sourceLocation.file.startsWith('src/');
  const complaints = (output.errors || []).filter((e) => e.severity === 'error' || (e.severity === 'warning' && ours(e)));
  if (complaints.length > 0) throw new Error(complaints.map((e) => e.formattedMessage).join('\n'));

  const artifacts = {};
  for (const [contractName, file] of Object.entries(CONTRACTS)) {
    const { abi, evm } = output.contracts[file][contractName];
    const size = evm.deployedBytecode.object.length / 2;
    if (size > MAX_RUNTIME_BYTES) throw new Error(`${contractName}: ${size} bytes of code, EIP-170 allows ${MAX_RUNTIME_BYTES}`);
    const creation = evm.bytecode.object.length / 2;
    if (creation > MAX_CREATION_BYTES) throw new Error(`${contractName}: ${creation} bytes of creation code, EIP-3860 allows ${MAX_CREATION_BYTES}`);
    const artifact = {
      contractName,
      abi,
      bytecode: `0x${evm.bytecode.object}`,
      deployedBytecode: `0x${evm.deployedBytecode.object}`,
    };
    artifacts[`${contractName}.json`] = `${JSON.stringify(artifact, null, 2)}\n`;
  }
  return artifacts;
}

function write(artifacts) {
  fs.mkdirSync(ARTIFACTS, { recursive: true });
  for (const [name, text] of Object.entries(artifacts)) fs.writeFileSync(path.join(ARTIFACTS, name), text);
}

/** Names of the files in artifacts/ that are missing, differ, or do not belong there. */
function differing(artifacts) {
  const present = fs.existsSync(ARTIFACTS) ? fs.readdirSync(ARTIFACTS) : [];
  const wrong = Object.keys(artifacts).filter(
    (name) => !present.includes(name) || fs.readFileSync(path.join(ARTIFACTS, name), 'utf8') !== artifacts[name],
  );
  return wrong.concat(present.filter((name) => !(name in artifacts)));
}

try {
  const artifacts = compile();
  if (process.argv.includes('--check')) {
    const wrong = differing(artifacts);
    for (const name of wrong) console.error(`artifacts/${name} is not what the sources compile to; run: node build.js`);
    if (wrong.length > 0) process.exitCode = 1;
  } else {
    write(artifacts);
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
