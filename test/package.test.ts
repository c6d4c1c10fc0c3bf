import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ARTIFACTS } from '@akashi/circuits/artifacts';
import { transformSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BROWSERS, tellPage } from './browser/page-driver.ts';
import { bundlePage, openPageSite } from './browser/page-site.ts';
import { newAccount, newPin, openWorld, startOf } from './harness.ts';

// The packages as others get them: built, packed, installed in an empty folder far from this repository, and used under
// plain Node, by a compiler, and in one bundled page.

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PACKAGES = ['circuits', 'sdk', 'verifier'] as const;

/** Outside of the repository: nothing may be found by looking further up. */
const empty = mkdtempSync(join(tmpdir(), 'akashi-empty-'));
/** Paths in each package, as packed. */
const packed = new Map<string, readonly string[]>();

const run = promisify(execFile);

beforeAll(async () => {
  for (const name of PACKAGES) rmSync(join(ROOT, name, 'dist'), { recursive: true, force: true });
  await run('npm', ['run', 'build'], { cwd: ROOT });
  const workspaces = PACKAGES.map((name) => `--workspace=${name}`);
  const { stdout } = await run('npm', ['pack', '--json', `--pack-destination=${empty}`, ...workspaces], {
    cwd: ROOT,
  });
  const tarballs: string[] = [];
  for (const { name, filename, files } of JSON.parse(stdout) as Packed[]) {
    packed.set(
      name,
      files.map(({ path }) => path),
    );
    tarballs.push(`./${filename}`);
  }
  writeFileSync(join(empty, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  // Scripts stay off; the one addon that has to be built is the one that is built here already.
  const quiet = [
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    '--fetch-retries=5',
    '--fetch-timeout=60000',
  ];
  await run('npm', ['install', ...quiet, ...tarballs], { cwd: empty });
  const addon = join('node_modules', 'better-sqlite3', 'build');
  cpSync(join(ROOT, addon), join(empty, addon), { recursive: true });
}, 240_000);

interface Packed {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

afterAll(() => rmSync(empty, { recursive: true, force: true }));

describe('what is packed', () => {
  test.each(PACKAGES)(
    '@akashi/%s has no source, no test, no ceremony file, and nothing of this machine',
    (name) => {
      const files = packed.get(`@akashi/${name}`) ?? [];
      expect(files.some((path) => path.startsWith('dist/'))).toBe(true);
      const foreign = files.filter((path) =>
        /(?<!\.d)\.ts$|\.test\.|\.ptau$|tsbuildinfo|node_modules|(?:^|\/)\.|\.db$|\.env/.test(path),
      );
      expect(foreign).toEqual([]);
    },
  );

  test('artifacts are in it once, in @akashi/circuits, under the names that hold their hash', () => {
    const named = Object.values(ARTIFACTS).flatMap(({ files }) => Object.entries(files));
    for (const [name, { sha256 }] of named) expect(name).toContain(sha256.slice(0, 16));
    const shipped = (packed.get('@akashi/circuits') ?? []).filter((path) => path.startsWith('artifacts/'));
    // What the ceremony left is for who checks the keys, in the repository.
    const needed = named.filter(([name]) => !name.endsWith('.zkey'));
    expect(needed.length).toBeLessThan(named.length);
    expect(shipped.sort()).toEqual(needed.map(([name]) => `artifacts/${name}`).sort());
    for (const other of ['@akashi/sdk', '@akashi/verifier']) {
      expect((packed.get(other) ?? []).filter((path) => /\.(?:zkey|key|wasm|r1cs)$/.test(path))).toEqual([]);
    }
  });
});

describe('what runs on a phone', () => {
  test.each(['circuits', 'sdk'])('of @akashi/%s imports nothing but permissive packages', (name) => {
    const folder = join(empty, 'node_modules', '@akashi', name);
    const scripts = (packed.get(`@akashi/${name}`) ?? []).filter((path) => /\.[cm]?js$/.test(path));
    expect(scripts.length).toBeGreaterThan(10);
    for (const path of scripts) {
      // Without comments, which may well name what was not taken.
      const { code } = transformSync(readFileSync(join(folder, path), 'utf8'), { legalComments: 'none' });
      for (const [, specifier = ''] of code.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)) {
        expect(specifier, path).toMatch(/^(?:\.{1,2}\/|node:|#es256$|@akashi\/circuits|@noble\/|valibot$)/);
      }
      expect(code, path).not.toMatch(/snarkjs|ffjavascript|wasmcurves|circom_runtime|circomlib|iden3/i);
    }
    const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    expect(['@akashi/circuits', '@noble/curves', '@noble/hashes', 'valibot']).toEqual(
      expect.arrayContaining(Object.keys(dependencies)),
    );
  });
});

describe('installed', () => {
  test('a caller is verified under plain Node', async () => {
    writeFileSync(join(empty, 'story.js'), STORY);
    const { stdout } = await run(process.execPath, ['story.js'], { cwd: empty });
    expect(JSON.parse(stdout)).toEqual({ phone: 'passed', desk: 'passed' });
  });

  test('the command says how it is used', async () => {
    const { stdout } = await run(join(empty, 'node_modules', '.bin', 'akashi'), ['--help'], { cwd: empty });
    expect(stdout).toContain('akashi start');
  });

  test('a compiler finds the types of every entry', async () => {
    mkdirSync(join(empty, 'typed'), { recursive: true });
    const check = (name: string, text: string) => {
      writeFileSync(join(empty, 'typed', name), text);
      const flags = [
        '--noEmit',
        '--strict',
        '--module',
        'nodenext',
        '--target',
        'es2023',
        '--skipLibCheck',
        '--types',
        '',
      ];
      return run(
        process.execPath,
        [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), ...flags, join('typed', name)],
        { cwd: empty },
      );
    };
    await check('good.ts', TYPED);
    // A type that could not be found would be any, and fit.
    const text = `${TYPED}${WRONGLY_TYPED.join('\n')}`;
    const { stdout } = await check('wrong.ts', text).then(
      () => ({ stdout: '' }),
      (refusal: { readonly stdout: string }) => refusal,
    );
    const refused = [...stdout.matchAll(/wrong\.ts\((\d+),/g)].map(
      ([, line]) => text.split('\n')[Number(line) - 1],
    );
    expect(refused).toEqual(WRONGLY_TYPED);
  });

  test.each(BROWSERS)('in one bundled page under a strict policy, in %s', async (_, openBrowser) => {
    const world = await openWorld();
    const accounts = [newAccount()];
    const { verifier, bank } = { verifier: world.origin, bank: await world.tenant('aoba') };
    cpSync(join(ROOT, 'test', 'browser/page.ts'), join(empty, 'page.ts'));
    const scripts = await bundlePage({
      page: join(empty, 'page.ts'),
      worker: '@akashi/sdk/prover-worker',
      from: empty,
      conditions: [],
    });
    const site = await openPageSite({
      scripts,
      artifacts: join(empty, 'node_modules', '@akashi', 'circuits', 'artifacts'),
      verifier,
      exchange: (receipt) => bank.issuer.issueAccounts({ receipt, subject: 'packed', accounts }),
    });
    await world.setOrigins('aoba', [site.origin]);
    const browser = await openBrowser();
    try {
      const page = await (await browser.profile()).page(site.origin);
      await tellPage(page, 'open', [verifier]);
      const { fragment } = await bank.issuer.requestEnrolment('packed');
      const pin = newPin();
      await tellPage(page, 'enrol', [fragment, pin]);
      const { verification, code = '' } = await bank.issuer.start(startOf('packed'));
      expect(await tellPage(page, 'present', [verification, code, pin])).toEqual({ verdict: 'passed' });
      expect(await tellPage(page, 'violations', [])).toEqual([]);
    } finally {
      await browser.close();
      site.close();
      await world.close();
    }
  });
});

/** The quick start of all sides in one file: what a reader would type. */
const STORY = `
import { randomBytes } from 'node:crypto';
import { openAgent } from '@akashi/sdk/agent';
import { memoryStorage, openHolder } from '@akashi/sdk/holder';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { generateIssuerKeys, openIssuer } from '@akashi/sdk/issuer';
import { fileStorage } from '@akashi/sdk/storage-file';
import { createDevelopmentKeys, createOperator, createSignInLink, createTenant, openKeys, startVerifier } from '@akashi/verifier';

const now = () => Math.floor(Date.now() / 1000);
const service = await startVerifier({
  file: 'story/verifier.db',
  port: 0,
  keys: async (origin) => openKeys((await createDevelopmentKeys(origin, now(), randomBytes)).keys),
  log: () => {},
});
const { origin: verifier, store } = service;
const tenant = 'aoba';
const { apiKey } = await createTenant(store, { tenant, name: 'Aoba', origins: [] }, now(), randomBytes);
const issuer = await openIssuer({ verifier, tenant, apiKey, ...(await generateIssuerKeys()) });
await issuer.register();
const purposes = [{ id: 'identify', text: { en: 'Making sure it is you' } }];
await issuer.putPolicy({ policy: 'caller', facts: ['pin', 'account'], purposes });

const prover = inlineProver();
const subject = 'customer-1';
const accounts = [{ number: '0010012345678', label: 'Ordinary' }];
const exchange = (receipt) => issuer.issueAccounts({ receipt, subject, accounts });
const holder = await openHolder({ verifier, storage: fileStorage('story/phone'), prover });
await holder.enrol({ link: (await issuer.requestEnrolment(subject)).fragment, pin: '739158', exchange });
if (await memoryStorage().wasKept()) throw new Error('a new memory is empty');

const operator = await createOperator(store, { tenant, name: 'Sato', role: 'operator' }, now(), randomBytes);
const desk = openAgent({ verifier });
await desk.signIn(await createSignInLink(store, tenant, operator, now(), randomBytes));
const { verification, code } = await desk.start({
  subject, policy: 'caller', purpose: 'identify', mode: 'call', call: { direction: 'inbound' },
});
const outcome = await holder.present(verification, { code, pin: '739158' });
const seen = await desk.wait(verification);
await service.close();
console.log(JSON.stringify({ phone: outcome.verdict, desk: seen.verdict }));
`;

const TYPED = `
import { FACTS, type FactId } from '@akashi/circuits';
import { ARTIFACTS } from '@akashi/circuits/artifacts';
import { pinCommitment } from '@akashi/circuits/poseidon';
import { openAgent } from '@akashi/sdk/agent';
import { fileCredentials } from '@akashi/sdk/credential-file';
import { type Holder, openHolder, workerProver } from '@akashi/sdk/holder';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { type CredentialStore, openIssuer } from '@akashi/sdk/issuer';
import { parseNewPin } from '@akashi/sdk/new-pin';
import { fileStorage } from '@akashi/sdk/storage-file';
import { startVerifier } from '@akashi/verifier';
import { verifyProof } from '@akashi/verifier/proof';
export const fact: FactId = 'pin';
export const version: number = FACTS.pin.version;
export const constraints: number = ARTIFACTS.pin.constraints;
export const commitment: bigint = pinCommitment(1n, 2n);
export const holder: Promise<Holder> = openHolder({
  verifier: 'https://verify.example',
  storage: fileStorage('.'),
  prover: workerProver(),
});
export const all = [openAgent, inlineProver, openIssuer, parseNewPin, startVerifier, verifyProof];
export const credentials: Promise<CredentialStore> = fileCredentials('credentials.jsonl');
`;

const WRONGLY_TYPED = [
  "export const a: FactId = 'password';",
  'export const b: string = ARTIFACTS.pin.constraints;',
  'export const c: string = pinCommitment(1n, 2n);',
  'export const d: number = openAgent;',
  'export const e: number = workerProver();',
  'export const f: number = inlineProver;',
  'export const g: number = openIssuer;',
  'export const h: number = fileStorage;',
  'export const i: number = startVerifier;',
  'export const j: number = verifyProof;',
  'export const k: number = parseNewPin;',
  'export const l: number = fileCredentials;',
];
