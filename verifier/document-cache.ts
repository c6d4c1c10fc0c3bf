/** What a document said, and how long it may be believed. Times are UTC seconds. */
export interface Fetched<T> {
  readonly value: T;
  /** No fresh copy is due before. */
  readonly freshUntil: number;
  /** Whatever happens, not believed from here on. */
  readonly goodUntil: number;
  /** Memory that it takes, roughly. */
  readonly bytes: number;
}

/** Fetches one document and checks all of it. */
export type Load<T> = (signal: AbortSignal) => Promise<Fetched<T>>;

export interface CacheOptions {
  /** UTC seconds. */
  readonly now: () => number;
  readonly onFault: (fault: unknown) => void;
  /** Ends what is under way. */
  readonly closing: AbortSignal | undefined;
}

interface Entry<T> {
  readonly tenant: string;
  readonly load: Load<T>;
  fetched: Fetched<T> | undefined;
  /** When a fresh copy is fetched ahead of need. */
  dueAt: number;
  /** After a failure nobody tries again before. */
  retryAt: number;
  usedAt: number;
  flight: Promise<void> | undefined;
}

const FETCH_MS = 5000;
const RETRY_SECONDS = 5;
/** What was not asked for within an hour is not kept fresh, and is forgotten after a day. */
const FRESH_SECONDS = 3600;
const KEPT_SECONDS = 86_400;
const TENANT_ENTRIES_MAX = 32;
const BYTES_MAX = 256 * 2 ** 20;

/**
 * Documents of tenants, by tenant and address: fetched once for all who ask, kept as long as they say, and fetched anew in
 * the background while they are in use, so that who asks usually finds a fresh one.
 */
export class DocumentCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #options: CacheOptions;

  constructor(options: CacheOptions) {
    this.#options = options;
  }

  /**
   * The document, fetched if it is not fresh.
   * @param staleSeconds how long after it was fresh it is still taken when no fresh copy can be had
   */
  async read({ tenant, url }: DocumentName, load: Load<T>, staleSeconds: number): Promise<T | undefined> {
    const entry = this.#entry(tenant, url, load);
    const now = this.#options.now();
    entry.usedAt = now;
    if (entry.fetched === undefined || now >= freshEnd(entry.fetched)) {
      this.#begin(entry);
      await entry.flight;
    }
    return believed(entry, this.#options.now(), staleSeconds);
  }

  /** The document as a fetch that begins after this call finds it; `undefined` when that fails. */
  async renew(name: DocumentName, load: Load<T>): Promise<T | undefined> {
    const entry = this.#entry(name.tenant, name.url, load);
    // One that is under way may have been answered before what is looked for was published.
    await entry.flight;
    const before = entry.fetched;
    this.#begin(entry);
    await entry.flight;
    return entry.fetched === before ? undefined : entry.fetched?.value;
  }

  /** What is at hand, however old. */
  peek({ tenant, url }: DocumentName): T | undefined {
    return this.#entries.get(keyOf(tenant, url))?.fetched?.value;
  }

  /** Begins to fetch what is due, and does not wait for it. With a tenant: all of that one's, used lately or not. */
  refresh(tenant?: string): void {
    const now = this.#options.now();
    for (const [key, entry] of this.#entries) {
      if (entry.usedAt + KEPT_SECONDS <= now && entry.flight === undefined) this.#entries.delete(key);
      else if (tenant === undefined ? entry.usedAt + FRESH_SECONDS > now : entry.tenant === tenant) {
        if (now >= entry.dueAt) this.#begin(entry);
      }
    }
  }

  #entry(tenant: string, url: string, load: Load<T>): Entry<T> {
    const key = keyOf(tenant, url);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const times = { dueAt: 0, retryAt: 0, usedAt: this.#options.now() };
    const entry: Entry<T> = { tenant, load, fetched: undefined, flight: undefined, ...times };
    this.#entries.set(key, entry);
    this.#makeRoom(entry);
    return entry;
  }

  #begin(entry: Entry<T>): void {
    const { now, onFault, closing } = this.#options;
    if (entry.flight !== undefined || now() < entry.retryAt) return;
    const timeout = AbortSignal.timeout(FETCH_MS);
    const signal = closing === undefined ? timeout : AbortSignal.any([timeout, closing]);
    entry.flight = entry
      .load(signal)
      .then((fetched) => {
        entry.fetched = fetched;
        // A quarter of its time ahead.
        entry.dueAt = now() + Math.ceil(((freshEnd(fetched) - now()) * 3) / 4);
        this.#makeRoom(entry);
      })
      .catch((fault: unknown) => {
        entry.retryAt = now() + RETRY_SECONDS;
        onFault(fault);
      })
      .finally(() => {
        entry.flight = undefined;
      });
  }

  /** Drops what was used longest ago, of this tenant or of all, until the rest is within bounds. */
  #makeRoom(kept: Entry<T>): void {
    for (;;) {
      const all = [...this.#entries];
      const own = all.filter(([, { tenant }]) => tenant === kept.tenant);
      const bytes = all.reduce((sum, [, { fetched }]) => sum + (fetched?.bytes ?? 0), 0);
      const crowd = own.length > TENANT_ENTRIES_MAX ? own : bytes > BYTES_MAX ? all : [];
      const [oldest] = crowd
        .filter(([, entry]) => entry !== kept)
        .sort(([, a], [, b]) => a.usedAt - b.usedAt);
      if (oldest === undefined) return;
      this.#entries.delete(oldest[0]);
    }
  }
}

export interface DocumentName {
  readonly tenant: string;
  readonly url: string;
}

function keyOf(tenant: string, url: string): string {
  return `${tenant} ${url}`;
}

function freshEnd({ freshUntil, goodUntil }: Fetched<unknown>): number {
  return Math.min(freshUntil, goodUntil);
}

function believed<T>({ fetched }: Entry<T>, now: number, staleSeconds: number): T | undefined {
  if (fetched === undefined) return undefined;
  const { value, freshUntil, goodUntil } = fetched;
  return now < Math.min(freshUntil + staleSeconds, goodUntil) ? value : undefined;
}
