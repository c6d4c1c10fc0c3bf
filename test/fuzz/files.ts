import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { parseProof, policyBody, proofShape, publicJwkShape, remoteUrl, time } from '@akashi/circuits';
import {
  certificationOf,
  createDevelopmentKeys,
  createRootDocument,
  loadVerificationKeys,
  parseCertification,
  parseKeysDocument,
  parsePoints,
  parseRootDocument,
  verifyProof,
} from '@akashi/verifier';
import fc from 'fast-check';
import * as v from 'valibot';
import { assertPasskey, makePasskey } from '../../circuits/authenticator.ts';
import { fileCredentials } from '../../sdk/credential-file.ts';
import { fileStorage } from '../../sdk/storage-file.ts';
import { runCommand } from '../../verifier/command-line.ts';
import {
  checkedDatabaseUrl,
  checkedOrigin,
  databaseSetting,
  drainSetting,
  metricsSetting,
  openKeysFrom,
  portSetting,
  privateOriginsSetting,
} from '../../verifier/configuration.ts';
import { KeySets } from '../../verifier/key-sets.ts';
import { parseBlinded } from '../../verifier/oprf.ts';
import { checkAssertion, checkRegistration } from '../../verifier/passkey.ts';
import type { Passkey } from '../../verifier/records.ts';
import { openStatusList } from '../../verifier/status-list.ts';
import { refusesOnly, type Target } from './fuzz.ts';
import { openSigner, spoiledJwsOf } from './jws.ts';
import { brokenTexts, MARK, spoiledOf, writtenOf } from './spoils.ts';
import { spoiledValuesOf, valuesOf } from './values.ts';

// What a verifier reads besides calls: documents of tenants' servers, keys, the environment, and the files that are given to
// the command line; and what the SDK reads from disk. The files of verification keys are not among them: their bytes are
// pinned.

const ORIGIN = 'https://verifier.example';

const settings = fc.record(
  {
    AKASHI_PORT: brokenTexts(fc.constantFrom('1', '65535', '0', '65536')),
    AKASHI_METRICS_PORT: brokenTexts(fc.constantFrom('9100')),
    AKASHI_DRAIN_SECONDS: brokenTexts(fc.constantFrom('10', '-1')),
    AKASHI_PRIVATE_ORIGINS: brokenTexts(fc.constantFrom('https://a.example https://b.example')),
    AKASHI_DATABASE_URL: brokenTexts(
      fc.constantFrom('postgres://u:p@localhost/db', 'postgres://u@h/db?sslmode=disable'),
    ),
    AKASHI_DATABASE: brokenTexts(fc.constantFrom('akashi.db')),
  },
  { requiredKeys: [] },
);

/** Whether the walk through the settings ends, or with the one error that they end with. */
const taking = <T>(
  inputs: fc.Arbitrary<T>,
  read: (input: T) => unknown,
  ...refusals: readonly string[]
): Omit<Target, 'name'> => ({
  inputs,
  run: (input) => refusesOnly(() => read(input as T), refusals),
});

const list = v.object({
  sub: remoteUrl,
  iat: time,
  exp: time,
  ttl: time,
  status_list: v.object({
    bits: v.picklist([1, 2, 4, 8]),
    lst: v.picklist([
      ...[deflateSync(Buffer.alloc(64)), deflateSync(Buffer.alloc(2 ** 23)), Buffer.from('x')].map((bytes) =>
        bytes.toString('base64url'),
      ),
    ]),
  }),
});

/** @param folder for files that are read */
export async function fileTargets(folder: string): Promise<readonly Target[]> {
  const made = await createDevelopmentKeys(ORIGIN, 1_900_000_000, randomBytes);
  const root = await createRootDocument();
  const documents = {
    keys: spoiledOf(fc.constant(made.keys as unknown)),
    root: spoiledOf(fc.constant(root as unknown)),
    certification: spoiledOf(fc.constant((await certificationOf(made.keys)) as unknown)),
  };
  const read = (document: fc.Arbitrary<unknown>) =>
    writtenOf(document).map((json) => new TextDecoder().decode(json));
  const signer = await openSigner();
  const { pin } = await loadVerificationKeys();
  const challenge = new Uint8Array(32);
  const { passkey, registration } = await makePasskey({
    rpId: 'bank.example',
    origin: 'https://bank.example',
    challenge,
  });
  const assertion = await assertPasskey(passkey, {
    rpId: 'bank.example',
    origin: 'https://bank.example',
    challenge,
  });
  const ceremony = { rpId: 'bank.example', origins: ['https://bank.example'], challenge };
  const registered = await checkRegistration(registration, ceremony);
  if (registered === undefined) throw new TypeError('the registration that is spoiled was no good one');
  const known: Passkey = {
    tenant: 'bank',
    device: 'x',
    passkey: 'x',
    rpId: 'bank.example',
    createdAt: 5,
    ...registered,
  };
  const targets: Readonly<Record<string, Omit<Target, 'name'>>> = {
    parseKeysDocument: taking(read(documents.keys), parseKeysDocument, 'malformed'),
    parseRootDocument: taking(read(documents.root), parseRootDocument, 'malformed'),
    parseCertification: taking(read(documents.certification), parseCertification, 'malformed'),
    openKeysFrom: taking(
      read(documents.keys),
      (text) => openKeysFrom('AKASHI_KEYS', text, ORIGIN),
      'ConfigurationError',
    ),
    checkedOrigin: taking(
      brokenTexts(fc.constantFrom(ORIGIN, 'http://localhost:1')),
      checkedOrigin,
      'ConfigurationError',
    ),
    checkedDatabaseUrl: taking(
      settings,
      ({ AKASHI_DATABASE_URL: url = '' }) => checkedDatabaseUrl(url),
      'ConfigurationError',
    ),
    portSetting: taking(settings, (env) => portSetting({}, env), 'ConfigurationError'),
    metricsSetting: taking(settings, (env) => metricsSetting({}, env), 'ConfigurationError'),
    drainSetting: taking(settings, (env) => drainSetting({}, env), 'ConfigurationError'),
    privateOriginsSetting: taking(settings, (env) => privateOriginsSetting({}, env), 'ConfigurationError'),
    databaseSetting: taking(settings, (env) => databaseSetting({}, env), 'ConfigurationError'),
    parseBlinded: taking(
      brokenTexts(fc.base64String({ minLength: 40, maxLength: 44 })),
      parseBlinded,
      'malformed',
    ),
    parsePoints: taking(valuesOf(proofShape), (input) => parsePoints(parseProof(input)), 'malformed'),
    verifyProof: taking(
      spoiledValuesOf(proofShape),
      (input) => verifyProof(pin, [7n, 7n], parseProof(input)),
      'malformed',
    ),
    checkRegistration: taking(spoiledBytes(registration), (input) => checkRegistration(input, ceremony)),
    checkAssertion: taking(spoiledBytes(assertion), (input) => checkAssertion(input, [known], ceremony)),
    // A document of a tenant's server: whoever waits for it is told that it cannot be had, whatever is wrong.
    openStatusList: taking(
      spoiledJwsOf('statuslist+jwt', signer.key.kid, list),
      async (one) =>
        openStatusList(await signer.sign(one), {
          uri: 'https://bank.example/',
          now: 5,
          findKey: async () => signer.key.jwk,
        }),
      ...['signature_invalid', 'malformed', 'JWTInvalid', 'TypeError', 'Error', 'RangeError', 'SyntaxError'],
    ),
    keySets: taking(read(spoiledValuesOf(keySet)), (text) => {
      const faults: unknown[] = [];
      const options = {
        now: () => 5,
        onFault: (fault: unknown) => void faults.push(fault),
        closing: undefined,
      };
      return new KeySets({ ...options, fetchText: async () => text }).find(
        'bank',
        'https://bank.example/',
        'x',
      );
    }),
    ...commands(folder, {
      policy: writtenOf(spoiledValuesOf(policyBody)),
      issuer: writtenOf(spoiledValuesOf(publicJwkShape)),
      keys: writtenOf(documents.keys),
      root: writtenOf(documents.root),
      certification: writtenOf(documents.certification),
      export: writtenOf(spoiledValuesOf(auditLine)),
    }),
    fileCredentials: taking(
      lines,
      async (bytes) => {
        const file = join(folder, 'credentials');
        writeFileSync(file, bytes);
        await fileCredentials(file);
      },
      'storage_unavailable',
    ),
    fileStorage: taking(
      writtenOf(spoiledValuesOf(deviceFile)),
      async (bytes) => {
        writeFileSync(join(folder, 'device.json'), bytes);
        const storage = fileStorage(folder);
        await storage.key();
        await storage.read('holder');
      },
      'storage_unavailable',
      'not_enrolled',
    ),
  };
  return Object.entries(targets).map(([name, target]) => ({ name, ...target }));
}

export function openFilesFolder(): { readonly folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'akashi-fuzz-files-'));
  mkdirSync(join(folder, 'out'));
  return { folder, remove: () => rmSync(folder, { recursive: true }) };
}

/** Commands that read a file; what they print says nothing of it. */
function commands(
  folder: string,
  files: Readonly<
    Record<'policy' | 'issuer' | 'keys' | 'root' | 'certification' | 'export', fc.Arbitrary<Uint8Array>>
  >,
): Record<string, Omit<Target, 'name'>> {
  const file = join(folder, 'given');
  const command = (inputs: fc.Arbitrary<Uint8Array>, ...args: readonly string[]): Omit<Target, 'name'> => ({
    weight: 0.2,
    ...taking(inputs, async (bytes) => {
      writeFileSync(file, bytes, { mode: 0o600 });
      const said: string[] = [];
      const out = (line: string) => void said.push(line);
      const env = { AKASHI_DATABASE: join(folder, 'akashi.db') };
      const exit = await runCommand(args, {
        env,
        random: randomBytes,
        out,
        err: out,
        untilStopped: async () => {},
      });
      if (![0, 1, 2, 3].includes(exit)) throw new Error('an exit code of its own');
      // The place of a fault in a policy is named, by names that are no more than that.
      const isNamed = args[0] === 'policy';
      if (!isNamed && said.join('\n').includes(MARK))
        throw new Error(`printed: ${said.join('\n').slice(0, 500)}`);
    }),
  });
  const certify = [
    ...['keys', 'certify', '--root', file, '--public', file],
    ...['--origin', ORIGIN, '--statement', join(folder, 'out', 'statement')],
  ];
  return {
    'akashi policy put': command(files.policy, 'policy', 'put', 'bank', file),
    'akashi issuer add': command(files.issuer, 'issuer', 'add', 'bank', file),
    'akashi audit verify': command(files.export, 'audit', 'verify', 'bank', '--file', file),
    'akashi keys rotate': command(
      files.keys,
      'keys',
      'rotate',
      '--keys',
      file,
      '--public',
      join(folder, 'out', 'public'),
    ),
    'akashi keys install': command(
      files.keys,
      'keys',
      'install',
      '--keys',
      file,
      '--statement',
      file,
      '--thumbprint',
      'A'.repeat(43),
    ),
    'akashi keys certify': command(files.certification, ...certify),
    'akashi keys certify (root)': command(files.root, ...certify),
  };
}

const keySet = v.object({ keys: v.array(publicJwkShape) });
const auditLine = v.strictObject({
  tenant: v.literal('bank'),
  seq: time,
  at: time,
  id: v.string(),
  content: v.string(),
  hash: v.string(),
  link: v.string(),
});
const deviceFile = v.strictObject({
  jwk: publicJwkShape,
  privateKey: publicJwkShape.entries.x,
  storageKey: publicJwkShape.entries.y,
  records: v.record(
    v.literal('holder'),
    v.strictObject({ iv: v.literal('AAAA'), ciphertext: v.literal('AAAA') }),
  ),
});
const credentialLine = v.strictObject({
  revoke: v.strictObject({ subject: v.literal('customer-1'), schema: v.optional(v.literal('x')) }),
});
const lines = fc
  .array(writtenOf(spoiledValuesOf(credentialLine)), { maxLength: 4 })
  .map((all) => Buffer.concat(all.flatMap((line) => [line, Buffer.from('\n')])));

/** Bytes of WebAuthn (CBOR, DER, JSON) with some of them changed, taken away or put in. */
function spoiledBytes<T extends object>(good: T): fc.Arbitrary<T> {
  const change = fc.record({ at: fc.nat(), byte: fc.nat(255), how: fc.constantFrom('set', 'cut', 'insert') });
  const members = Object.entries(good).map(([name, text]) => {
    const spoiled = fc.array(change, { maxLength: 3 }).map((changes) =>
      changes
        .reduce(
          (bytes, { at, byte, how }) => {
            const place = at % (bytes.length + 1);
            const rest = bytes.subarray(how === 'set' ? place + 1 : place);
            return how === 'cut'
              ? bytes.subarray(0, place)
              : Buffer.concat([bytes.subarray(0, place), Buffer.from([byte]), rest]);
          },
          Buffer.from(text, 'base64url'),
        )
        .toString('base64url'),
    );
    return [name, fc.oneof(fc.constant(text), spoiled)] as const;
  });
  return fc.record(Object.fromEntries(members)) as fc.Arbitrary<T>;
}
