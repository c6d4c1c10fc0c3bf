import type { Store } from './store.ts';

/** What a reader was woken by: a change, the end of its time, its client's leaving, or the verifier's closing. */
export type Outcome = 'changed' | 'time' | 'gone' | 'closing';

/**
 * A reader that waits for changes of one topic. Thousands wait at once, so one is a few fields: it has no signals of its own,
 * and whoever closes the verifier wakes them all (`readers`).
 */
export class Watch {
  readonly #readers: Set<Watch>;
  readonly #unsubscribe: () => void;
  #changed = false;
  /** Why it waits no more. */
  #last: Outcome | undefined;
  #resolve: ((outcome: Outcome) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(store: Pick<Store, 'subscribe'>, topic: string, readers: Set<Watch>) {
    this.#readers = readers;
    this.#unsubscribe = store.subscribe(topic, () => this.wake('changed'));
    readers.add(this);
  }

  /** The next change, remembered since the last call, unless something else comes first. */
  next(ms: number): Promise<Outcome> {
    return new Promise((resolve) => {
      if (this.#last !== undefined) return resolve(this.#last);
      this.#resolve = resolve;
      if (this.#changed) return this.wake('changed');
      this.#timer = setTimeout(() => this.wake('time'), Math.max(0, ms));
    });
  }

  wake(outcome: Outcome): void {
    if (outcome === 'gone' || outcome === 'closing') this.#last ??= outcome;
    const resolve = this.#resolve;
    this.#changed = outcome === 'changed' && resolve === undefined;
    if (resolve === undefined) return;
    this.#resolve = undefined;
    clearTimeout(this.#timer);
    resolve(outcome);
  }

  end(): void {
    this.#readers.delete(this);
    this.#unsubscribe();
  }
}
