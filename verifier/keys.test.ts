import { randomBytes } from 'node:crypto';
import { parseKeyStatement, thumbprint, verifyKeyStatement } from '@akashi/circuits';
import { expect, test } from 'vitest';
import {
  certificationOf,
  certifyKeys,
  createDevelopmentKeys,
  createKeysDocument,
  createRootDocument,
  ENDED_KEY_SECONDS,
  installStatement,
  openKeys,
  parseCertification,
  parseKeysDocument,
  parseRootDocument,
  publishedKeys,
  rootThumbprint,
  rotateSigningKey,
  SIGNING_KEY_SECONDS,
  signingKey,
} from './keys.ts';

const NOW = 1_900_000_000;
const ORIGIN = 'https://verifier.example';

async function certified(now = NOW) {
  const root = await createRootDocument();
  const document = await createKeysDocument(now, randomBytes);
  const statement = await certifyKeys(root, await certificationOf(document), ORIGIN, now);
  return { root, document: await installStatement(document, await rootThumbprint(root), statement) };
}

test('keys open once the root key has certified them, for the origin it said', async () => {
  const { root, document } = await certified();
  const keys = await openKeys(document);
  expect(keys.issuer).toBe(ORIGIN);
  expect(keys.root).toBe(await rootThumbprint(root));
  const said = parseKeyStatement(await verifyKeyStatement(keys.statement, keys.root));
  const [key] = keys.signing;
  expect(said.keys).toEqual([{ jwk: key?.jwk, kid: key?.kid, nbf: NOW, exp: NOW + SIGNING_KEY_SECONDS }]);
  expect(key?.kid).toBe(key && (await thumbprint(key.jwk)));
});

test('keys without a statement, or with one that does not fit, do not open', async () => {
  const { root, document } = await certified();
  const other = await certified();
  const bare = await createKeysDocument(NOW, randomBytes);
  await expect(openKeys(bare)).rejects.toMatchObject({ code: 'key_statement_invalid' });
  const foreign = { ...document, statement: other.document.statement };
  await expect(openKeys(foreign)).rejects.toMatchObject({ code: 'key_statement_invalid' });
  const moved = { ...document, root: other.document.root };
  await expect(openKeys(moved)).rejects.toMatchObject({ code: 'key_statement_invalid' });
  const uncertified = { ...document, signing: bare.signing };
  await expect(openKeys(uncertified)).rejects.toMatchObject({ code: 'key_statement_invalid' });
  const longer = { ...document, signing: document.signing.map((key) => ({ ...key, exp: key.exp + 1 })) };
  await expect(openKeys(longer)).rejects.toMatchObject({ code: 'key_statement_invalid' });
  const thumb = await rootThumbprint(root);
  await expect(installStatement(bare, thumb, other.document.statement ?? '')).rejects.toMatchObject({
    code: 'key_statement_invalid',
  });
});

test('what the root key is to certify holds no secret, and a key under a wrong name is not certified', async () => {
  const { root, document } = await certified();
  const certification = await certificationOf(document);
  expect(JSON.stringify(certification)).not.toContain('"d"');
  const keys = certification.keys.map((key) => ({ ...key, kid: 'A'.repeat(43) }));
  await expect(certifyKeys(root, { ...certification, keys }, ORIGIN, NOW)).rejects.toMatchObject({
    code: 'malformed',
  });
});

test('a rotated key signs only once it is certified, and both are valid meanwhile', async () => {
  const { root, document } = await certified();
  const later = NOW + 1000;
  const rotated = await rotateSigningKey(document, later);
  const before = await openKeys(rotated);
  expect(before.signing).toHaveLength(1);
  const [old] = before.signing;
  expect(signingKey(before, later).kid).toBe(old?.kid);
  const statement = await certifyKeys(root, await certificationOf(rotated), ORIGIN, later);
  const after = await openKeys(await installStatement(rotated, await rootThumbprint(root), statement));
  expect(after.signing).toHaveLength(2);
  expect(signingKey(after, later).kid).not.toBe(old?.kid);
  expect(signingKey(after, later - 1).kid).toBe(old?.kid);
  const ended = await rotateSigningKey(rotated, NOW + SIGNING_KEY_SECONDS);
  expect(ended.signing).toHaveLength(2);
});

test('a rotated key signs after its lead, or when the last one ends, whichever is first', async () => {
  const { document } = await certified();
  const nbfOf = async (now: number, lead: number) =>
    (await rotateSigningKey(document, now, lead)).signing.at(-1)?.nbf;
  const end = NOW + SIGNING_KEY_SECONDS;
  expect(await nbfOf(NOW, 86_400)).toBe(NOW + 86_400);
  expect(await nbfOf(end - 10, 86_400)).toBe(end);
  expect(await nbfOf(end + 10, 86_400)).toBe(end + 10);
});

test('of a key that has ended the public half stays, for ten years, and signs nothing', async () => {
  const { root, document } = await certified();
  const first = (await openKeys(document)).signing[0];
  const end = NOW + SIGNING_KEY_SECONDS;
  const certify = async (made: typeof document) =>
    installStatement(
      made,
      await rootThumbprint(root),
      await certifyKeys(root, await certificationOf(made), ORIGIN, end),
    );
  const rotated = await certify(await rotateSigningKey(document, end));
  expect(JSON.stringify(rotated)).not.toContain(document.signing[0]?.jwk.d);
  const keys = await openKeys(parseKeysDocument(JSON.stringify(rotated)));
  const { kid, jwk, nbf, exp } = first ?? {};
  expect(keys.ended).toEqual([{ kid, jwk, nbf, exp }]);
  expect(signingKey(keys, end).kid).not.toBe(kid);
  expect(keys.statement).not.toContain(kid);
  const kids = (now: number) => publishedKeys(keys, now).map((key) => key.kid);
  expect(kids(end + ENDED_KEY_SECONDS - 1)).toContain(kid);
  expect(kids(end + ENDED_KEY_SECONDS)).not.toContain(kid);
  const late = await rotateSigningKey(rotated, end + ENDED_KEY_SECONDS);
  expect(late.ended).toHaveLength(1);
  expect(JSON.stringify(late.ended)).not.toContain(jwk?.x);
});

test('nothing is signed with a key before or after its time', async () => {
  const keys = await openKeys((await certified()).document);
  expect(() => signingKey(keys, NOW - 1)).toThrow('no certified signing key');
  expect(() => signingKey(keys, NOW + SIGNING_KEY_SECONDS)).toThrow('no certified signing key');
});

test('documents are read strictly', async () => {
  const { root, document } = await certified();
  expect(parseKeysDocument(JSON.stringify(document))).toEqual(document);
  expect(parseRootDocument(JSON.stringify(root))).toEqual(root);
  const certification = await certificationOf(document);
  expect(parseCertification(JSON.stringify(certification))).toEqual(certification);
  const { keyEncryption } = document;
  for (const wrong of [
    '',
    '[]',
    JSON.stringify(root),
    JSON.stringify({ ...document, extra: 1 }),
    JSON.stringify({ ...document, codeKey: 'short' }),
    JSON.stringify({ ...document, signing: [] }),
    JSON.stringify({ ...document, keyEncryption: { ...keyEncryption, current: 'another' } }),
    JSON.stringify({ ...document, keyEncryption: { ...keyEncryption, current: 'toString' } }),
  ]) {
    expect(() => parseKeysDocument(wrong)).toThrow('malformed');
  }
});

test('development keys are whole', async () => {
  const { keys, root } = await createDevelopmentKeys(ORIGIN, NOW, randomBytes);
  expect((await openKeys(keys)).root).toBe(await rootThumbprint(root));
});
