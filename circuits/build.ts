import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  addBeacon,
  beaconAfter,
  begin,
  contribute,
  exportVerificationKey,
  PHASE1,
  readPhase1,
  verifyKey,
} from './ceremony.ts';
import { CIRCUITS, type Compilation, circomVersion, compileFact, sha256 } from './compilation.ts';
import { convertKey, type WitnessProgram } from './key-conversion.ts';
import { poseidonConstantsSource } from './poseidon-constants.ts';
import { FACT_IDS, FACTS, type FactId, isFactId, signalNames } from './protocol.ts';
import { pinnedPath, publish, readArtifacts, readTranscript } from './publication.ts';
import { endSnarkjs } from './snarkjs.ts';
import { computeWitness } from './witness.ts';

const USAGE = `AKASHI_PTAU=<path of ${PHASE1.file}> npm run build:circuits -- <command>

  [build] [FACT...] [--new-keys]            compile, set up, contribute, check and pin; all facts if none is named.
                                            A key is kept while the constraints are, unless --new-keys is given
  contribute FACT --name NAME               add a contribution to the key that is pinned, check it and pin the result
  beacon FACT --name NAME --value HEX       the same with a public value, best one that was announced beforehand`;

/** Contributions of the build itself, each from a process of its own. */
const CONTRIBUTIONS = [
  'akashi build, contribution 1',
  'akashi build, contribution 2',
  'akashi build, contribution 3',
];
const BEACON = 'akashi build, beacon: sha-256 of the hash of contribution 3';

export interface Workshop {
  /** Content of the phase 1 file. */
  readonly phase1: Uint8Array;
  /** Folder of the circom files. */
  readonly sources: string;
  /** Folder that holds artifacts.json, artifacts.ts, artifacts and transcripts. */
  readonly home: string;
  /** What computes the witnesses of the circuits in `sources`. */
  readonly program: WitnessProgram;
}

/**
 * Compiles a fact and pins what comes out. A pinned key that was made for these very constraints is kept: a change
 * of comments, or a further fact, must not throw away what deployers contributed.
 * @param newKey make a new key in any case
 */
export async function buildFact(fact: FactId, workshop: Workshop, newKey: boolean): Promise<void> {
  await inScratch(async (scratch) => {
    const compilation = await compileFact(fact, scratch, workshop.sources);
    const kept = newKey ? undefined : await keyFor(fact, compilation, workshop);
    await pin(fact, compilation, kept ?? (await makeKey(compilation, workshop, scratch)), workshop);
  });
}

async function keyFor(
  fact: FactId,
  compilation: Compilation,
  workshop: Workshop,
): Promise<string | undefined> {
  if (!existsSync(join(workshop.home, 'transcripts', `${fact}.json`))) return undefined;
  const transcript = await readTranscript(workshop.home, fact);
  if (transcript.r1csSha256 !== compilation.r1csSha256) return undefined;
  return pinnedPath(workshop.home, await readArtifacts(workshop.home), fact, '.zkey');
}

async function makeKey(compilation: Compilation, workshop: Workshop, scratch: string): Promise<string> {
  let key = join(scratch, '0.zkey');
  await begin(compilation.r1csFile, workshop.phase1, key);
  let hash = '';
  for (const [i, name] of CONTRIBUTIONS.entries()) {
    const next = join(scratch, `${i + 1}.zkey`);
    hash = await contribute(key, next, name);
    key = next;
  }
  const final = join(scratch, 'final.zkey');
  await addBeacon(key, final, BEACON, beaconAfter(hash));
  return final;
}

/**
 * Adds one step to the pinned key of a fact, so that a deployer need not trust who built it: a key is sound if one
 * contributor forgot its secret.
 * @param value hex of a public value; without it the step is a contribution with a secret of its own
 */
export async function extendKey(
  fact: FactId,
  workshop: Workshop,
  name: string,
  value?: string,
): Promise<void> {
  await inScratch(async (scratch) => {
    const compilation = await compileFact(fact, scratch, workshop.sources);
    const [from, to] = [join(scratch, 'pinned.zkey'), join(scratch, 'extended.zkey')];
    await copyFile(pinnedPath(workshop.home, await readArtifacts(workshop.home), fact, '.zkey'), from);
    await (value === undefined ? contribute(from, to, name) : addBeacon(from, to, name, value));
    await pin(fact, compilation, to, workshop);
  });
}

/** Checks a key in full, and only then makes it the one of the fact. */
async function pin(
  fact: FactId,
  compilation: Compilation,
  zkeyPath: string,
  workshop: Workshop,
): Promise<void> {
  const zkey = await readFile(zkeyPath);
  const contributions = await verifyKey(compilation.r1csFile, workshop.phase1, zkey);
  await publish(workshop.home, {
    fact,
    compilation,
    zkey,
    provingKey: await convertKey(fact, zkey, compilation, workshop.program),
    verificationKey: await exportVerificationKey(zkeyPath, signalNames(fact).length),
    transcript: {
      fact,
      version: FACTS[fact].version,
      circom: await circomVersion(),
      snarkjs: snarkjsVersion(),
      phase1: PHASE1,
      r1csSha256: compilation.r1csSha256,
      contributions,
      zkeySha256: sha256(zkey),
    },
  });
}

function snarkjsVersion(): string {
  const manifest = createRequire(import.meta.url)
    .resolve('snarkjs')
    .replace(/(?:build[/\\])?main\.c?js$/, 'package.json');
  const { version }: { version: string } = createRequire(import.meta.url)(manifest);
  return version;
}

/** Keys in the making never lie in the repository. */
async function inScratch(work: (scratch: string) => Promise<void>): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'akashi-circuits-'));
  try {
    await work(scratch);
  } finally {
    await rm(scratch, { recursive: true });
  }
}

async function main(args: readonly string[], ptauPath: string | undefined): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      name: { type: 'string' },
      value: { type: 'string' },
      'new-keys': { type: 'boolean', default: false },
    },
  });
  const [first, ...others] = positionals;
  const isExtension = first === 'contribute' || first === 'beacon';
  const named = isExtension || first === 'build' ? others : positionals;
  const facts = named.filter(isFactId);
  const [fact] = facts;
  if (facts.length !== named.length) throw new TypeError(USAGE);

  const workshop = {
    phase1: await readPhase1(ptauPath),
    sources: CIRCUITS,
    home: CIRCUITS,
    program: computeWitness,
  };
  if (isExtension) {
    const isBeacon = first === 'beacon';
    if (fact === undefined || facts.length > 1 || !values.name || isBeacon === (values.value === undefined)) {
      throw new TypeError(USAGE);
    }
    await extendKey(fact, workshop, values.name, values.value);
    return;
  }
  await writeFile(join(workshop.home, 'poseidon-constants.circom'), poseidonConstantsSource());
  for (const id of facts.length === 0 ? FACT_IDS : facts) {
    await buildFact(id, workshop, values['new-keys']);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await main(process.argv.slice(2), process.env.AKASHI_PTAU);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  } finally {
    await endSnarkjs();
  }
}
