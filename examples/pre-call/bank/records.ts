import { parse, publicJwkShape } from '@akashi/circuits';
import { generateIssuerKeys } from '@akashi/sdk/issuer';
import {
  createApiKey,
  createOperator,
  createSecretFile,
  createTenant,
  readSecretFile,
  type Store,
  setOrigins,
  setPasskeySettings,
} from '@akashi/verifier';
import { array, type InferOutput, optional, strictObject, string } from 'valibot';

/** How the bank is known to the verifier. */
export const TENANT = { tenant: 'aoba', name: 'あおば銀行' } as const;
const OPERATOR = { name: '高橋 Takahashi', role: 'operator' } as const;

const recordsShape = strictObject({
  /** The bank's key at the verifier. */
  apiKey: string(),
  /** Id of the one operator. */
  operator: string(),
  /** Signs credentials. */
  signingKey: strictObject({ ...publicJwkShape.entries, d: string() }),
  /** Those before it, as long as credentials under them are out. */
  retiredKeys: optional(array(publicJwkShape), []),
  /** Under account numbers (docs/protocol.md, section 3). The verifier never gets it. */
  accountKey: string(),
});
export type Records = InferOutput<typeof recordsShape>;

export interface RecordsOptions {
  readonly file: string;
  readonly store: Store;
  /** From where the bank's pages may call the verifier. */
  readonly origins: readonly string[];
  readonly now: () => number;
  readonly random: (length: number) => Uint8Array;
}

/**
 * What the bank keeps about itself, in one file of mode 0600; made on the first start together with the bank's place
 * at the verifier, as `akashi tenant add` and `akashi operator add` would.
 */
export async function openRecords({ file, store, origins, now, random }: RecordsOptions): Promise<Records> {
  const { tenant } = TENANT;
  // Whether the phone took face, finger or screen lock, nobody but the phone can tell: no inherence for this bank.
  const passkeys = { rpId: 'localhost', acceptScreenLock: false };
  const known = (await store.tenant(tenant)) !== undefined;
  const kept = await readSecretFile(file).catch(() => null);
  if (known && kept !== null) {
    await setOrigins(store, tenant, origins, now());
    await setPasskeySettings(store, tenant, passkeys, now());
    return parse(recordsShape, JSON.parse(kept));
  }
  // Half of it may be there from a start that was cut off: what is missing is made anew.
  if (known) await setOrigins(store, tenant, origins, now());
  const apiKey = known
    ? await createApiKey(store, tenant, now(), random)
    : (await createTenant(store, { ...TENANT, origins: [...origins] }, now(), random)).apiKey;
  await setPasskeySettings(store, tenant, passkeys, now());
  const operator = await createOperator(store, { tenant, ...OPERATOR }, now(), random);
  const records = { apiKey, operator, ...(await generateIssuerKeys()), retiredKeys: [] };
  await createSecretFile(file, `${JSON.stringify(records, null, 2)}\n`);
  return records;
}
