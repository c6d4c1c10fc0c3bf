import { parse, presentationShape, startBody } from '@akashi/circuits';
import fc from 'fast-check';
import * as v from 'valibot';
import { junk, spoiledOf, writtenOf } from './spoils.ts';

// Values by the shapes of the wire: what a shape takes, made by walking through it. Texts and whatever has a rule over several members are
// picked from pools that are made once, because matching an expression
// takes longer than most calls that are tried.

const POOL = 24;
const TRIES = 250;
const SEED = 1;

/** Coordinates of points on the curve and in the subgroup: the generators. */
const G1 = ['1', '2'] as const;
const G2 = [
  [
    '10857046999023057135944570762232829481370756359578518086990519993285655852781',
    '11559732032986387107991004021392285783925812861821192530917403151452391805634',
  ],
  [
    '8495653923123431417604973247489272438418190587263600148770280649306958101930',
    '4082367875863433681332203403145435568316851327593401208105741076214120093531',
  ],
] as const;
/** Reads as a proof, and proves nothing. */
export const READABLE_PROOF = { a: G1, b: G2, c: G1 };

/** The base points of ristretto255 and P-256. */
const ELEMENT = Buffer.from('e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76', 'hex');
const BLINDED = ELEMENT.toString('base64url');
const POINT = {
  x: 'axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY',
  y: 'T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU',
};

/** What stands for an id or a JWS that is known only when the call is made: of the form of one, so that shapes take it. */
export const placeholderId = (name: string) => `${name}_`.padEnd(21, '0').concat('A');
export const placeholderJws = (name: string) => `${name}.x.${'0'.repeat(85)}A`;
export const PLACEHOLDER_CODE = '424242';

/** Tried for a member of this name before anything else, where its shape takes it. */
const BY_NAME: Readonly<Record<string, readonly unknown[]>> = {
  attempt: [placeholderId('own_attempt')],
  verification: [placeholderId('own_verification'), placeholderId('foreign_verification')],
  token: [placeholderId('own_token'), placeholderId('own_link')],
  operator: [placeholderId('own_operator'), placeholderId('foreign_operator')],
  credential: [placeholderJws('own_credential')],
  code: [PLACEHOLDER_CODE],
  subject: ['customer-1', 'customer-2', 'nobody'],
  policy: ['knows-pin', 'owns-account', 'passkey', 'reusing'],
  purpose: ['transfer'],
  blinded: [BLINDED],
  proof: [READABLE_PROOF],
  x: [POINT.x],
  y: [POINT.y],
  version: [1],
  claim: ['balance', 'born'],
  name: ['balance', 'born'],
};

const START = { subject: 'customer-1', policy: 'knows-pin', purpose: 'transfer', mode: 'call' };
const PIN = { fact: 'pin', version: 1, proof: READABLE_PROOF };
/** Bodies of which chance would make too few that are done. */
const BY_SHAPE = new Map<v.GenericSchema, readonly unknown[]>([
  [
    presentationShape,
    [
      { attempt: placeholderId('own_attempt'), code: PLACEHOLDER_CODE, facts: [PIN] },
      { attempt: placeholderId('own_attempt'), facts: [PIN] },
      {
        ...{ attempt: placeholderId('own_attempt'), code: PLACEHOLDER_CODE },
        facts: [PIN, { ...PIN, fact: 'account', credential: placeholderJws('own_credential') }],
      },
    ],
  ],
  [
    startBody,
    [
      { ...START, call: { direction: 'inbound', id: 'call-1' } },
      { ...START, policy: 'owns-account', call: { direction: 'outbound' }, mode: 'precall' },
    ],
  ],
]);

/** Texts that some shape asks for by a rule of its own. */
const TEXTS = [
  ...[
    '',
    '0',
    '1',
    '7',
    '-1',
    '500',
    '18446744073709551615',
    '-9223372036854775808',
    '2000-02-29',
    '1900-01-01',
  ],
  ...['JPY', 'USD', 'Asia/Tokyo', 'UTC', '00:00', '23:59', 'ja', 'en', '13'],
  ...['https://bank.example/', 'https://bank.example/keys', 'http://localhost:1/status/'],
  ...[
    'Sato',
    '山田 太郎',
    'Café',
    'ÅÄÖ',
    'A transfer',
    'お振込み',
    'bank.example',
    'localhost',
    'x'.repeat(120),
  ],
  ...['AA', 'AAAA', Buffer.alloc(37, 7).toString('base64url'), Buffer.alloc(600, 9).toString('base64url')],
  ...[placeholderId('own_device'), placeholderId('foreign_device'), placeholderId('nothing')],
  ...['21888242871839275222246405745257275088548364400416034343698204186575808495616', ...G1, ...G2.flat()],
];

/** What shapes take by a function of their own. */
const OWN_KINDS: readonly unknown[] = [
  ...['pin', 'account', 'range', 'member', 'passkey', READABLE_PROOF, new Uint8Array(12)],
  await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt']),
];

/** What valibot's type of any schema hides. */
interface Shape {
  readonly type: string;
  readonly pipe?: readonly { readonly type: string; readonly requirement?: unknown }[];
  readonly entries?: Readonly<Record<string, v.GenericSchema>>;
  readonly item?: v.GenericSchema;
  readonly items?: readonly v.GenericSchema[];
  readonly options?: readonly unknown[];
  readonly wrapped?: v.GenericSchema;
  readonly key?: v.GenericSchema;
  readonly value?: v.GenericSchema;
  readonly literal?: unknown;
}

const known = new WeakMap<v.GenericSchema, fc.Arbitrary<unknown>>();

/** Values that the schema takes, nearly all of them. @throws TypeError for a kind of schema that is not known here */
export function valuesOf(schema: v.GenericSchema): fc.Arbitrary<unknown> {
  const made = known.get(schema) ?? withGiven(schema, narrowed(schema, plainValues(schema)));
  known.set(schema, made);
  return made;
}

function withGiven(schema: v.GenericSchema, made: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const given = BY_SHAPE.get(schema);
  return given === undefined ? made : fc.oneof(made, fc.constantFrom(...candidates(schema, given)));
}

function plainValues(schema: v.GenericSchema): fc.Arbitrary<unknown> {
  const shape = schema as unknown as Shape;
  switch (shape.type) {
    case 'string':
      return fc.constantFrom(...textsOf(schema, shape));
    case 'number':
      return numbersOf(shape);
    case 'bigint':
      return fc.constantFrom(0n, 1n, 2n ** 64n, -1n, 2n ** 254n);
    case 'boolean':
      return fc.boolean();
    case 'literal':
      return fc.constant(shape.literal);
    case 'picklist':
      return fc.constantFrom(...(shape.options ?? []));
    case 'custom':
      return fc.constantFrom(...candidates(schema, OWN_KINDS));
    case 'unknown':
      return junk;
    case 'optional':
    case 'exact_optional':
      return valuesOf(inner(shape.wrapped));
    case 'nullable':
      return fc.oneof(fc.constant(null), valuesOf(inner(shape.wrapped)));
    case 'object':
    case 'strict_object':
      return objectsOf(shape.entries ?? {});
    case 'strict_tuple':
      return fc.tuple(...(shape.items ?? []).map(valuesOf));
    case 'array':
      return listsOf(inner(shape.item), shape);
    case 'record':
      return fc.dictionary(valuesOf(inner(shape.key)) as fc.Arbitrary<string>, valuesOf(inner(shape.value)), {
        ...{ minKeys: 1, maxKeys: 3 },
      });
    case 'union':
      return fc.oneof(...(shape.options ?? []).map((option) => valuesOf(option as v.GenericSchema)));
    default:
      throw new TypeError(`shapes of the type ${shape.type} are not walked through yet`);
  }
}

function inner(schema: v.GenericSchema | undefined): v.GenericSchema {
  if (schema === undefined) throw new TypeError('a shape without its inside');
  return schema;
}

/** Where a rule goes over more than one member, mostly values that keep it. */
function narrowed(schema: v.GenericSchema, made: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const { type, pipe = [] } = schema as unknown as Shape;
  if (type === 'string' || !pipe.some((step) => step.type === 'check')) return made;
  const samples = fc.sample(made, { seed: SEED, numRuns: TRIES });
  const broken = samples.filter((value) => !v.is(schema, value));
  return fc.constantFrom(...candidates(schema, samples).slice(0, 4 * POOL), ...broken.slice(0, POOL));
}

function candidates(schema: v.GenericSchema, from: readonly unknown[]): unknown[] {
  const taken = from.filter((value) => v.is(schema, value));
  if (taken.length === 0) throw new TypeError('a shape takes none of the values made for it: give it one');
  return taken;
}

function textsOf(schema: v.GenericSchema, { pipe = [] }: Shape): unknown[] {
  const matched = pipe.flatMap(({ type, requirement }) => {
    if (type !== 'regex' || !(requirement instanceof RegExp)) return [];
    try {
      return fc.sample(fc.stringMatching(requirement), { seed: SEED, numRuns: POOL });
    } catch {
      return []; // fast-check knows no lookaround: TEXTS has some of these
    }
  });
  return candidates(schema, [...TEXTS, ...Object.values(BY_NAME).flat(), ...matched]);
}

function numbersOf({ pipe = [] }: Shape): fc.Arbitrary<number> {
  const bound = (type: string, otherwise: number) => {
    const requirement = pipe.find((step) => step.type === type)?.requirement;
    return typeof requirement === 'number' ? requirement : otherwise;
  };
  const [min, max] = [bound('min_value', 0), bound('max_value', Number.MAX_SAFE_INTEGER)];
  const edges = [min, min + 1, max - 1, max].filter((edge) => edge >= min && edge <= max);
  return fc.oneof(fc.constantFrom(...edges), fc.integer({ min, max: Math.min(max, min + 1000) }));
}

function objectsOf(entries: Readonly<Record<string, v.GenericSchema>>): fc.Arbitrary<unknown> {
  const members = Object.entries(entries).map(([name, schema]) => [name, memberOf(name, schema)] as const);
  const requiredKeys = Object.entries(entries)
    .filter(([, schema]) => !['optional', 'exact_optional'].includes(schema.type))
    .map(([name]) => name);
  const required = members.filter(([name]) => requiredKeys.includes(name));
  return fc.oneof(
    { arbitrary: fc.record(Object.fromEntries(members), { requiredKeys, noNullPrototype: true }), weight: 2 },
    { arbitrary: fc.record(Object.fromEntries(required), { noNullPrototype: true }), weight: 1 },
  );
}

function memberOf(name: string, schema: v.GenericSchema): fc.Arbitrary<unknown> {
  const named = (Object.hasOwn(BY_NAME, name) ? (BY_NAME[name] ?? []) : []).filter((value) =>
    v.is(schema, value),
  );
  if (named.length === 0) return valuesOf(schema);
  return fc.oneof(
    { arbitrary: fc.constantFrom(...named), weight: 5 },
    { arbitrary: valuesOf(schema), weight: 1 },
  );
}

function listsOf(item: v.GenericSchema, { pipe = [] }: Shape): fc.Arbitrary<unknown> {
  const least = pipe.find(({ type }) => type === 'min_length' || type === 'length')?.requirement;
  const minLength = typeof least === 'number' ? least : 0;
  return fc.array(valuesOf(item), {
    minLength,
    maxLength: pipe.some(({ type }) => type === 'length') ? minLength : Math.max(minLength, 3),
    depthIdentifier: 'lists',
  });
}

/** Values that the schema takes, and what they are spoiled into. */
export function spoiledValuesOf(schema: v.GenericSchema): fc.Arbitrary<unknown> {
  return spoiledOf(valuesOf(schema));
}

/** Texts of JSON, see {@link writtenOf}. */
export function jsonOf(schema: v.GenericSchema): fc.Arbitrary<Uint8Array> {
  return writtenOf(spoiledValuesOf(schema));
}

/** The share of these values that the schema takes: a walk that makes nothing good tries nothing but the refusal. */
export function shareTaken(schema: v.GenericSchema): number {
  const samples = fc.sample(valuesOf(schema), { seed: SEED, numRuns: 200 });
  return samples.filter((value) => isTaken(schema, value)).length / samples.length;
}

function isTaken(schema: v.GenericSchema, value: unknown): boolean {
  try {
    parse(schema, value);
    return true;
  } catch {
    return false;
  }
}
