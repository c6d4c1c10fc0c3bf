#!/usr/bin/env node
import { randomBytes } from 'node:crypto';
import { runCommand } from './command-line.ts';

// The program `akashi`: the one place that touches the process and its environment.

process.exitCode = await runCommand(process.argv.slice(2), {
  env: process.env,
  random: randomBytes,
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  untilStopped: () =>
    new Promise((resolve) => {
      process.once('SIGINT', resolve);
      process.once('SIGTERM', resolve);
    }),
});
