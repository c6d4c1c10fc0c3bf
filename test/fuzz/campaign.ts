import { getHeapCodeStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fileTargets, openFilesFolder } from './files.ts';
import { endpointTargets, fuzz, type Outcome, type Target, type Violation } from './fuzz.ts';
import { parserTargets } from './parsers.ts';
import { FuzzWorld } from './world.ts';

// Many inputs for all targets, in rounds: every round tries each of them, with a seed of its own, and looks at the memory at
// its end.

export interface Campaign {
  readonly seed: number;
  readonly inputs: number;
  readonly rounds: number;
  /** One target alone, and with a path one input alone: as a violation names them. */
  readonly target?: string | undefined;
  readonly path?: string | undefined;
  readonly onRound?: (round: number, result: CampaignResult) => void;
}

export interface CampaignResult {
  readonly seed: number;
  readonly endpoints: number;
  readonly parsers: number;
  readonly seconds: number;
  /** Answers of the app, by status. */
  readonly answers: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
  /** The input that took most of the processor, in milliseconds. */
  readonly slowest: Outcome['slowest'];
  /** Bytes of data in use after each round, and what the line through the later ones says of each thousand inputs. */
  readonly memory: { readonly used: readonly number[]; readonly growthPerThousand: number };
}

/** Of all inputs. Calls are where a fault would be seen by others, parsers are fifty times as fast. */
const ENDPOINT_SHARE = 0.4;
/** In the first rounds code is compiled and what is remembered fills up. */
const WARM_SHARE = 0.3;
/** A few bytes an input that stay would be megabytes over a run. */
export const GROWTH_MAX = 4000;

export async function runCampaign({
  seed,
  inputs,
  rounds,
  target,
  path,
  onRound,
}: Campaign): Promise<CampaignResult> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const files = openFilesFolder();
  const world = await FuzzWorld.open();
  try {
    const isMeant = ({ name }: Target) => target === undefined || name === target;
    const endpoints = (await endpointTargets(world)).filter(isMeant);
    const parsers = [...(await parserTargets()), ...(await fileTargets(files.folder))].filter(isMeant);
    if (endpoints.length + parsers.length === 0) throw new Error('there is no such target');
    const began = performance.now();
    const counts = { endpoints: 0, parsers: 0 };
    const violations: Violation[] = [];
    const used: number[] = [];
    let slowest: Outcome['slowest'] = { target: '', wallMs: 0, cpuMs: 0 };
    const result = (): CampaignResult => ({
      ...{ seed, ...counts, seconds: Math.round((performance.now() - began) / 100) / 10 },
      ...{ answers: Object.fromEntries(world.answers), violations, slowest },
      memory: { used, growthPerThousand: growth(used, (counts.endpoints + counts.parsers) / 1000) },
    });
    const weightOf = ({ weight = 1 }: Target) => weight;
    const partOf = (one: Target, list: readonly Target[], share: number) => {
      const whole = list.reduce((sum, other) => sum + weightOf(other), 0);
      return Math.ceil((((inputs * share) / rounds) * weightOf(one)) / whole);
    };
    const both = endpoints.length > 0 && parsers.length > 0;
    for (let round = 0; round < rounds; round++) {
      for (const [kind, list, share] of [
        ['endpoints', endpoints, both ? ENDPOINT_SHARE : 1],
        ['parsers', parsers, both ? 1 - ENDPOINT_SHARE : 1],
      ] as const) {
        for (const one of list) {
          const outcome = await fuzz(one, partOf(one, list, share), seed + round, path);
          counts[kind] += outcome.inputs;
          if (outcome.slowest.cpuMs > slowest.cpuMs) slowest = outcome.slowest;
          if (outcome.violation !== null) violations.push(outcome.violation);
        }
      }
      collect();
      used.push(bytesOfData());
      onRound?.(round, result());
    }
    return result();
  } finally {
    await world.close();
    files.remove();
  }
}

/** Without what V8 compiles, and compiles again: inputs lead to rarely used code for as long as it runs, a megabyte in 300,000. */
function bytesOfData(): number {
  const { heapUsed, external } = process.memoryUsage();
  const { code_and_metadata_size: code, bytecode_and_metadata_size: bytecode } = getHeapCodeStatistics();
  return heapUsed + external - code - bytecode;
}

/** Bytes a thousand inputs by which the line through the later points rises. */
function growth(used: readonly number[], thousands: number): number {
  const later = used.slice(Math.floor(used.length * WARM_SHARE));
  const middle = (later.length - 1) / 2;
  const mean = later.reduce((sum, bytes) => sum + bytes, 0) / later.length;
  const rise = later.reduce((sum, bytes, i) => sum + (i - middle) * (bytes - mean), 0);
  const spread = later.reduce((sum, _, i) => sum + (i - middle) ** 2, 0);
  return spread === 0 ? 0 : Math.round((rise / spread) * (used.length / thousands));
}
