import * as v from 'valibot';
import { parse, time } from './shape.ts';

// Revocation by IETF Token Status List (draft-ietf-oauth-status-list): a credential names a place in a list that its issuer
// signs and serves; the verifier reads the place. How the bytes are packed is fixed by section 4.1 of the draft.

/** How a status list travels over HTTP. */
export const STATUS_LIST_CONTENT_TYPE = 'application/statuslist+jwt';

/** Places in a list that our issuer makes: 128 KiB of bits, a few kilobytes on the wire while few are revoked. */
export const STATUS_LIST_SIZE = 2 ** 20;

/** Bytes of a list, unpacked, that anyone has to take: 16 million places of one bit. */
export const STATUS_BYTES_MAX = 2 ** 21;

/** Where a verifier fetches from: an address without query, fragment or user name. */
export const remoteUrl = v.pipe(
  v.string(),
  v.maxLength(256),
  v.check((input) => {
    if (!URL.canParse(input)) return false;
    const url = new URL(input);
    const plain = url.search === '' && url.hash === '' && url.username === '' && url.password === '';
    return plain && /^https?:$/.test(url.protocol) && url.href === input;
  }),
);

/** Address below which all status lists of a tenant stand. */
export const statusListsUrl = v.pipe(
  remoteUrl,
  v.check((input) => input.endsWith('/')),
);

/** The claim `status` of a credential (draft, section 6.2). */
export const statusShape = v.strictObject({
  status_list: v.strictObject({
    idx: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(STATUS_BYTES_MAX * 8 - 1)),
    uri: remoteUrl,
  }),
});
export type Status = v.InferOutput<typeof statusShape>;

/**
 * A status list token (draft, section 5.1). The draft recommends `exp` and `ttl`; here a list says how long it may be
 * believed, always. Claims that are not named are ignored, as the draft wants it: the one shape of ours that is not strict.
 */
const statusListShape = v.object({
  /** Its own address. */
  sub: remoteUrl,
  iat: time,
  exp: time,
  /** Seconds after which a fresh copy is due. */
  ttl: v.pipe(time, v.minValue(1)),
  status_list: v.object({
    bits: v.picklist([1, 2, 4, 8]),
    /** zlib, base64url. */
    lst: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]+$/)),
  }),
});
export type StatusList = v.InferOutput<typeof statusListShape>;

export const parseStatusList = (input: unknown): StatusList => parse(statusListShape, input);

export type StatusBits = StatusList['status_list']['bits'];

/**
 * The status at a place: 0 is valid, 1 revoked, others are kinds of not valid (draft, section 7.1).
 * @returns undefined for a place that the list does not have
 */
export function statusAt(bytes: Uint8Array, bits: StatusBits, index: number): number | undefined {
  const byte = bytes[Math.floor((index * bits) / 8)];
  return byte === undefined ? undefined : (byte >> ((index * bits) % 8)) & (2 ** bits - 1);
}

/** The bytes of a list of one bit each, with these places revoked. */
export function statusBytes(size: number, revoked: Iterable<number>): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil(size / 8));
  for (const index of revoked) {
    if (!(Number.isInteger(index) && index >= 0 && index < size))
      throw new RangeError('not a place of the list');
    bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (1 << (index & 7));
  }
  return bytes;
}
