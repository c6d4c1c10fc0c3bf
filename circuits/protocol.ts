import { AkashiError } from './error.ts';
import { FIELD_ORDER } from './field.ts';

/** What a fact counts as when a policy asks for factors; `null` is no factor (docs/protocol.md, section 3). */
export type Factor = 'knowledge' | 'possession' | 'inherence';

interface FactEntry {
  readonly version: number;
  /** Public outputs, in circuit order. They come first among the public signals. */
  readonly outputs: readonly string[];
  /** Public inputs, in template order. They follow the outputs. */
  readonly inputs: readonly string[];
  /** Private inputs with their length; 1 is a plain signal. */
  readonly privateInputs: Readonly<Record<string, number>>;
  readonly factor: Factor | null;
}

/** The public inputs of `member` that hold its values. */
export const MEMBER_VALUES = [
  'value0',
  'value1',
  'value2',
  'value3',
  'value4',
  'value5',
  'value6',
  'value7',
] as const;

/**
 * The registry: the only place that knows which facts exist and in which order their signals stand.
 * The build of the circuits fails when a compiled circuit disagrees with it.
 */
export const FACTS = {
  pin: {
    version: 1,
    outputs: ['commitment'],
    inputs: ['challenge'],
    privateInputs: { pinKey: 1, holderSecret: 1 },
    factor: 'knowledge',
  },
  account: {
    version: 1,
    outputs: ['accountsRoot', 'accountRef'],
    inputs: ['challenge', 'scope', 'reveal'],
    privateInputs: { accountKey: 1, holderSecret: 1, index: 1, siblings: 4 },
    factor: null,
  },
  range: {
    version: 1,
    outputs: ['credential'],
    inputs: ['challenge', 'schema', 'index', 'lower', 'upper'],
    privateInputs: { claims: 8, salt: 1, holderSecret: 1 },
    factor: null,
  },
  member: {
    version: 1,
    outputs: ['credential'],
    inputs: ['challenge', 'schema', 'index', ...MEMBER_VALUES],
    privateInputs: { claims: 8, salt: 1, holderSecret: 1 },
    factor: null,
  },
} as const satisfies Record<string, FactEntry>;

export type FactId = keyof typeof FACTS;

/**
 * Asked for in the same list as facts and bound by the same challenge, but no fact: a WebAuthn signature says it, not a
 * proof, so it has no circuit and no entry in the registry.
 */
export const PASSKEY = { fact: 'passkey', version: 1 } as const;

/** What can stand in a request's list. */
export type AskedId = FactId | typeof PASSKEY.fact;

export const FACT_IDS = Object.keys(FACTS) as readonly FactId[];

export type SignalName<F extends FactId> =
  | (typeof FACTS)[F]['outputs'][number]
  | (typeof FACTS)[F]['inputs'][number];

/** The public signals of a fact by name. */
export type Signals<F extends FactId> = { readonly [K in SignalName<F>]: bigint };

/** The private inputs of a fact by name: a field element, or as many as the registry says. */
export type PrivateInputs<F extends FactId> = {
  readonly [K in keyof (typeof FACTS)[F]['privateInputs']]: (typeof FACTS)[F]['privateInputs'][K] extends 1
    ? bigint
    : readonly bigint[];
};

/** What a circuit needs to compute its witness: its public inputs and its private ones. */
export type CircuitInputs<F extends FactId> = {
  readonly [K in (typeof FACTS)[F]['inputs'][number]]: bigint;
} & PrivateInputs<F>;

export function isFactId(value: unknown): value is FactId {
  return typeof value === 'string' && Object.hasOwn(FACTS, value);
}

/** Names of the public signals of a fact, in circuit order. */
export function signalNames<F extends FactId>(fact: F): readonly SignalName<F>[] {
  return [...FACTS[fact].outputs, ...FACTS[fact].inputs] as readonly SignalName<F>[];
}

/** Named signals to the array a proof system wants. The inverse is {@link signalsFromArray}. */
export function signalsToArray<F extends FactId>(fact: F, signals: Signals<F>): bigint[] {
  return signalNames(fact).map((name) => {
    const value: unknown = signals[name];
    if (typeof value !== 'bigint' || value < 0n || value >= FIELD_ORDER) {
      throw new TypeError('every public signal must be a field element');
    }
    return value;
  });
}

/**
 * The array of public signals to named ones.
 * @throws AkashiError `malformed` when the count is not the registered one
 */
export function signalsFromArray<F extends FactId>(fact: F, values: readonly bigint[]): Signals<F> {
  const names = signalNames(fact);
  if (values.length !== names.length) throw new AkashiError('malformed');
  return Object.fromEntries(names.map((name, i) => [name, values[i]])) as Signals<F>;
}

/**
 * Domain tags: the first input of every Poseidon hash, one per use. Each is the big-endian ASCII of its name,
 * and stands under the same name in `hash.circom`.
 */
export const TAGS = {
  TAG_HOLDER: tag('akashi/holder/v1'),
  TAG_PIN: tag('akashi/pin/v1'),
  TAG_LEAF: tag('akashi/leaf/v1'),
  TAG_NODE: tag('akashi/node/v1'),
  TAG_REF: tag('akashi/ref/v1'),
  TAG_CREDENTIAL: tag('akashi/credential/v1'),
} as const;

/** Accounts a subject can have: the leaves of the depth-4 tree. */
export const ACCOUNTS_DEPTH = 4;
export const ACCOUNTS_MAX = 2 ** ACCOUNTS_DEPTH;

/** Claims of a credential: unused ones are 0. */
export const CLAIMS_MAX = 8;

/** Claims, bounds and their distances have this many bits in the fact `range`. */
export const RANGE_BITS = 64;

function tag(name: string): bigint {
  return [...name].reduce((sum, char) => sum * 256n + BigInt(char.charCodeAt(0)), 0n);
}
