import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import {
  type ClaimDefinition,
  type ClaimsSchema,
  claimsSchema,
  encodeNumber,
  requireText,
  requireValues,
} from './claims.ts';
import { AkashiError } from './error.ts';
import { fieldFromBytes } from './field.ts';
import { CLAIMS_MAX, MEMBER_VALUES } from './protocol.ts';
import { parse } from './shape.ts';

// The one field element that a claim, and a schema of claims, becomes in a credential, a bound or a value
// (docs/protocol.md, section 3).

/**
 * The public signal `schema`: 31 bytes of a digest over all of the schema, so that a credential issued under other
 * names, another order, another encoding or other words is one of another schema.
 */
export function schemaSignal(schema: ClaimsSchema): bigint {
  const json = canonicalJson(parse(claimsSchema, schema));
  return fieldFromBytes(sha256(concatBytes(utf8ToBytes('akashi/schema/v1'), utf8ToBytes(json))));
}

/** RFC 8785 for texts, booleans, small integers, and objects and lists of them. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}

/**
 * The field element of a claim's value: {@link encodeNumber}, or of a text 31 bytes of its hash.
 * @throws AkashiError `malformed` when it is none
 */
export function encodeClaim(definition: ClaimDefinition, value: string): bigint {
  if (definition.type !== 'text') return encodeNumber(definition, value);
  return fieldFromBytes(sha256(concatBytes(utf8ToBytes('akashi/text/v1'), utf8ToBytes(requireText(value)))));
}

/**
 * All claims of a credential as the circuits take them. Unused ones are 0: an index behind the last claim of the
 * schema is never asked for.
 * @param values by name, exactly those of the schema
 * @throws AkashiError `malformed`
 */
export function encodeClaims(schema: ClaimsSchema, values: Readonly<Record<string, string>>): bigint[] {
  if (Object.keys(values).length !== schema.claims.length) throw new AkashiError('malformed');
  const encoded = schema.claims.map((definition) => {
    const value = Object.hasOwn(values, definition.name) ? values[definition.name] : undefined;
    if (value === undefined) throw new AkashiError('malformed');
    return encodeClaim(definition, value);
  });
  return [...encoded, ...Array.from({ length: CLAIMS_MAX - encoded.length }, () => 0n)];
}

/** A definition as a request shows it: of an enumeration, only the values that are asked for. */
export function shownDefinition(definition: ClaimDefinition, values: readonly string[]): ClaimDefinition {
  if (definition.type !== 'enumeration') return definition;
  return { ...definition, values: definition.values.filter(({ value }) => values.includes(value)) };
}

export function areSameDefinition(one: ClaimDefinition, other: ClaimDefinition): boolean {
  return canonicalJson(one) === canonicalJson(other);
}

/**
 * The public signals of the values of `member`. Where there are fewer than eight, the last one is repeated: any
 * constant would be a value that some claim could have.
 * @throws AkashiError `malformed` for none, too many, one twice, or one that is no value of this claim
 */
export function encodeValues(
  definition: ClaimDefinition,
  values: readonly string[],
): Readonly<Record<(typeof MEMBER_VALUES)[number], bigint>> {
  requireValues(definition, values);
  const encoded = values.map((value) => encodeClaim(definition, value));
  const entries = MEMBER_VALUES.map((name, i) => [name, encoded[i] ?? encoded.at(-1)] as const);
  return Object.fromEntries(entries) as Record<(typeof MEMBER_VALUES)[number], bigint>;
}
