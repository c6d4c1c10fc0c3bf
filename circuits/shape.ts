import * as v from 'valibot';
import { AkashiError } from './error.ts';
import { parseCoordinate, parseField } from './field.ts';
import { type AskedId, type FactId, isFactId, PASSKEY } from './protocol.ts';

/**
 * The typed form of `input`, or an error. Nothing is repaired: unknown keys, other types and other encodings
 * are all refused alike, and the error says nothing of the input.
 * @throws AkashiError `malformed`
 */
export function parse<S extends v.GenericSchema>(shape: S, input: unknown): v.InferOutput<S> {
  const result = v.safeParse(shape, input, { abortEarly: true, abortPipeEarly: true });
  if (!result.success) throw new AkashiError('malformed');
  return result.output;
}

// Canonical base64url without padding: the unused low bits of the last character are zero.
/** 128 bits in base64url: every id, token and secret reference. */
export const base64url16 = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{21}[AQgw]$/));
/** 256 bits in base64url: nonces, thumbprints, coordinates of keys, blinded and evaluated elements. */
export const base64url32 = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/));

/** A short name chosen by a tenant or an integrator: subjects, tenants, policies, purposes, calls. */
export const reference = v.pipe(v.string(), v.regex(/^[A-Za-z0-9._:-]{1,64}$/));

/**
 * A text shown to people. Control and invisible format characters are refused, they can make a screen lie;
 * so are blanks at either end.
 */
export const text = v.pipe(v.string(), v.minLength(1), v.maxLength(120), v.regex(/^(?!\s)\P{C}+(?<!\s)$/u));

/** One text in several languages, by BCP 47 tag. */
export const texts = v.pipe(
  v.record(v.pipe(v.string(), v.regex(/^[a-z]{2}(?:-[A-Z]{2})?$/)), text),
  v.check((entries) => Object.keys(entries).length >= 1 && Object.keys(entries).length <= 8),
);

/** A verifier by its public origin, as `URL` writes it. */
export const origin = v.pipe(v.string(), v.maxLength(256), v.regex(/^https?:\/\/[a-z0-9.[\]:-]+$/));

/** UTC seconds. */
export const time = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const COMPACT_JWS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{85}[AQgw]$/;

/** A compact JWS with an ES256 signature (64 bytes, canonical), not yet verified. */
export const compactJws = v.pipe(v.string(), v.maxLength(8192), v.regex(COMPACT_JWS));

/** Of any length: whoever takes one in from outside bounds it by the shapes around this one, or by what is fetched. */
export const jwsOfAnyLength = v.pipe(v.string(), v.regex(COMPACT_JWS));

/** The JWS of a request: longer, because it holds every text that the phone shows. */
export const requestJws = v.pipe(v.string(), v.maxLength(32_768), v.regex(COMPACT_JWS));

/** Six ASCII digits: transfer code and claim code. */
export const code = v.pipe(v.string(), v.regex(/^[0-9]{6}$/));

/** A field element on the wire, kept as its one decimal form. */
export const fieldText = v.pipe(v.string(), v.check(accepts(parseField)));

/** A coordinate of a proof: decimal on the wire, bigint inside. */
export const coordinate = v.pipe(
  v.string(),
  v.check(accepts(parseCoordinate)),
  v.transform((digits) => parseCoordinate(digits)),
);

export const factId = v.custom<FactId>(isFactId);
export const askedId = v.custom<AskedId>((value) => value === PASSKEY.fact || isFactId(value));

/** Bytes of any length up to a bound, base64url without padding, canonical. */
export function base64urlBytes(maxBytes: number) {
  return v.pipe(
    v.string(),
    v.maxLength(Math.ceil((maxBytes * 4) / 3)),
    v.regex(
      /^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{4}|[A-Za-z0-9_-]{3}(?<=[AEIMQUYcgkosw048])|[A-Za-z0-9_-]{2}(?<=[AQgw]))$/,
    ),
  );
}

function accepts(parser: (input: string) => unknown): (input: string) => boolean {
  return (input) => {
    try {
      parser(input);
      return true;
    } catch {
      return false;
    }
  };
}
