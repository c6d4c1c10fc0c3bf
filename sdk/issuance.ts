import {
  ACCOUNTS_MAX,
  ACCOUNTS_SCHEMA,
  AkashiError,
  type ClaimsSchema,
  type Credential,
  parse,
  parseField,
  signJws,
  text,
} from '@akashi/circuits';
import { accountsTree } from '@akashi/circuits/poseidon';
import * as v from 'valibot';
import type { Call } from './backend-connection.ts';
import type { IssuedClaims } from './claims.ts';
import { commitClaims } from './claims-issuer.ts';
import type { IssuedAccounts } from './issued-accounts.ts';
import type { Publication } from './publication.ts';
import { checkReceipt, type VerifierKeys } from './receipt.ts';

// Credentials: what a tenant vouches for, over a receipt of the verifier (docs/protocol.md, section 5).

export interface Account {
  /** As the tenant's records have it: the same account must always be spelt alike. */
  readonly number: string;
  /** Shown to the customer on the device. */
  readonly label: string;
}

export interface IssueOptions extends Call {
  readonly receipt: string;
  /** The customer who is logged in to the tenant's own app: the receipt must be about this one. */
  readonly subject: string;
  /** 1 to 16, all different. */
  readonly accounts: readonly Account[];
  /** Default 90 days. */
  readonly lifetimeSeconds?: number;
}

export interface IssueClaimsOptions extends Call {
  readonly receipt: string;
  /** As for accounts. */
  readonly subject: string;
  readonly schema: ClaimsSchema;
  /**
   * By name, all of the schema's. integer: decimal. money: minor units, decimal. date: `YYYY-MM-DD`, 1900 or later.
   * enumeration: one of its numbers. text: as it is, Unicode form NFC.
   */
  readonly claims: Readonly<Record<string, string>>;
  /** Default 90 days. Of a volatile schema 24 hours, and no more. */
  readonly lifetimeSeconds?: number;
}

export interface Issuance {
  /** Signs the accounts of a subject over a receipt, and revokes what that device had before. Throws also `receipt_invalid`. */
  issueAccounts(options: IssueOptions): Promise<IssuedAccounts>;
  /** Vouches for claims of a subject over a receipt. Throws also `receipt_invalid`, and `malformed` for a value outside its type. */
  issueClaims(options: IssueClaimsOptions): Promise<IssuedClaims>;
}

export interface IssuanceParts {
  /** Public origin of the verifier. */
  readonly verifier: string;
  readonly tenant: string;
  readonly signingKey: { readonly kid: string; readonly privateKey: CryptoKey };
  readonly accountKeyOf: (accountNumber: string) => Promise<bigint>;
  readonly publication: Pick<Publication, 'place'> | undefined;
  readonly keysFor: VerifierKeys;
  /** UTC seconds. */
  readonly now: () => number;
}

const DEFAULT_LIFETIME_SECONDS = 90 * 24 * 60 * 60;

const accountsShape = v.pipe(
  v.array(v.strictObject({ number: v.pipe(v.string(), v.minLength(1), v.maxLength(128)), label: text })),
  v.minLength(1),
  v.maxLength(ACCOUNTS_MAX),
  v.check((accounts) => new Set(accounts.map(({ number }) => number)).size === accounts.length),
);

export function openIssuance(parts: IssuanceParts): Issuance {
  const { accountKeyOf } = parts;
  return {
    async issueAccounts({ accounts, lifetimeSeconds = DEFAULT_LIFETIME_SECONDS, ...over }) {
      const listed = parse(accountsShape, accounts);
      const { holder, common } = await overReceipt(parts, { ...over, lifetimeSeconds });
      const secrets = await Promise.all(listed.map(({ number }) => accountKeyOf(number)));
      const { root, paths } = accountsTree(secrets, holder);
      const credential = { ...common, schema: ACCOUNTS_SCHEMA, accountsRoot: String(root) } as const;
      return {
        credential: await signCredential(parts, credential),
        accounts: listed.map(({ label }, index) => ({
          label,
          accountKey: String(secrets[index]),
          index,
          siblings: (paths[index] ?? []).map(String),
        })),
      };
    },
    async issueClaims({ schema, claims, lifetimeSeconds: asked, ...over }) {
      const { committed, commitment, longest } = commitClaims(schema, claims);
      const lifetimeSeconds = asked ?? Math.min(longest, DEFAULT_LIFETIME_SECONDS);
      if (lifetimeSeconds > longest) throw new AkashiError('malformed');
      const { holder, common } = await overReceipt(parts, { ...over, lifetimeSeconds });
      const credential = {
        ...common,
        schema: String(committed.schema),
        credential: String(commitment(holder)),
      };
      return {
        credential: await signCredential(parts, credential),
        schema,
        salt: String(committed.salt),
        claims: { ...claims },
      };
    },
  };
}

/** The holder that a receipt names, and what every credential over it says. */
async function overReceipt(
  { verifier, tenant, signingKey, keysFor, now }: IssuanceParts,
  {
    receipt: jws,
    subject,
    lifetimeSeconds,
    signal,
  }: Pick<IssueOptions, 'receipt' | 'subject' | 'signal'> & { readonly lifetimeSeconds: number },
) {
  const iat = now();
  const keys = await keysFor(jws, iat, signal);
  const { jkt, holder } = await checkReceipt(jws, keys, { verifier, tenant, subject, now: iat });
  const who = { iss: signingKey.kid, aud: verifier, tenant, sub: subject, cnf: { jkt } };
  return { holder: parseField(holder), common: { ...who, iat, exp: iat + lifetimeSeconds } };
}

/** Takes a place for it first, and so revokes what that device had of this schema: nothing is issued where that fails. */
async function signCredential(
  { publication, signingKey }: IssuanceParts,
  credential: Credential,
): Promise<string> {
  const { sub: subject, cnf, schema, iat: issuedAt, exp: expiresAt } = credential;
  const status = await publication?.place({ subject, jkt: cnf.jkt, schema, issuedAt, expiresAt });
  const payload = status === undefined ? credential : { ...credential, status };
  return signJws('credential', payload, signingKey);
}
