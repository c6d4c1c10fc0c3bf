import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import type { Contribution } from './ceremony.ts';
import { type Compilation, sha256 } from './compilation.ts';
import { FACTS, type FactId, isFactId, signalNames } from './protocol.ts';
import type { VerificationKeyText } from './snarkjs.ts';

// What the build leaves behind: artifacts.json and its twin artifacts.ts, the files they pin, and for each fact the
// transcript of how its key came to be. All of it lies in one folder, this one unless a test says otherwise.

const DIGEST = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const ARTIFACTS_SHAPE = v.record(
  v.string(),
  v.strictObject({
    version: v.pipe(v.number(), v.integer()),
    constraints: v.pipe(v.number(), v.integer()),
    publicSignals: v.pipe(v.number(), v.integer()),
    files: v.record(v.string(), v.strictObject({ sha256: DIGEST, bytes: v.pipe(v.number(), v.integer()) })),
  }),
);

/** The content of artifacts.json: by fact. */
export type Artifacts = v.InferOutput<typeof ARTIFACTS_SHAPE>;

const TRANSCRIPT_SHAPE = v.strictObject({
  fact: v.string(),
  version: v.number(),
  circom: v.string(),
  snarkjs: v.string(),
  phase1: v.strictObject({ file: v.string(), blake2b512: v.pipe(v.string(), v.regex(/^[0-9a-f]{128}$/)) }),
  r1csSha256: DIGEST,
  contributions: v.array(
    v.strictObject({
      name: v.string(),
      hash: v.pipe(v.string(), v.regex(/^[0-9a-f]{128}$/)),
      beacon: v.optional(v.strictObject({ value: v.string(), iterationsExp: v.number() })),
    }),
  ),
  zkeySha256: DIGEST,
});

/** How a key came to be: enough to make everything but the contributors' secrets again, and to check those. */
export type Transcript = Omit<v.InferOutput<typeof TRANSCRIPT_SHAPE>, 'contributions'> & {
  readonly contributions: readonly Contribution[];
};

/** @throws when the file is not there or not of this shape */
export async function readArtifacts(home: string): Promise<Artifacts> {
  return v.parse(ARTIFACTS_SHAPE, JSON.parse(await readFile(join(home, 'artifacts.json'), 'utf8')));
}

/** @throws when the file is not there or not of this shape */
export async function readTranscript(home: string, fact: FactId): Promise<Transcript> {
  const text = await readFile(join(home, 'transcripts', `${fact}.json`), 'utf8');
  const { contributions, ...rest } = v.parse(TRANSCRIPT_SHAPE, JSON.parse(text));
  return {
    ...rest,
    contributions: contributions.map(({ beacon, ...step }) => (beacon ? { ...step, beacon } : step)),
  };
}

/** Path of the one pinned file of a fact with this suffix. */
export function pinnedPath(home: string, artifacts: Artifacts, fact: FactId, suffix: string): string {
  const name = Object.keys(artifacts[fact]?.files ?? {}).find((file) => file.endsWith(suffix));
  if (name === undefined) throw new Error(`${fact} has no artifact ${suffix}; build it first`);
  return join(home, 'artifacts', name);
}

export interface Publication {
  readonly fact: FactId;
  readonly compilation: Compilation;
  readonly zkey: Uint8Array;
  /** What phones load; see proving-key.ts. */
  readonly provingKey: Uint8Array;
  readonly verificationKey: VerificationKeyText;
  readonly transcript: Transcript;
}

/** Writes the files of one fact, pins them, and removes every file that is pinned no more. */
export async function publish(home: string, publication: Publication): Promise<void> {
  const { fact, compilation, zkey, provingKey, verificationKey, transcript } = publication;
  const folder = join(home, 'artifacts');
  await mkdir(folder, { recursive: true });
  await mkdir(join(home, 'transcripts'), { recursive: true });

  const files: Artifacts[string]['files'] = {};
  const contents: readonly (readonly [suffix: string, bytes: Uint8Array])[] = [
    ['.key', provingKey],
    ['.zkey', zkey],
    ['.vkey.json', new TextEncoder().encode(json(verificationKey))],
  ];
  for (const [suffix, bytes] of contents) {
    const digest = sha256(bytes);
    const name = `${fact}-${digest.slice(0, 16)}${suffix}`;
    await writeFile(join(folder, name), bytes);
    files[name] = { sha256: digest, bytes: bytes.length };
  }

  const artifacts = await withEntry(home, fact, {
    version: FACTS[fact].version,
    constraints: compilation.r1cs.constraints.length,
    publicSignals: signalNames(fact).length,
    files,
  });
  await writeFile(join(home, 'transcripts', `${fact}.json`), json(transcript));
  await writeFile(join(home, 'artifacts.json'), json(artifacts));
  await writeFile(join(home, 'artifacts.ts'), artifactsSource(artifacts));

  const pinned = new Set(Object.values(artifacts).flatMap((entry) => Object.keys(entry.files)));
  for (const name of await readdir(folder)) {
    if (!pinned.has(name)) await rm(join(folder, name));
  }
}

/** What is pinned already, with this entry in place of the old one, in the order of the registry. */
async function withEntry(home: string, fact: FactId, entry: Artifacts[string]): Promise<Artifacts> {
  const there = (await readdir(home)).includes('artifacts.json');
  const entries = { ...(there ? await readArtifacts(home) : {}), [fact]: entry };
  const order = Object.keys(FACTS);
  return Object.fromEntries(
    Object.entries(entries)
      .filter(([id]) => isFactId(id))
      .sort(([a], [b]) => order.indexOf(a) - order.indexOf(b)),
  );
}

/** The text of artifacts.ts: the same content as a module, because not every bundler imports JSON alike. */
export function artifactsSource(artifacts: Artifacts): string {
  return [
    '// Written by `npm run build:circuits`: the content of artifacts.json. Do not edit.',
    '',
    `export const ARTIFACTS = ${JSON.stringify(artifacts, null, 2)} as const;`,
    '',
  ].join('\n');
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
