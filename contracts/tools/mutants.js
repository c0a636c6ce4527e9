#!/usr/bin/env node
// Runs the tests on wrong contracts: each entry of mutants.json is one change, which the tests it names have to notice.
//   node tools/mutants.js            all of them
//   node tools/mutants.js WORD...    those whose id holds one of the words
// Works on copies in cache/mutants, in foundry.toml's profile "mutants". Fails if a mutant survives, does not compile, or
// if its `find` does not stand exactly once in its file.
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const COPIES = path.join(ROOT, 'cache', 'mutants');
const FORGE = path.join(ROOT, 'node_modules', '.bin', 'forge');

/** The files of this project that `file` imports, directly or not, and itself. */
function closure(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  const source = fs.readFileSync(path.join(ROOT, file), 'utf8');
  for (const [, name] of source.matchAll(/^(?:import .*|\} )from "(\.[^"]+)";/gm)) {
    closure(path.join(path.dirname(file), name), found);
  }
  return found;
}

/** A folder with these tests and what they import, and nothing else that a mutant would make forge compile. */
function prepare(tests) {
  const copy = path.join(COPIES, tests.join('+').replaceAll(/\W+/g, '-'));
  for (const name of ['src', 'test']) fs.rmSync(path.join(copy, name), { recursive: true, force: true });
  const files = new Set(['foundry.toml', 'tools/solc', ...tests.flatMap((name) => [...closure(`test/${name}.t.sol`)])]);
  for (const file of files) fs.cpSync(path.join(ROOT, file), path.join(copy, file), { preserveTimestamps: true });
  for (const name of ['node_modules', 'artifacts']) {
    if (!fs.existsSync(path.join(copy, name))) fs.symlinkSync(path.join(ROOT, name), path.join(copy, name));
  }
  return copy;
}

/** 'passed', 'failed', or the output if something else than a test went wrong. Unoptimized code is large. */
function test(copy) {
  const args = ['test', '--fail-fast', '--code-size-limit', '1000000'];
  const run = spawnSync(FORGE, args, { cwd: copy, encoding: 'utf8', env: { ...process.env, FOUNDRY_PROFILE: 'mutants' } });
  if (run.status === 0) return 'passed';
  return /^\[FAIL/m.test(run.stdout) ? 'failed' : `${run.stdout}${run.stderr}`;
}

function tryMutant(copy, { file, find, replace }) {
  const where = path.join(copy, file);
  const source = fs.readFileSync(path.join(ROOT, file), 'utf8');
  const times = source.split(find).length - 1;
  if (times !== 1) return `\`find\` stands ${times} times in ${file}`;
  fs.writeFileSync(where, source.replace(find, () => replace));
  const result = test(copy);
  fs.writeFileSync(where, source);
  return { passed: 'survived', failed: 'killed' }[result] || `does not compile:\n${result}`;
}

const words = process.argv.slice(2);
const mutants = JSON.parse(fs.readFileSync(path.join(ROOT, 'mutants.json'), 'utf8')).filter(
  (m) => words.length === 0 || words.some((word) => m.id.includes(word)),
);
if (new Set(mutants.map((m) => m.id)).size !== mutants.length) throw new Error('mutants.json: an id stands twice');

const copies = new Map();
let wrong = 0;
for (const mutant of mutants) {
  const key = mutant.tests.join(' ');
  if (!copies.has(key)) {
    copies.set(key, prepare(mutant.tests));
    const result = test(copies.get(key));
    if (result !== 'passed') throw new Error(`${key}: fails without any mutant:\n${result}`);
  }
  const result = tryMutant(copies.get(key), mutant);
  if (result !== 'killed') wrong += 1;
  console.log(`${mutant.id}: ${result}`);
}
console.log(`${mutants.length - wrong} of ${mutants.length} mutants killed`);
process.exitCode = wrong === 0 ? 0 : 1;
