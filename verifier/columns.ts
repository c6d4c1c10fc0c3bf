import {
  factor,
  type Policy,
  policyBody,
  publicJwkShape,
  requested,
  requirements,
  transactionRule,
} from '@akashi/circuits';
import * as v from 'valibot';
import type { Sealed } from './records.ts';

// What the columns hold that are more than a number or a text, the same in both databases. They are parsed when a row is
// read: a row that does not fit its shape is a fault, not an answer.

/** How a value is written as what the database keeps, and read back. */
export interface Codec<T, Kept> {
  readonly fromDriver: (kept: Kept) => T;
  readonly toDriver: (value: T) => Kept;
}

export const bytesCodec: Codec<Uint8Array, Buffer> = {
  fromDriver: (kept) => new Uint8Array(kept),
  toDriver: (value) => Buffer.from(value),
};

function json<T>(shape: v.GenericSchema<T>): Codec<T, string> {
  return {
    fromDriver: (kept) => v.parse(shape, JSON.parse(kept)),
    toDriver: (value) => JSON.stringify(value),
  };
}

const base64url = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]+$/));
const sealedShape = v.strictObject({ kek: v.string(), iv: base64url, ciphertext: base64url });

export const sealedCodec: Codec<Sealed, string> = {
  fromDriver: (kept) => {
    const { kek, iv, ciphertext } = v.parse(sealedShape, JSON.parse(kept));
    const decode = (field: string) => new Uint8Array(Buffer.from(field, 'base64url'));
    return { kek, iv: decode(iv), ciphertext: decode(ciphertext) };
  },
  toDriver: ({ kek, iv, ciphertext }) => {
    const encode = (field: Uint8Array) => Buffer.from(field).toString('base64url');
    return JSON.stringify({ kek, iv: encode(iv), ciphertext: encode(ciphertext) });
  },
};

const purposeShape = v.object({ id: v.string(), text: v.record(v.string(), v.string()) });

const { twoFactor, reuseSeconds, stepUp } = policyBody.entries;
const places = v.array(v.number());

export const jsonCodecs = {
  jwk: json(publicJwkShape),
  requirements: json<Policy['facts']>(requirements),
  demands: json(v.strictObject({ twoFactor, reuseSeconds, stepUp })),
  purposes: json<Policy['purposes']>(v.array(purposeShape)),
  transactionRule: json(transactionRule),
  requested: json(v.array(requested)),
  texts: json(v.array(v.string())),
  factors: json(v.array(factor)),
  places: json(places),
  alternatives: json(v.array(places)),
};
