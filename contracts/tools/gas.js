#!/usr/bin/env node
// Measures gas by test/Gas*.t.sol, which fails beyond the hard bounds, and compares with the committed gas.json.
//   node tools/gas.js           fails if a figure is more than 1% above the committed one, or is missing there
//   node tools/gas.js --write   writes gas.json
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const COMMITTED = path.join(ROOT, 'gas.json');
const TOLERANCE = 1.01;

function measure() {
  const forge = path.join(ROOT, 'node_modules', '.bin', 'forge');
  const run = spawnSync(forge, ['test', '--match-path', 'test/Gas*.t.sol', '-vv'], { cwd: ROOT, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`${run.stdout}${run.stderr}`);
  const figures = [...run.stdout.matchAll(/^ {2}(\S.*): (\d+)$/gm)].map(([, name, gas]) => [name, Number(gas)]);
  return Object.fromEntries(figures.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function compare(figures) {
  const committed = JSON.parse(fs.readFileSync(COMMITTED, 'utf8'));
  let wrong = 0;
  for (const name of new Set([...Object.keys(figures), ...Object.keys(committed)])) {
    const [now, before] = [figures[name], committed[name]];
    const ok = now !== undefined && before !== undefined && now <= before * TOLERANCE;
    if (!ok) wrong += 1;
    const note = now === before ? '' : ` (committed: ${before})`;
    console.log(`${ok ? ' ' : '!'} ${String(now).padStart(10)}  ${name}${note}`);
  }
  return wrong;
}

try {
  const figures = measure();
  if (process.argv.includes('--write')) {
    fs.writeFileSync(COMMITTED, `${JSON.stringify(figures, null, 2)}\n`);
  } else if (compare(figures) > 0) {
    console.error('more gas than committed; if that is meant: node tools/gas.js --write');
    process.exitCode = 1;
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
