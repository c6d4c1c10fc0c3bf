/** What an issuer remembers of a credential that it signed: enough to revoke it, and nothing of what it says. */
export interface IssuedCredential {
  /** Number of the status list, from 0, and the place in it. No two credentials share both. */
  readonly list: number;
  readonly index: number;
  readonly subject: string;
  /** Thumbprint of the device key that it is bound to. */
  readonly jkt: string;
  readonly schema: string;
  /** UTC seconds. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Which credentials of a subject: all, those of one device, those of one schema. */
export interface CredentialFilter {
  readonly subject: string;
  readonly jkt?: string | undefined;
  readonly schema?: string | undefined;
}

/**
 * Where an issuer remembers what it signed: a table in the tenant's own database, keyed by list and index. Every verb is one
 * transaction, and done when it resolves: what was revoked stays revoked, whatever happens to the machine. Several back ends may
 * work on one store. Nothing else of an issuer changes while it runs.
 */
export interface CredentialStore {
  /** Number of the newest list that has a credential; 0 while there is none. */
  newestList(): Promise<number>;
  /**
   * Remembers the credential and revokes every other of the same subject, device and schema.
   * @returns how many were revoked, or `null`, and nothing happened, if the place is taken
   */
  add(credential: IssuedCredential): Promise<number | null>;
  /** Revokes what fits and is not revoked yet. How many. */
  revoke(filter: CredentialFilter): Promise<number>;
  /** The revoked places of a list. Those whose credential is over at `now` (UTC seconds) may be left out. */
  revoked(list: number, now: number): Promise<Iterable<number>>;
}

interface Entry extends IssuedCredential {
  revoked: boolean;
}

/** A store that is lost with the process: for tests, and below {@link fileCredentials}. */
export function memoryCredentials(): CredentialStore {
  const lists = new Map<number, Map<number, Entry>>();
  const subjects = new Map<string, Set<Entry>>();
  let newest = 0;

  function revoke({ subject, jkt, schema }: CredentialFilter): number {
    let count = 0;
    for (const entry of subjects.get(subject) ?? []) {
      const fits =
        (jkt === undefined || entry.jkt === jkt) && (schema === undefined || entry.schema === schema);
      if (!fits || entry.revoked) continue;
      entry.revoked = true;
      count += 1;
    }
    return count;
  }

  return {
    newestList: async () => newest,
    async add(credential) {
      const { list, index, subject } = credential;
      const places = lists.get(list) ?? new Map<number, Entry>();
      if (places.has(index)) return null;
      const count = revoke(credential);
      const entry = { ...credential, revoked: false };
      lists.set(list, places.set(index, entry));
      subjects.set(subject, (subjects.get(subject) ?? new Set()).add(entry));
      newest = Math.max(newest, list);
      return count;
    },
    revoke: async (filter) => revoke(filter),
    async revoked(list, now) {
      const places: number[] = [];
      for (const [index, { revoked, expiresAt }] of lists.get(list) ?? [])
        if (revoked && expiresAt > now) places.push(index);
      return places;
    },
  };
}
