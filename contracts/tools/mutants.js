#!/usr/bin/env node
// Runs the tests on wrong contracts: each entry of mutants.json is one change, which the tests it names have to notice.
//   node tools/mutants.js            all of them
//   node tools/mutants.js WORD...    those whose id holds one of the words
// Works on a copy in cache/mutants, in foundry.toml's profile "mutants". Fails if a mutant survives, does not compile, or
// if its `find` does not stand exactly once in its file.
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const COPY = path.join(ROOT, 'cache', 'mutants');
const FORGE = path.join(ROOT, 'node_modules', '.bin', 'forge');

function prepare() {
  fs.mkdirSync(COPY, { recursive: true });
  for (const name of ['src', 'test', 'tools', 'foundry.toml', 'package.json']) {
    fs.rmSync(path.join(COPY, name), { recursive: true, force: true });
    fs.cpSync(path.join(ROOT, name), path.join(COPY, name), { recursive: true, preserveTimestamps: true });
  }
  const modules = path.join(COPY, 'node_modules');
  if (!fs.existsSync(modules)) fs.symlinkSync(path.join(ROOT, 'node_modules'), modules);
}

/** 'passed', 'failed', or the output if something else than a test went wrong. Unoptimized code is large. */
function test(tests) {
  const args = ['test', '--fail-fast', '--match-path', tests, '--code-size-limit', '1000000'];
  const run = spawnSync(FORGE, args, { cwd: COPY, encoding: 'utf8', env: { ...process.env, FOUNDRY_PROFILE: 'mutants' } });
  if (run.status === 0) return 'passed';
  return /^\[FAIL/m.test(run.stdout) ? 'failed' : `${run.stdout}${run.stderr}`;
}

function tryMutant({ file, find, replace, tests }) {
  const where = path.join(COPY, file);
  const source = fs.readFileSync(path.join(ROOT, file), 'utf8');
  const times = source.split(find).length - 1;
  if (times !== 1) return `\`find\` stands ${times} times in ${file}`;
  fs.writeFileSync(where, source.replace(find, () => replace));
  const result = test(tests);
  fs.writeFileSync(where, source);
  return { passed: 'survived', failed: 'killed' }[result] || `does not compile:\n${result}`;
}

const words = process.argv.slice(2);
const mutants = JSON.parse(fs.readFileSync(path.join(ROOT, 'mutants.json'), 'utf8')).filter(
  (m) => words.length === 0 || words.some((word) => m.id.includes(word)),
);
if (new Set(mutants.map((m) => m.id)).size !== mutants.length) throw new Error('mutants.json: an id stands twice');
prepare();
for (const tests of new Set(mutants.map((m) => m.tests))) {
  const result = test(tests);
  if (result !== 'passed') throw new Error(`${tests} does not pass without any mutant:\n${result}`);
}
let wrong = 0;
for (const mutant of mutants) {
  const result = tryMutant(mutant);
  if (result !== 'killed') wrong += 1;
  console.log(`${mutant.id}: ${result}`);
}
console.log(`${mutants.length - wrong} of ${mutants.length} mutants killed`);
process.exitCode = wrong === 0 ? 0 : 1;
