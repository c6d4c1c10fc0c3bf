import fc from 'fast-check';

// What is done to values and texts that would be taken, somewhere in them, so that they are not.

/**
 * In every text that is no value of ours: an answer or a message that holds it says something of its input. Long enough that no
 * nonce has it by chance.
 */
export const MARK = 'zq7nothing4x';

const LONG = `${MARK}${'a'.repeat(20_000)}`;
const nested = (depth: number) => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`) as unknown;
const withOwn = (name: string, value: unknown) =>
  Object.defineProperty({}, name, { value, enumerable: true, configurable: true, writable: true });

const JUNK: readonly unknown[] = [
  ...[null, true, false, 0, -0, -1, 1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, 5e-324],
  ...[
    '',
    ' ',
    MARK,
    LONG,
    `${MARK}${'あ'.repeat(5000)}`,
    `${MARK}\ud800`,
    `${MARK}\u0000`,
    `\u202e${MARK}`,
    `${MARK}🙂`,
  ],
  ...[
    '０１２３４５',
    `${MARK}\r\nX-Other: 1`,
    `../../${MARK}`,
    `' OR 1=1 --${MARK}`,
    `%00${MARK}`,
    '9'.repeat(5000),
    '-0',
    '1e3',
  ],
  ...[[], {}, [[]], nested(200), Array.from({ length: 2000 }, () => 0)],
  ...[withOwn('__proto__', { polluted: true }), { constructor: { prototype: { polluted: true } } }],
  { [LONG]: 1 },
];
export const junk: fc.Arbitrary<unknown> = fc.oneof(
  { arbitrary: fc.constantFrom(...JUNK), weight: 8 },
  { arbitrary: fc.jsonValue({ maxDepth: 2 }), weight: 1 },
);
const NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'length',
  MARK,
  '',
  'fact',
  'proof',
  'subject',
];

/** One thing that is done to a value, somewhere in it. */
export interface Spoil {
  readonly how: 'drop' | 'add' | 'replace' | 'repeat' | 'wrap';
  readonly at: number;
  readonly name: string;
  readonly value: unknown;
}
export const spoil: fc.Arbitrary<Spoil> = fc.record({
  how: fc.constantFrom('drop', 'add', 'replace', 'replace', 'repeat', 'wrap'),
  at: fc.nat(),
  name: fc.constantFrom(...NAMES),
  value: junk,
});

/** These values, and what they are spoiled into. */
export function spoiledOf(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const spoiled = fc
    .tuple(values, fc.array(spoil, { minLength: 1, maxLength: 3 }))
    .map(([value, spoils]) => spoils.reduce(spoiledBy, value));
  return fc.oneof(
    { arbitrary: values, weight: 5 },
    { arbitrary: spoiled, weight: 5 },
    { arbitrary: junk, weight: 1 },
  );
}

/** A copy with one place of it changed. */
export function spoiledBy(whole: unknown, { how, at, name, value }: Spoil): unknown {
  const places = placesOf(whole);
  const target = places[at % places.length];
  if (target === undefined) return value;
  const change = (old: unknown): unknown => {
    if (how === 'wrap') return at % 2 === 0 ? [old] : { [name]: old };
    if (how === 'add' && isObject(old)) return Object.assign(withOwn(name, value), old);
    if (how === 'add' && Array.isArray(old)) return [...old, value];
    if (how === 'repeat' && Array.isArray(old)) return [...old, ...old];
    return value;
  };
  return changed(whole, target, how === 'drop' ? () => undefined : change);
}

type Path = readonly (string | number)[];

function placesOf(value: unknown, path: Path = []): Path[] {
  const below = Array.isArray(value)
    ? value.slice(0, 20).flatMap((item, i) => placesOf(item, [...path, i]))
    : isObject(value)
      ? Object.keys(value).flatMap((name) => placesOf(value[name], [...path, name]))
      : [];
  return path.length > 12 ? [path] : [path, ...below];
}

function changed(value: unknown, [step, ...rest]: Path, change: (old: unknown) => unknown): unknown {
  if (step === undefined) return change(value);
  if (Array.isArray(value) && typeof step === 'number') {
    const next = changed(value[step], rest, change);
    return next === undefined ? value.toSpliced(step, 1) : value.with(step, next);
  }
  if (!isObject(value)) return value;
  const copy = withOwn('', 0);
  for (const [name, old] of Object.entries(value)) {
    const next = name === step ? changed(old, rest, change) : old;
    if (next !== undefined) Object.defineProperty(copy, name, { value: next, enumerable: true });
  }
  return Object.fromEntries(Object.entries(copy).filter(([name]) => name !== '' || '' in value));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** Texts of JSON: values as they are written, and what is no JSON at all, or JSON that nobody writes. */
export function writtenOf(values: fc.Arbitrary<unknown>): fc.Arbitrary<Uint8Array> {
  const plain = values.map((value) => JSON.stringify(value) ?? '');
  const broken = fc.tuple(plain, brokenness).map(([text, how]) => brokenText(text, how));
  return fc.oneof(
    { arbitrary: plain.map((text) => Buffer.from(text)), weight: 7 },
    { arbitrary: broken, weight: 2 },
  );
}

export const brokenness = fc.record({
  how: fc.constantFrom('cut', 'insert', 'double', 'deep', 'number', 'utf-8', 'bom', 'tail', 'flip', 'utf-16'),
  at: fc.nat(),
});

export type Brokenness = typeof brokenness extends fc.Arbitrary<infer T> ? T : never;

/** A text, spoiled as a text. */
export function brokenText(text: string, { how, at }: Brokenness): Uint8Array {
  const place = at % (text.length + 1);
  const [before, after] = [text.slice(0, place), text.slice(place)];
  switch (how) {
    case 'cut':
      return Buffer.from(before);
    case 'insert':
      return Buffer.from(`${before}${'{}[],:"\\\u0000\n '[at % 12] ?? ''}${after}`);
    case 'double':
      return Buffer.from(text.replace(/"([a-z]+)":/i, '"$1":null,$&'));
    case 'deep': {
      const depth = 1 + (at % 6000);
      return Buffer.from('['.repeat(depth) + (at % 2 === 0 ? ']'.repeat(depth) : ''));
    }
    case 'number':
      return Buffer.from(
        text.replace(/-?\d+/, ['1e999', '-0', '01', 'NaN', '1'.repeat(4000), '0x1'][at % 6] ?? ''),
      );
    case 'utf-8':
      return Buffer.concat([Buffer.from(before), Buffer.from([0xc0, 0xaf, 0xff]), Buffer.from(after)]);
    case 'bom':
      return Buffer.from(`\ufeff${text}`);
    case 'tail':
      return Buffer.from(`${text}${text}`);
    case 'flip': {
      const bytes = Buffer.from(text);
      if (bytes.length > 0) bytes[at % bytes.length] = at % 256;
      return bytes;
    }
    default:
      return Buffer.from(text, 'utf16le');
  }
}

export const brokenTexts = (texts: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof(
    texts,
    fc.tuple(texts, brokenness).map(([text, how]) => Buffer.from(brokenText(text, how)).toString()),
    fc.constantFrom(...JUNK.filter((value) => typeof value === 'string')),
  );
