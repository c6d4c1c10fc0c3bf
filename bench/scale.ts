import { readFile, writeFile } from 'node:fs/promises';
import { parse } from '@akashi/circuits';
import * as v from 'valibot';
import { withBlock } from '../examples/quick-start/readme-block.ts';
import type { Results } from './results.ts';

// The figures of docs/scale.md: what a verification costs, as bench/results.json (SQLite) and bench/instances.json
// (PostgreSQL) have it, and what follows for rates that no machine of ours can be asked for.

export const SCALE_FILE = new URL('../docs/scale.md', import.meta.url);
export const INSTANCES_FILE = new URL('instances.json', import.meta.url);

/** Of a processor's time what is planned with: the rest is for peaks, and for the death of a neighbour. */
const USE = 0.6;
/** How long a desk waits for its customer, and what it and the phone hold meanwhile: a connection each. */
const WAIT_SECONDS = 60;
const CONNECTIONS_EACH = 2;
/** Of one verifier to its database, the one that listens included. */
const DATABASE_CONNECTIONS = 11;
/** What a waiting connection may take of memory, in kB (test/overload/results.json). */
const WAITING_KB = 20;

const RATES = [10, 1_000, 100_000];

const perMs = v.object({
  verifier: v.number(),
  answering: v.number(),
  checking: v.number(),
  postgres: v.number(),
});
const runShape = v.object({
  verifiers: v.number(),
  perSecond: v.number(),
  perMs,
  presentations: v.object({ perSecond: v.number(), perMs }),
  perWalBytes: v.number(),
  perSyncs: v.number(),
});
const instancesShape = v.object({
  date: v.string(),
  machine: v.object({ cpu: v.string(), cores: v.number(), node: v.string() }),
  runs: v.array(runShape),
});

export type Instances = v.InferOutput<typeof instancesShape>;

export async function readInstances(): Promise<Instances> {
  return parse(instancesShape, JSON.parse(await readFile(INSTANCES_FILE, 'utf8')));
}

/** What stands between the `scale` markers of docs/scale.md. */
export function renderScale({ service, machine }: Results, { runs, machine: other }: Instances): string {
  const [one, several] = [runs[0], runs.at(-1)];
  if (one === undefined || several === undefined) throw new TypeError('no runs');
  const { load } = service;
  const alone = [one.presentations, several.presentations];
  const row = (name: string, ...cells: readonly string[]) => `| ${[name, ...cells].join(' | ')} |`;
  const costs = [
    row('', 'SQLite', 'PostgreSQL, one verifier', `PostgreSQL, ${several.verifiers} verifiers`),
    row('---', '---:', '---:', '---:'),
    row(
      'processor time of verifiers',
      ...[load.verifierCpuMs, one.perMs.verifier, several.perMs.verifier].map(ms),
    ),
    row('of it the thread that answers', '', ...[one, several].map(({ perMs }) => ms(perMs.answering))),
    row('of it the threads that check proofs', '', ...[one, several].map(({ perMs }) => ms(perMs.checking))),
    row('processor time of PostgreSQL', '', ...[one, several].map(({ perMs }) => ms(perMs.postgres))),
    row(
      'written to the disk (SQLite: log and file, in pages; PostgreSQL: its log)',
      kb(load.writtenKb),
      ...[one, several].map(({ perWalBytes }) => kb(perWalBytes / 1000)),
    ),
    row('syncs of the log', '', ...[one, several].map(({ perSyncs }) => perSyncs.toFixed(1))),
    row(
      'verifications a second in that run',
      ...[service.perSecond, one.perSecond, several.perSecond].map((n) => n.toFixed(0)),
    ),
    row(
      'a presentation alone, the desk that waits for it included: the thread that answers',
      '',
      ...alone.map((each) => ms(each.perMs.answering)),
    ),
    row('the threads that check proofs', '', ...alone.map((each) => ms(each.perMs.checking))),
    row('PostgreSQL', '', ...alone.map((each) => ms(each.perMs.postgres))),
    row(
      'presentations a second in that run',
      ...[service.presentationsPerSecond, ...alone.map((each) => each.perSecond)].map((n) => n.toFixed(0)),
    ),
  ];
  const needs = [
    row('verifications a second', ...RATES.map(whole)),
    row('---', ...RATES.map(() => '---:')),
    row('verifiers', ...RATES.map((rate) => whole(verifiersFor(rate, one.perMs.answering)))),
    row('processors of verifiers', ...RATES.map((rate) => whole(processors(rate, one.perMs.verifier)))),
    row('processors of PostgreSQL', ...RATES.map((rate) => whole(processors(rate, one.perMs.postgres)))),
    row('log of PostgreSQL', ...RATES.map((rate) => `${amount((rate * one.perWalBytes) / 1e6)} MB/s`)),
    row(
      'connections to PostgreSQL',
      ...RATES.map((rate) => whole(verifiersFor(rate, one.perMs.answering) * DATABASE_CONNECTIONS)),
    ),
    row('waiting desks and phones', ...RATES.map((rate) => whole(waiting(rate)))),
    row('memory for them', ...RATES.map((rate) => `${amount((waiting(rate) * WAITING_KB) / 1000)} MB`)),
  ];
  const from = `SQLite: ${machine.cores} cores ${machine.cpu}, Node ${machine.node}; PostgreSQL: ${other.cores} cores ${other.cpu}, Node ${other.node}, the load on the same cores.`;
  return [costs.join('\n'), from, needs.join('\n')].join('\n\n');
}

export async function writeScale(results: Results): Promise<void> {
  const markdown = await readFile(SCALE_FILE, 'utf8');
  await writeFile(SCALE_FILE, withBlock(markdown, 'scale', renderScale(results, await readInstances())));
}

function processors(rate: number, perMs: number): number {
  return Math.ceil((rate * perMs) / 1000 / USE);
}

/** One thread of a verifier answers; two at least, so that one can go. */
function verifiersFor(rate: number, answeringMs: number): number {
  return Math.max(2, processors(rate, answeringMs));
}

function waiting(rate: number): number {
  return rate * WAIT_SECONDS * CONNECTIONS_EACH;
}

const ms = (value: number) => `${value.toFixed(1)} ms`;
const kb = (value: number) => `${value.toFixed(0)} kB`;
const whole = (value: number) => value.toLocaleString('en');
const amount = (value: number) => (value < 10 ? value.toFixed(1) : whole(Math.round(value)));
