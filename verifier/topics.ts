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

  clear(): void {
    this.#listeners.clear();
  }
}
