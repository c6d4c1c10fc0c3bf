import {
  encodeBase64url,
  type PublicJwk,
  parse,
  type SigningKey,
  STATUS_LIST_CONTENT_TYPE,
  STATUS_LIST_SIZE,
  type Status,
  type StatusList,
  signJws,
  statusBytes,
  statusListsUrl,
  thumbprint,
} from '@akashi/circuits';
import type { CredentialFilter, CredentialStore, IssuedCredential } from './credential-store.ts';

// What an issuer publishes for the verifier to fetch: its keys, and what it revoked (docs/protocol.md, section 6).

export interface PublicationOptions {
  /** Address below which the back end answers with {@link Publication.answer}; ends with a slash. */
  readonly url: string;
  readonly credentials: CredentialStore;
  /** How long a verifier may take a status list for fresh: a revoked credential fails by then. Default 60. */
  readonly freshSeconds?: number;
  /** How long a status list may be believed at the most, if the verifier cannot get another. Default 3600. */
  readonly lifetimeSeconds?: number;
  /** How long the verifier is to go on when no fresh list can be had. Default 0: it refuses. */
  readonly staleSeconds?: number;
}

export interface PublicationKeys {
  readonly signingKey: SigningKey;
  /** The public half of the signing key, and of those that it took the place of. */
  readonly published: readonly PublicJwk[];
  /** UTC seconds. */
  readonly now: () => number;
}

export interface Publication {
  readonly source: { readonly jwks: string; readonly statusLists: string; readonly staleSeconds: number };
  /** Takes a place for a credential that is about to be signed, and revokes those that it takes the place of. */
  place(credential: Omit<IssuedCredential, 'list' | 'index'>): Promise<Status>;
  revoke(filter: CredentialFilter): Promise<number>;
  /** The answer to a GET of this address, of which only the path counts. 404 for what is not published. */
  answer(url: string): Promise<Response>;
}

/** A list is signed anew when another back end may have revoked something; our own revocations are in it at once. */
const KEPT_SECONDS = 5;
/** So many places are tried before the next list is begun: about half of a list is used then. */
const TRIES = 16;

export function openPublication(options: PublicationOptions, keys: PublicationKeys): Publication {
  const base = parse(statusListsUrl, options.url);
  const { credentials, freshSeconds = 60, lifetimeSeconds = 3600, staleSeconds = 0 } = options;
  if (!(freshSeconds >= 1 && lifetimeSeconds >= freshSeconds))
    throw new TypeError('a list is fresh for a second at least, and lives for as long at least');
  const { signingKey, published, now } = keys;
  const source = { jwks: `${base}jwks`, statusLists: `${base}status/`, staleSeconds };
  const signed = new Map<number, { readonly jws: Promise<string>; readonly until: number }>();

  async function sign(list: number): Promise<string> {
    // Before what is revoked is read: what is revoked later is later than the list.
    const iat = now();
    const bytes = statusBytes(STATUS_LIST_SIZE, await credentials.revoked(list, iat));
    const claims: StatusList = {
      sub: `${source.statusLists}${list}`,
      iat,
      exp: iat + lifetimeSeconds,
      ttl: freshSeconds,
      status_list: { bits: 1, lst: encodeBase64url(await packed(bytes)) },
    };
    return signJws('statusList', claims, signingKey);
  }

  function listOf(list: number): Promise<string> {
    const kept = signed.get(list);
    if (kept !== undefined && now() < kept.until) return kept.jws;
    const jws = sign(list);
    const entry = { jws, until: now() + KEPT_SECONDS };
    signed.set(list, entry);
    jws.catch(() => signed.get(list) === entry && signed.delete(list));
    return jws;
  }

  return {
    source,
    async place(credential) {
      let list = await credentials.newestList();
      for (let tries = 1; ; tries += 1) {
        const index = randomPlace();
        const revoked = await credentials.add({ ...credential, list, index });
        if (revoked !== null) {
          if (revoked > 0) signed.clear();
          return { status_list: { idx: index, uri: `${source.statusLists}${list}` } };
        }
        if (tries % TRIES === 0) list += 1;
      }
    },
    async revoke(filter) {
      const count = await credentials.revoke(filter);
      signed.clear();
      return count;
    },
    async answer(url) {
      const path = new URL(url, base).pathname;
      const below = (address: string) => {
        const { pathname } = new URL(address);
        return path.startsWith(pathname) ? path.slice(pathname.length) : null;
      };
      if (below(source.jwks) === '') return answerOf(JSON.stringify(await jwkSet(published)), JWKS_TYPE);
      const name = below(source.statusLists) ?? '';
      const list = /^(?:0|[1-9][0-9]{0,8})$/.test(name) ? Number(name) : Number.POSITIVE_INFINITY;
      if (list > (await credentials.newestList())) return new Response(null, { status: 404 });
      return answerOf(await listOf(list), STATUS_LIST_CONTENT_TYPE);
    },
  };
}

const JWKS_TYPE = 'application/jwk-set+json';

async function jwkSet(keys: readonly PublicJwk[]) {
  const named = keys.map(async (jwk) => ({ ...jwk, kid: await thumbprint(jwk), use: 'sig', alg: 'ES256' }));
  return { keys: await Promise.all(named) };
}

/** Verifiers keep a list for as long as it says: a copy that is kept on the way would add to that. */
function answerOf(body: string, type: string): Response {
  return new Response(body, { headers: { 'content-type': type, 'cache-control': 'no-cache' } });
}

/** Any place is as likely as any other: who reads the list learns nothing of the order in which credentials were issued. */
function randomPlace(): number {
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
  return random % STATUS_LIST_SIZE;
}

/** zlib, as the draft wants it. */
async function packed(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
