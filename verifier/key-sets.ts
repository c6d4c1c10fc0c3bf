import { type PublicJwk, parse, publicJwkShape, thumbprint } from '@akashi/circuits';
import { importJWK } from 'jose';
import * as v from 'valibot';
import { type CacheOptions, DocumentCache, type Fetched, type Load } from './document-cache.ts';

type Keys = ReadonlyMap<string, PublicJwk>;

/** Fetches a text from a tenant's address, within bounds. */
export type FetchText = (
  url: string,
  form: { readonly types: readonly string[]; readonly maxBytes: number },
  signal: AbortSignal,
) => Promise<string>;

const FORM = { types: ['application/json', 'application/jwk-set+json'], maxBytes: 64 * 1024 };
const KEYS_MAX = 32;
/** How long keys are believed without asking again, and how much longer while nobody answers. */
const FRESH_SECONDS = 300;
const STALE_SECONDS = 3600;
/** How often a set may be fetched again because a key is not in it: anyone can name a key that is none. */
const RENEWALS = { count: 10, seconds: 10 } as const;

/** JWK sets of issuers. */
export class KeySets {
  readonly #cache: DocumentCache<Keys>;
  readonly #now: () => number;
  readonly #fetchText: FetchText;
  readonly #renewals = new Map<string, { left: number; at: number }>();

  constructor(options: CacheOptions & { readonly fetchText: FetchText }) {
    this.#cache = new DocumentCache(options);
    this.#now = options.now;
    this.#fetchText = options.fetchText;
  }

  /**
   * The key of this thumbprint in the set at `url`. One that is not in it is looked for in a fresh copy: an issuer may sign with a
   * new key the moment it publishes it.
   * @returns `null` when there is none, `undefined` when the set, or the fresh copy that could have it, cannot be had
   */
  async find(tenant: string, url: string, issuer: string): Promise<PublicJwk | null | undefined> {
    const name = { tenant, url };
    const load = this.#load(url);
    let keys = await this.#cache.read(name, load, STALE_SECONDS);
    if (keys?.has(issuer) === false && this.#takeRenewal(tenant)) keys = await this.#cache.renew(name, load);
    return keys && (keys.get(issuer) ?? null);
  }

  /** Fetches a set that is not at hand. */
  async warm(tenant: string, url: string): Promise<void> {
    await this.#cache.read({ tenant, url }, this.#load(url), STALE_SECONDS);
  }

  refresh(tenant?: string): void {
    this.#cache.refresh(tenant);
  }

  #load(url: string): Load<Keys> {
    return async (signal) => openKeySet(await this.#fetchText(url, FORM, signal), this.#now());
  }

  /** One more renewal for this tenant, if there is one left: as many as fit in a burst, then one every few seconds. */
  #takeRenewal(tenant: string): boolean {
    const now = this.#now();
    const { left, at } = this.#renewals.get(tenant) ?? { left: RENEWALS.count, at: now };
    const grown = Math.floor((now - at) / RENEWALS.seconds);
    const have = Math.min(RENEWALS.count, left + grown);
    this.#renewals.set(tenant, { left: Math.max(0, have - 1), at: at + grown * RENEWALS.seconds });
    return have > 0;
  }
}

const setShape = v.object({ keys: v.pipe(v.array(v.unknown()), v.maxLength(KEYS_MAX)) });
const keyShape = v.object({ ...publicJwkShape.entries, use: v.optional(v.literal('sig')) });

/** The P-256 keys of a JWK set, by thumbprint: what the set calls them, and other keys that it holds, are ignored. */
async function openKeySet(text: string, now: number): Promise<Fetched<Keys>> {
  const keys = new Map<string, PublicJwk>();
  for (const entry of parse(setShape, JSON.parse(text)).keys) {
    const { success, output } = v.safeParse(keyShape, entry);
    if (!success) continue;
    const { kty, crv, x, y } = output;
    const jwk = { kty, crv, x, y };
    if (await isCurvePoint(jwk)) keys.set(await thumbprint(jwk), jwk);
  }
  const freshUntil = now + FRESH_SECONDS;
  return { value: keys, freshUntil, goodUntil: freshUntil + STALE_SECONDS, bytes: text.length };
}

/** Whether credentials can be held against this key. */
export async function isCurvePoint(jwk: PublicJwk): Promise<boolean> {
  return importJWK(jwk, 'ES256').then(
    () => true,
    () => false,
  );
}
