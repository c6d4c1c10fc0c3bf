import { AkashiError, type PublicJwk, STATUS_LIST_CONTENT_TYPE, type Status } from '@akashi/circuits';
import { DocumentCache, type Load } from './document-cache.ts';
import { type FetchText, KeySets } from './key-sets.ts';
import { type Network, reachOf } from './network.ts';
import { Patience } from './patience.ts';
import type { IssuerSource } from './records.ts';
import { type ReadDocument, readDocument } from './remote-document.ts';
import { isRevoked, openStatusList, STATUS_TOKEN_MAX, type UnpackedList } from './status-list.ts';
import type { Store } from './store.ts';

// What issuers say of themselves now: their keys, and what they revoked (docs/protocol.md, section 6). Addresses are those
// that the tenant registered; what a credential says only picks a list below one of them. No transaction is open meanwhile.

export interface IssuersOptions extends Network {
  readonly store: Pick<Store, 'issuerKey' | 'issuerSource'>;
  /** UTC seconds. */
  readonly now: () => number;
  readonly onFault: (fault: unknown) => void;
  readonly read?: ReadDocument | undefined;
  readonly closing?: AbortSignal | undefined;
  /** Milliseconds that a caller waits for a tenant's server. */
  readonly patience?: number | undefined;
}

/** `status`: no place in a list of this tenant's. */
export type CredentialStatus = 'valid' | 'revoked' | 'status' | 'status_unavailable';

export interface Issuers {
  /** The tenant's issuer key of this name: pinned, or in its JWK set. @throws AkashiError `busy` */
  key(tenant: string, issuer: string): Promise<PublicJwk | 'issuer' | 'issuer_unavailable'>;
  /** What the tenant's status list says of a credential. @throws AkashiError `busy` */
  status(tenant: string, status: Status | undefined): Promise<CredentialStatus>;
  /** Whether a list that is at hand says that it is revoked: nobody is asked. */
  knownRevoked(tenant: string, status: Status | undefined): boolean;
  /** Whether a tenant may register this address. */
  admits(url: string): boolean;
  /** Begins to fetch what is due soon; with a tenant, what that one's next presentation will need. */
  refresh(tenant?: string): void;
}

const PATIENCE_MS = 2000;
const LIST_FORM = { types: [STATUS_LIST_CONTENT_TYPE], maxBytes: STATUS_TOKEN_MAX };
/** The one part of a list's address that a credential chooses. */
const LIST_NAME = /^[A-Za-z0-9_-]{1,64}$/;

export function openIssuers(options: IssuersOptions): Issuers {
  const { store, now, onFault, closing, patience = PATIENCE_MS } = options;
  const fetchText = textFetcher(options);
  const sets = new KeySets({ now, onFault, closing, fetchText });
  const lists = new DocumentCache<UnpackedList>({ now, onFault, closing });
  const waiting = new Patience(patience);

  async function findKey(
    tenant: string,
    issuer: string,
  ): Promise<PublicJwk | 'issuer' | 'issuer_unavailable'> {
    const pinned = await store.issuerKey(tenant, issuer);
    if (pinned !== undefined) return pinned;
    const url = (await store.issuerSource(tenant))?.jwks ?? null;
    const found = url === null ? null : await sets.find(tenant, url, issuer);
    return found === undefined ? 'issuer_unavailable' : (found ?? 'issuer');
  }

  const loadList =
    (tenant: string, uri: string): Load<UnpackedList> =>
    async (signal) => {
      const jws = await fetchText(uri, LIST_FORM, signal);
      const keyOf = async (kid: string) => {
        const key = await findKey(tenant, kid);
        if (typeof key === 'string') throw new AkashiError('signature_invalid');
        return key;
      };
      return openStatusList(jws, { uri, now: now(), findKey: keyOf });
    };

  async function readStatus(tenant: string, status: Status | undefined): Promise<CredentialStatus> {
    const source = await store.issuerSource(tenant);
    if (status === undefined) return (source?.statusLists ?? null) === null ? 'valid' : 'status';
    const { idx, uri } = status.status_list;
    if (!isListOf(source, uri)) return 'status';
    const name = { tenant, url: uri };
    const list = await lists.read(name, loadList(tenant, uri), source?.staleSeconds ?? 0);
    if (list === undefined) return 'status_unavailable';
    const revoked = isRevoked(list, idx);
    return revoked === undefined ? 'status' : revoked ? 'revoked' : 'valid';
  }

  async function warm(tenant: string): Promise<void> {
    const url = (await store.issuerSource(tenant))?.jwks ?? null;
    if (url !== null) await sets.warm(tenant, url);
  }

  return {
    key: (tenant, issuer) => waiting.wait(tenant, () => findKey(tenant, issuer), 'issuer_unavailable'),
    status: (tenant, status) => waiting.wait(tenant, () => readStatus(tenant, status), 'status_unavailable'),
    knownRevoked(tenant, status) {
      if (status === undefined) return false;
      const list = lists.peek({ tenant, url: status.status_list.uri });
      return list !== undefined && isRevoked(list, status.status_list.idx) === true;
    },
    admits: (url) => reachOf(url, options) !== null,
    refresh(tenant) {
      sets.refresh(tenant);
      lists.refresh(tenant);
      if (tenant !== undefined) void warm(tenant).catch(onFault);
    },
  };
}

/** Only where the tenant said that its lists stand. */
function isListOf(source: IssuerSource | undefined, uri: string): boolean {
  const base = source?.statusLists ?? null;
  return base !== null && uri.startsWith(base) && LIST_NAME.test(uri.slice(base.length));
}

function textFetcher(options: IssuersOptions): FetchText {
  const { read = readDocument } = options;
  return async (url, form, signal) => {
    const reach = reachOf(url, options);
    if (reach === null) throw new Error('address out of reach');
    return read({ url, reach, ...form }, signal);
  };
}
