import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import type { Workshop } from './build.ts';
import { beaconAfter, type Contribution, exportVerificationKey, readPhase1, verifyKey } from './ceremony.ts';
import { CIRCUITS, compileFact, sha256 } from './compilation.ts';
import { convertKey } from './key-conversion.ts';
import { FACT_IDS, type FactId, signalNames } from './protocol.ts';
import { pinnedPath, readArtifacts, readTranscript } from './publication.ts';
import { endSnarkjs } from './snarkjs.ts';
import { computeWitness } from './witness.ts';

// `npm run verify:circuits`: whoever has the phase 1 file need not trust the committed keys. Everything is made again
// from the sources, and each key is checked against it, from the first row of the circuit to the last contribution.

/**
 * Checks what is pinned for a fact against its sources and phase 1.
 * @throws Error that names the first thing that does not hold
 */
export async function verifyFact(fact: FactId, workshop: Workshop): Promise<readonly Contribution[]> {
  const scratch = await mkdtemp(join(tmpdir(), 'akashi-verify-'));
  try {
    const compilation = await compileFact(fact, scratch, workshop.sources);
    const { home } = workshop;
    const [artifacts, transcript] = [await readArtifacts(home), await readTranscript(home, fact)];
    const zkeyPath = pinnedPath(home, artifacts, fact, '.zkey');
    const zkey = await readFile(zkeyPath);
    const provingKey = await readFile(pinnedPath(home, artifacts, fact, '.key'));
    const vkey = await readFile(pinnedPath(home, artifacts, fact, '.vkey.json'), 'utf8');
    const contributions = await verifyKey(compilation.r1csFile, workshop.phase1, zkey);
    const exported = await exportVerificationKey(zkeyPath, signalNames(fact).length);

    const checks: readonly (readonly [what: string, holds: boolean])[] = [
      ['constraints are those of the transcript', compilation.r1csSha256 === transcript.r1csSha256],
      ['the key of the ceremony is that of the transcript', sha256(zkey) === transcript.zkeySha256],
      [
        'the proving key is made from it and from this circuit',
        sha256(await convertKey(fact, zkey, compilation, workshop.program)) === sha256(provingKey),
      ],
      [
        'the contributions are those of the transcript',
        isDeepStrictEqual(contributions, transcript.contributions),
      ],
      ['three contributions and the beacon drawn from them come first', isBuiltHere(contributions)],
      ['the verification key belongs to the proving key', isDeepStrictEqual(exported, JSON.parse(vkey))],
    ];
    for (const [what, holds] of checks) {
      if (!holds) throw new Error(`${fact}: it does not hold that ${what}`);
    }
    return contributions;
  } finally {
    await rm(scratch, { recursive: true });
  }
}

function isBuiltHere([first, second, third, beacon]: readonly Contribution[]): boolean {
  const secret = [first, second, third].every((step) => step !== undefined && step.beacon === undefined);
  return secret && third !== undefined && beacon?.beacon?.value === beaconAfter(third.hash);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const phase1 = await readPhase1(process.env.AKASHI_PTAU);
    for (const fact of FACT_IDS) {
      const contributions = await verifyFact(fact, {
        phase1,
        sources: CIRCUITS,
        home: CIRCUITS,
        program: computeWitness,
      });
      console.log(`${fact}: the key holds, ${contributions.length} contributions`);
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  } finally {
    await endSnarkjs();
  }
}
