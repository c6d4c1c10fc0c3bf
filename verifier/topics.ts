import type { Listener } from './database.ts';

/** Who listens for changes of what, in this process. */
export class Topics {
  readonly #listeners = new Map<string, Set<Listener>>();

  subscribe(topic: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners);
    // A wrapper of its own, so that one function may listen twice and stop once.
    const entry = () => listener();
    listeners.add(entry);
    return () => {
      listeners.delete(entry);
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic);
    };
  }

  tell(topic: string): void {
    // Later, not now: the commit stands, and a listener that throws must not make it look undone.
    for (const listener of this.#listeners.get(topic) ?? []) queueMicrotask(listener);
  }

  tellAll(): void {
    for (const topic of this.#listeners.keys()) this.tell(topic);
  }

  /** Every topic is in one of `parts` parts. */
  tellSome(part: number, parts: number): void {
    let i = 0;
    for (const topic of this.#listeners.keys()) {
      if (i % parts === part) this.tell(topic);
      i += 1;
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
