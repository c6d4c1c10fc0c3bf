import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import {
  AkashiError,
  type PublicJwk,
  parseStatusList,
  STATUS_BYTES_MAX,
  type StatusBits,
  statusAt,
  verifyJws,
} from '@akashi/circuits';
import { base64url, decodeProtectedHeader } from 'jose';
import type { Fetched } from './document-cache.ts';

/** Bytes of a status list as it travels: unpacked at most {@link STATUS_BYTES_MAX}, packed no smaller, base64url twice. */
export const STATUS_TOKEN_MAX = 4 * 2 ** 20;

/** Seconds by which an issuer's clock may be ahead. */
const LEEWAY_SECONDS = 60;
/** A list that says it is fresh for longer is asked for again after a day. */
const FRESH_MAX_SECONDS = 86_400;

const unpack = promisify(inflate);

/** A status list, checked and unpacked. */
export interface UnpackedList {
  readonly bits: StatusBits;
  readonly bytes: Uint8Array;
}

export interface ExpectedList {
  /** The address that it was fetched from. */
  readonly uri: string;
  readonly now: number;
  /** An issuer's key of the tenant whose list this is. @throws when there is none */
  readonly findKey: (kid: string) => Promise<PublicJwk>;
}

/**
 * A status list token (draft-ietf-oauth-status-list, section 8.3), if it is the issuer's, of this address and of this time.
 * What it unpacks to is bounded before it is unpacked.
 * @throws Error, whatever is wrong with it
 */
export async function openStatusList(
  jws: string,
  { uri, now, findKey }: ExpectedList,
): Promise<Fetched<UnpackedList>> {
  const { kid } = decodeProtectedHeader(jws);
  if (kid === undefined) throw new AkashiError('signature_invalid');
  const key = await findKey(kid);
  const list = parseStatusList(
    await verifyJws('statusList', jws, (name) => (name === kid ? key : undefined)),
  );
  const { sub, iat, exp, ttl, status_list: packed } = list;
  if (sub !== uri || iat > now + LEEWAY_SECONDS || exp <= now) throw new AkashiError('malformed');
  const bytes = await unpack(base64url.decode(packed.lst), { maxOutputLength: STATUS_BYTES_MAX });
  return {
    value: { bits: packed.bits, bytes },
    freshUntil: now + Math.min(ttl, FRESH_MAX_SECONDS),
    goodUntil: exp,
    bytes: bytes.length,
  };
}

/** Whether the place is revoked; anything but "valid" counts as that. `undefined`: the list has no such place. */
export function isRevoked({ bits, bytes }: UnpackedList, index: number): boolean | undefined {
  const status = statusAt(bytes, bits, index);
  return status === undefined ? undefined : status !== 0;
}
