import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { artifactFile } from './artifact.ts';
import { ARTIFACTS } from './artifacts.ts';
import { buildFact, extendKey, type Workshop } from './build.ts';
import { beaconAfter, begin, exportVerificationKey, PHASE1, readPhase1 } from './ceremony.ts';
import {
  CIRCUITS,
  type Compilation,
  checkAgainstRegistry,
  compileFact,
  ROWS_MAX,
  sha256,
} from './compilation.ts';
import { FIELD_ORDER } from './field.ts';
import { type CircuitInputs, FACT_IDS, FACTS, signalNames } from './protocol.ts';
import { artifactsSource, readArtifacts, readTranscript } from './publication.ts';
import { endSnarkjs, snarkjs } from './snarkjs.ts';
import { verifyFact } from './verify-keys.ts';

const ONE_ROW = `pragma circom 2.2.0;

template Pin() {
    signal input challenge;
    signal input pinKey;
    signal input holderSecret;
    signal output commitment;
    commitment <== pinKey * holderSecret;
}
component main {public [challenge]} = Pin();
`;

let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'akashi-build-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true });
  await endSnarkjs();
});

describe('what is committed', () => {
  test('pins every fact of the registry, and artifacts.ts says the same as artifacts.json', async () => {
    const artifacts = await readArtifacts(CIRCUITS);
    expect(Object.keys(artifacts)).toEqual(FACT_IDS);
    expect(ARTIFACTS).toEqual(artifacts);
    expect(await readFile(join(CIRCUITS, 'artifacts.ts'), 'utf8')).toBe(artifactsSource(artifacts));
  });

  test('has exactly the files pinned, with the bytes pinned, under names that hold the digest', async () => {
    const files = Object.values(await readArtifacts(CIRCUITS)).flatMap((entry) =>
      Object.entries(entry.files),
    );
    expect((await readdir(join(CIRCUITS, 'artifacts'))).sort()).toEqual(files.map(([name]) => name).sort());
    for (const [name, pinned] of files) {
      const bytes = await readFile(join(CIRCUITS, 'artifacts', name));
      expect({ sha256: sha256(bytes), bytes: bytes.length }).toEqual(pinned);
      expect(name).toContain(`-${pinned.sha256.slice(0, 16)}.`);
    }
  });

  test.each(FACT_IDS)('for %s comes from the sources that are committed with it', async (fact) => {
    const { r1cs, r1csSha256 } = await compileFact(fact, scratch);
    const [entry, transcript] = [ARTIFACTS[fact], await readTranscript(CIRCUITS, fact)];
    expect(transcript).toMatchObject({
      fact,
      r1csSha256,
      version: FACTS[fact].version,
    });
    expect(entry).toMatchObject({
      version: FACTS[fact].version,
      constraints: r1cs.constraints.length,
      publicSignals: signalNames(fact).length,
    });
    expect(entry.constraints + entry.publicSignals).toBeLessThanOrEqual(ROWS_MAX);
  });

  test.each(FACT_IDS)('for %s is a key that three contributed to before the beacon', async (fact) => {
    const { contributions, phase1, zkeySha256 } = await readTranscript(CIRCUITS, fact);
    expect(phase1).toEqual(PHASE1);
    expect(zkeySha256).toBe(artifactFile(fact, 'zkey').sha256);
    expect(contributions.length).toBeGreaterThanOrEqual(4);
    expect(new Set(contributions.map(({ hash }) => hash)).size).toBe(contributions.length);
    const [first, second, third, beacon] = contributions;
    expect([first?.beacon, second?.beacon, third?.beacon]).toEqual([undefined, undefined, undefined]);
    expect(beacon?.beacon?.value).toBe(beaconAfter(third?.hash ?? ''));
  });

  test.each(FACT_IDS)('for %s has the verification key of its proving key', async (fact) => {
    const zkey = join(CIRCUITS, 'artifacts', artifactFile(fact, 'zkey').name);
    const committed = await readFile(join(CIRCUITS, 'artifacts', artifactFile(fact, 'vkey').name), 'utf8');
    expect(await exportVerificationKey(zkey, signalNames(fact).length)).toEqual(JSON.parse(committed));
  });

  test('includes no circuit that is not our own', async () => {
    const sources = (await readdir(CIRCUITS)).filter((name) => name.endsWith('.circom'));
    expect(sources.length).toBeGreaterThan(FACT_IDS.length);
    for (const source of sources) {
      const text = await readFile(join(CIRCUITS, source), 'utf8');
      for (const [, included] of text.matchAll(/^\s*include\s+"([^"]*)"/gm))
        expect(sources).toContain(included);
    }
  });
});

describe('a circuit is refused that', () => {
  let good: Compilation;

  beforeAll(async () => {
    good = await compileFact('account', scratch);
  });

  test('has another fact’s signals', () => {
    expect(() => checkAgainstRegistry('account', good)).not.toThrow();
    expect(() => checkAgainstRegistry('pin', good)).toThrow('2 public outputs, the registry has 1');
  });

  test.each(['publicOutputs', 'publicInputs', 'privateInputs'] as const)(
    'has another number of %s',
    (count) => {
      for (const difference of [-1, 1]) {
        const r1cs = { ...good.r1cs, [count]: good.r1cs[count] + difference };
        expect(() => checkAgainstRegistry('account', { ...good, r1cs })).toThrow('the registry has');
      }
    },
  );

  test.each([
    ['accountsRoot', 'accountRef'],
    ['challenge', 'scope'],
    ['scope', 'reveal'],
    ['accountKey', 'holderSecret'],
    ['siblings[0]', 'siblings[3]'],
  ])('has %s and %s the other way round', (one, other) => {
    const [first, second] = [good.symbols.get(one) ?? 0, good.symbols.get(other) ?? 0];
    const symbols = new Map(good.symbols).set(one, second).set(other, first);
    expect(() => checkAgainstRegistry('account', { ...good, symbols })).toThrow('is not the registered');
  });

  test('has one row more than phase 1', () => {
    const filler = good.r1cs.constraints.slice(0, 1);
    const withRows = (rows: number): Compilation => {
      const missing = rows - good.r1cs.constraints.length - signalNames('account').length;
      const more = Array.from({ length: missing }, () => filler).flat();
      return { ...good, r1cs: { ...good.r1cs, constraints: [...good.r1cs.constraints, ...more] } };
    };
    expect(() => checkAgainstRegistry('account', withRows(ROWS_MAX))).not.toThrow();
    expect(() => checkAgainstRegistry('account', withRows(ROWS_MAX + 1))).toThrow(
      '2048 rows, at most 2047 fit',
    );
  });

  test('the compiler has doubts about', () => {
    const warnings = [
      'warning[CA01]: In template "Account()": Local signal scope does not appear in any constraint',
    ];
    expect(() => checkAgainstRegistry('account', { ...good, warnings })).toThrow('circom says');
  });
});

describe('a phase 1 file is refused that', () => {
  test('is not named', async () => {
    await expect(readPhase1(undefined)).rejects.toThrow('set AKASHI_PTAU');
    await expect(readPhase1('')).rejects.toThrow('set AKASHI_PTAU');
  });

  test('is not there', async () => {
    await expect(readPhase1(join(scratch, 'none.ptau'))).rejects.toThrow('cannot be read');
  });

  test('has another digest', async () => {
    await writeFile(join(scratch, 'other.ptau'), 'ptau');
    await expect(readPhase1(join(scratch, 'other.ptau'))).rejects.toThrow('blake2b-512');
  });
});

// The ceremony file is not needed to run the tests, nor a real circuit: the whole path is walked with a circuit of one
// row that has the signals of `pin`, and a phase 1 made on the spot. Such a phase 1 is worthless for anything else:
// whoever makes one alone can forge.
describe('a ceremony', () => {
  let workshop: Workshop;

  beforeAll(async () => {
    const empty = join(scratch, 'empty.ptau');
    const once = join(scratch, 'once.ptau');
    const prepared = join(scratch, 'prepared.ptau');
    await snarkjs.powersOfTau.newAccumulator(await snarkjs.curves.getCurveFromName('bn128'), 3, empty);
    await snarkjs.powersOfTau.contribute(empty, once, 'a test', 'entropy of the test');
    await snarkjs.powersOfTau.preparePhase2(once, prepared);
    workshop = {
      phase1: await readFile(prepared),
      sources: await mkdtemp(join(scratch, 'sources-')),
      home: await mkdtemp(join(scratch, 'home-')),
      program: (_, inputs) => {
        const { challenge, pinKey, holderSecret } = inputs as unknown as CircuitInputs<'pin'>;
        return { tape: [1n, (pinKey * holderSecret) % FIELD_ORDER, challenge, pinKey, holderSecret] };
      },
    };
    await writeFile(join(workshop.sources, 'pin.circom'), ONE_ROW);
    await mkdir(join(workshop.home, 'artifacts'));
    await writeFile(join(workshop.home, 'artifacts', 'pin-0123456789abcdef.zkey'), 'of an older build');
    await buildFact('pin', workshop, true);
  });

  async function pinned(): Promise<string[]> {
    return Object.keys((await readArtifacts(workshop.home)).pin?.files ?? {}).sort();
  }

  test('leaves three contributions, the beacon drawn from them, and no older file', async () => {
    const { contributions } = await readTranscript(workshop.home, 'pin');
    expect(contributions.map(({ beacon }) => beacon?.value)).toEqual([
      undefined,
      undefined,
      undefined,
      beaconAfter(contributions[2]?.hash ?? ''),
    ]);
    expect((await readdir(join(workshop.home, 'artifacts'))).sort()).toEqual(await pinned());
  });

  test('is not thrown away by a second build', async () => {
    const before = await pinned();
    await buildFact('pin', workshop, false);
    expect(await pinned()).toEqual(before);
  });

  test('can go on: a deployer contributes, and then a public value', async () => {
    const [before, files] = [await readTranscript(workshop.home, 'pin'), await pinned()];
    await extendKey('pin', workshop, 'a deployer');
    await extendKey('pin', workshop, 'a lottery', '0123456789abcdef');
    const { contributions } = await readTranscript(workshop.home, 'pin');
    expect(contributions.slice(0, 4)).toEqual(before.contributions);
    expect(contributions[4]).toMatchObject({ name: 'a deployer' });
    expect(contributions[5]).toMatchObject({
      name: 'a lottery',
      beacon: { value: '0123456789abcdef', iterationsExp: 10 },
    });
    expect(await verifyFact('pin', workshop)).toEqual(contributions);
    const after = await pinned();
    expect(after.filter((name) => files.includes(name))).toEqual([]);
    expect((await readdir(join(workshop.home, 'artifacts'))).sort()).toEqual(after);
  });

  test('is refused by the check when its transcript tells another story', async () => {
    const path = join(workshop.home, 'transcripts', 'pin.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('akashi build, contribution 2', 'somebody else'));
    await expect(verifyFact('pin', workshop)).rejects.toThrow('contributions');
    await writeFile(path, text);
  });

  test('is refused by the check when a byte of the key is another', async () => {
    const name = (await pinned()).find((file) => file.endsWith('.zkey')) ?? '';
    const path = join(workshop.home, 'artifacts', name);
    const bytes = await readFile(path);
    const altered = Buffer.from(bytes);
    altered.writeUInt8(altered.readUInt8(altered.length - 1) ^ 1, altered.length - 1);
    const said = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    await writeFile(path, altered);
    await expect(verifyFact('pin', workshop)).rejects.toThrow();
    await writeFile(path, bytes);
    said.mockRestore();
  });

  test('that nobody contributed to gives no verification key, for anyone could forge', async () => {
    const { r1csFile } = await compileFact('pin', scratch, workshop.sources);
    const zkey = join(scratch, 'begun.zkey');
    await begin(r1csFile, workshop.phase1, zkey);
    await expect(exportVerificationKey(zkey, 2)).rejects.toThrow('gamma equals delta');
  });

  test('for another number of public signals is refused', async () => {
    const zkey = join(CIRCUITS, 'artifacts', artifactFile('pin', 'zkey').name);
    await expect(exportVerificationKey(zkey, 3)).rejects.toThrow('another number');
  });

  test('fails for a circuit that is larger than phase 1', async () => {
    const { r1csFile } = await compileFact('account', scratch);
    await expect(begin(r1csFile, workshop.phase1, join(scratch, 'large.zkey'))).rejects.toThrow(
      'setup failed',
    );
  });
});
