import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseCredential, parseReceipt } from './credential.ts';
import { parseEvidence } from './evidence.ts';
import { passkeyBody } from './http-passkey.ts';
import { parseKeyStatement } from './key-statement.ts';
import { parsePresentation, parseProof } from './presentation.ts';
import { base64urlBytes, parse } from './shape.ts';
import { passkeyAssertion } from './webauthn.ts';
import { parseRequest } from './wire.ts';

const vectors = JSON.parse(readFileSync(new URL('./vectors/wire.json', import.meta.url), 'utf8'));
const { facts, signal } = JSON.parse(readFileSync(new URL('./vectors/claims.json', import.meta.url), 'utf8'));
const { accountsRoot: _root, ...common } = vectors.credential.payload;
const evidence = JSON.parse(readFileSync(new URL('./vectors/evidence.json', import.meta.url), 'utf8'));

const reusedEvidence = { ...evidence.payload, reusedFrom: vectors.request.payload.jti };

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Path = readonly (string | number)[];

const ABOUT_CLAIMS = ['operator', 'transaction', 'atLeast', 'atMost'];
// What passkeys add. The verifier's tests have real ones.
const requestWithPasskey = {
  ...vectors.request.payload,
  facts: [...vectors.request.payload.facts, { fact: 'passkey', version: 1, rpId: 'bank.example' }],
};
const passkey = { id: 'AAEC', authenticatorData: 'AAECAw', clientData: 'AAECAwQ', signature: 'AAECAwQF' };
const registration = { id: 'AAEC', attestation: 'AAECAw', clientData: 'AAECAwQ' };
const passkeyRegistration = { registration, proof: vectors.presentation.facts[0].proof };

const shapes: readonly [string, (input: unknown) => unknown, Json, readonly string[]][] = [
  ['request', parseRequest, vectors.request.payload, ['operator', 'transaction']],
  ['receipt', parseReceipt, vectors.receipt.payload, []],
  ['request about claims', parseRequest, { ...vectors.request.payload, facts }, ABOUT_CLAIMS],
  ['credential', parseCredential, vectors.credential.payload, []],
  [
    'credential with a status',
    parseCredential,
    {
      ...vectors.credential.payload,
      status: { status_list: { idx: 7, uri: 'https://bank.example/status/0' } },
    },
    ['status'],
  ],
  ['claims credential', parseCredential, { ...common, schema: signal, credential: '192837465' }, []],
  ['evidence', parseEvidence, evidence.payload, ['transactionHash']],
  ['evidence of a reused pass', parseEvidence, reusedEvidence, ['transactionHash', 'reusedFrom']],
  ['key statement', parseKeyStatement, vectors.keys.payload, []],
  ['presentation', parsePresentation, vectors.presentation, ['code', 'credential']],
  ['request for a passkey', parseRequest, requestWithPasskey, ['operator', 'transaction']],
  [
    'request with alternatives',
    parseRequest,
    vectors.alternatives.request,
    ['operator', 'alternatives', 'twoFactor'],
  ],
  [
    'presentation of an alternative',
    parsePresentation,
    vectors.alternatives.presentation,
    ['code', 'credential', 'alternative'],
  ],
  ['assertion', (input) => parse(passkeyAssertion, input), passkey, []],
  ['new passkey', (input) => parse(passkeyBody, input), passkeyRegistration, []],
  ['proof', parseProof, vectors.presentation.facts[0].proof, []],
];

describe.each(shapes)('%s', (_, parser, good, optional) => {
  test('is taken as the vector has it', () => {
    expect(parser(good)).toBeDefined();
  });

  // An alteration of every single value in the object: nothing of another type or encoding may pass.
  test('is refused with any value of another type or encoding', () => {
    for (const path of paths(good)) {
      const value = at(good, path);
      const wrongs = [null, true, -1, 1.5, '', ' ', 'é'.repeat(9000), [], {}, [value], { value }];
      for (const wrong of wrongs) {
        if (typeof wrong === 'boolean' && typeof value === 'boolean') continue;
        expect(
          () => parser(replaced(good, path, wrong as Json)),
          `${path.join('.')} = ${JSON.stringify(wrong).slice(0, 40)}`,
        ).toThrow('malformed');
      }
    }
  });

  test('is refused with an unknown key anywhere, and with any key missing', () => {
    for (const path of [[], ...paths(good)] as Path[]) {
      const value = at(good, path);
      if (value === null || typeof value !== 'object') continue;
      if (Array.isArray(value)) {
        expect(() => parser(replaced(good, path, [...value, 'more']))).toThrow('malformed');
        continue;
      }
      if (!isTexts(path)) {
        expect(() => parser(replaced(good, path, { ...value, extra: 1 }))).toThrow('malformed');
      }
      for (const key of Object.keys(value)) {
        if (optional.includes(key) || isTexts(path)) continue;
        const { [key]: _gone, ...rest } = value;
        expect(() => parser(replaced(good, path, rest)), `${path.join('.')} without ${key}`).toThrow(
          'malformed',
        );
      }
    }
  });

  test.each([[undefined], [null], [[]], [{}], ['{}'], [0], [new Map()]])('%s is none', (input) => {
    expect(() => parser(input)).toThrow('malformed');
  });
});

describe('texts that people read', () => {
  test.each([
    ['a line break', 'a\nb'],
    ['a right-to-left override', 'a\u202eb'],
    ['a zero-width space', 'a\u200bb'],
    ['a NUL', 'a\0b'],
    ['a lone surrogate', 'a\ud800'],
    ['121 characters', 'x'.repeat(121)],
    ['nothing', ''],
  ])('are refused with %s', (_, text) => {
    expect(() => parseRequest({ ...vectors.request.payload, operator: text })).toThrow('malformed');
  });
});

test('a fact asked for twice is refused', () => {
  const pin = { fact: 'pin', version: 1 };
  expect(() => parseRequest({ ...vectors.request.payload, facts: [pin, pin] })).toThrow('malformed');
});

test('a passkey asked for twice is refused', () => {
  const { facts, ...rest } = requestWithPasskey;
  const [passkeyEntry] = facts.slice(-1);
  const twice = [...facts, { ...passkeyEntry, rpId: 'other.example' }];
  expect(() => parseRequest({ ...rest, facts: twice })).toThrow('malformed');
});

describe('alternatives are refused', () => {
  test.each([
    ['of one way only', [[0, 1]]],
    ['that leave an entry of the list out', [[0], [1]]],
    ['that name a place behind its end', [[0, 1], [0, 2], [3]]],
    ['that name a place twice', [[0, 0, 1], [2]]],
    ['not in the order of the list', [[1, 0], [2]]],
    [
      'of which one is within another',
      [
        [0, 1],
        [0, 1, 2],
      ],
    ],
    [
      'of which two are the same',
      [
        [0, 1, 2],
        [0, 1, 2],
      ],
    ],
    ['of nothing', [[], [0, 1, 2]]],
    ['more than sixteen', Array.from({ length: 17 }, (_, i) => [i])],
    ['in one that is no list', 1],
  ])('%s', (_, alternatives) => {
    const { request } = vectors.alternatives;
    expect(parseRequest(request)).toMatchObject({ alternatives: request.alternatives, twoFactor: true });
    expect(() => parseRequest({ ...request, alternatives })).toThrow('malformed');
  });

  test.each([false, 0, 'true', null])('beside twoFactor %j', (twoFactor) => {
    expect(() => parseRequest({ ...vectors.alternatives.request, twoFactor })).toThrow('malformed');
  });

  test.each([-1, 16, 0.5, '0', null, [0]])('by a presentation of alternative %j', (alternative) => {
    const presentation = { ...vectors.alternatives.presentation, alternative };
    expect(() => parsePresentation(presentation)).toThrow('malformed');
  });
});

test('evidence of a pass has factors, and facts unless a passkey alone was asked for; of any other verdict neither', () => {
  const { payload } = evidence;
  expect(parseEvidence({ ...payload, facts: [], factors: ['possession'] })).toMatchObject({ facts: [] });
  expect(() => parseEvidence({ ...payload, factors: [] })).toThrow('malformed');
  const failed = { ...payload, verdict: 'failed' };
  expect(parseEvidence({ ...failed, facts: [], factors: [] })).toMatchObject({ verdict: 'failed' });
  expect(() => parseEvidence({ ...failed, facts: [], factors: [], reusedFrom: payload.jti })).toThrow(
    'malformed',
  );
  for (const shown of [{ facts: [] }, { factors: [] }]) {
    expect(() => parseEvidence({ ...failed, ...shown })).toThrow('malformed');
  }
});

test('a presentation of a passkey alone is taken, one of nothing is not', () => {
  const alone = { ...vectors.presentation, facts: [], passkey };
  expect(parsePresentation(alone)).toMatchObject({ facts: [], passkey });
  expect(() => parsePresentation({ ...alone, passkey: undefined })).toThrow('malformed');
});

test('bytes of any length are taken in their one canonical form', () => {
  const shape = base64urlBytes(1023);
  for (let length = 1; length <= 1023; length += 13) {
    const text = Buffer.alloc(length, 255).toString('base64url');
    expect(parse(shape, text)).toBe(text);
    expect(() => parse(shape, `${text}=`)).toThrow('malformed');
    // The unused bits of the last character, where there are any.
    if (length % 3 > 0) expect(() => parse(shape, `${text.slice(0, -1)}_`)).toThrow('malformed');
  }
  for (const wrong of ['', 'A', 'AAAAA', Buffer.alloc(1024).toString('base64url')]) {
    expect(() => parse(shape, wrong)).toThrow('malformed');
  }
});

test('base64url is taken in its one canonical form', () => {
  const { jti } = vectors.request.payload;
  const last = jti.at(-1);
  const sibling = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const alias = jti.slice(0, -1) + sibling[sibling.indexOf(last) + 1];
  expect(Buffer.from(alias, 'base64url')).toEqual(Buffer.from(jti, 'base64url'));
  for (const wrong of [alias, `${jti}=`, `${jti}==`, jti.slice(1), `${jti}A`]) {
    expect(() => parseRequest({ ...vectors.request.payload, jti: wrong })).toThrow('malformed');
  }
});

/** One text in several languages: any of them may be missing. */
function isTexts(path: Path): boolean {
  return path.includes('text') || path.includes('label');
}

function paths(value: Json, here: Path = []): Path[] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const path = [...here, Array.isArray(value) ? Number(key) : key];
    return [path, ...paths(inner as Json, path)];
  });
}

function at(value: Json, path: Path): Json {
  return path.reduce<Json>((inner, key) => (inner as Record<string, Json>)[key] as Json, value);
}

function replaced(value: Json, path: Path, by: Json): Json {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  const copy = structuredClone(value) as Record<string, Json>;
  copy[key] = replaced(copy[key] as Json, rest, by);
  return copy;
}
