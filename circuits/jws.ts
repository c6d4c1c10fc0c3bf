import * as v from 'valibot';
import { signCompact, verifyCompact } from './compact-jws.ts';
import { AkashiError } from './error.ts';
import { type PublicJwk, publicJwkShape, thumbprint } from './public-jwk.ts';
import { parse } from './shape.ts';

export { unverifiedJws } from './compact-jws.ts';

/** `typ` of every kind of JWS here. One kind never passes for another. */
export const JWS_TYPES = {
  request: 'akashi-request+jwt',
  receipt: 'akashi-receipt+jwt',
  credential: 'akashi-credential+jwt',
  keys: 'akashi-keys+jwt',
  /** Fixed by draft-ietf-oauth-status-list. */
  statusList: 'statuslist+jwt',
  evidence: 'akashi-evidence+jwt',
  checkpoint: 'akashi-checkpoint+jwt',
} as const;

export type JwsKind = keyof typeof JWS_TYPES;

export interface SigningKey {
  /** Name of the key in the JWS header. */
  readonly kid: string;
  readonly privateKey: CryptoKey;
}

const headerShape = v.strictObject({ alg: v.literal('ES256'), typ: v.string(), kid: v.string() });
const rootHeaderShape = v.strictObject({
  alg: v.literal('ES256'),
  typ: v.literal(JWS_TYPES.keys),
  jwk: publicJwkShape,
});

/** Signs `payload` as JSON: compact JWS, ES256, header `{alg, typ, kid}`. */
export async function signJws(kind: JwsKind, payload: object, key: SigningKey): Promise<string> {
  return signCompact({ alg: 'ES256', typ: JWS_TYPES[kind], kid: key.kid }, payload, key.privateKey);
}

/**
 * The payload of a JWS of this kind, after its signature held under the key that `findKey` gives for its `kid`.
 * @throws AkashiError `signature_invalid`: other kind, other header, unknown key or bad signature
 */
export async function verifyJws(
  kind: JwsKind,
  jws: string,
  findKey: (kid: string) => PublicJwk | undefined,
): Promise<unknown> {
  try {
    return await verifyCompact(jws, (header) => {
      const { typ, kid } = parse(headerShape, header);
      const key = typ === JWS_TYPES[kind] ? findKey(kid) : undefined;
      if (key === undefined) throw new AkashiError('signature_invalid');
      return key;
    });
  } catch (cause) {
    throw new AkashiError('signature_invalid', { cause });
  }
}

/** Signs a key statement by the root key: the header carries the root's public key, which its readers know by thumbprint. */
export async function signKeyStatement(
  payload: object,
  rootKey: { readonly jwk: PublicJwk; readonly privateKey: CryptoKey },
): Promise<string> {
  return signCompact({ alg: 'ES256', typ: JWS_TYPES.keys, jwk: rootKey.jwk }, payload, rootKey.privateKey);
}

/**
 * The payload of a key statement signed by the root key with this thumbprint.
 * @throws AkashiError `key_statement_invalid`
 */
export async function verifyKeyStatement(jws: string, rootThumbprint: string): Promise<unknown> {
  let root: PublicJwk | undefined;
  try {
    const payload = await verifyCompact(jws, (header) => {
      root = parse(rootHeaderShape, header).jwk;
      return root;
    });
    if (root === undefined || (await thumbprint(root)) !== rootThumbprint) {
      throw new AkashiError('key_statement_invalid');
    }
    return payload;
  } catch (cause) {
    throw new AkashiError('key_statement_invalid', { cause });
  }
}
