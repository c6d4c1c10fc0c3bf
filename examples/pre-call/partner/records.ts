import { parse, publicJwkShape } from '@akashi/circuits';
import { generateIssuerKeys, type IssuerKeys } from '@akashi/sdk/issuer';
import { createSecretFile, pinIssuer, readSecretFile, type Store } from '@akashi/verifier';
import { strictObject, string } from 'valibot';
import { TENANT } from '../bank/records.ts';

/** What a telephone company and a city know of the bank's customers, by the reference that the bank gave them to use. */
export interface Known {
  readonly reference: string;
  /** `YYYY-MM-DD`, as on the identity card that the telephone company saw. */
  readonly born: string;
  /** Since when there is a contract. */
  readonly since: string;
  /** Of last year, in yen; the city's. */
  readonly income: string;
}

export const KNOWN: readonly Known[] = [
  { reference: 'C-48201', born: '1991-06-14', since: '2019-04-01', income: '5230000' },
  { reference: 'C-51764', born: '1968-11-03', since: '2003-07-15', income: '2870000' },
  // Came to Japan not long ago: too new a customer for some things.
  { reference: 'C-60938', born: '1997-01-22', since: '2026-07-01', income: '3140000' },
];

const keysShape = strictObject({
  signingKey: strictObject({ ...publicJwkShape.entries, d: string() }),
  accountKey: string(),
});
const recordsShape = strictObject({ midori: keysShape, city: keysShape });

/**
 * Keys of both, made on the first start, each pinned at the verifier as one that the bank believes: what
 * `akashi issuer add` does with the public key that a partner hands over.
 */
export async function openPartnerKeys(
  file: string,
  store: Store,
  now: () => number,
): Promise<Readonly<Record<'midori' | 'city', IssuerKeys>>> {
  const kept = await readSecretFile(file).catch(() => null);
  const keys = kept === null ? await makeKeys(file) : parse(recordsShape, JSON.parse(kept));
  for (const { signingKey } of Object.values(keys)) {
    const { kty, crv, x, y } = signingKey;
    await pinIssuer(store, TENANT.tenant, { kty, crv, x, y }, now());
  }
  return keys;
}

async function makeKeys(file: string) {
  const keys = { midori: await generateIssuerKeys(), city: await generateIssuerKeys() };
  await createSecretFile(file, `${JSON.stringify(keys, null, 2)}\n`);
  return keys;
}
