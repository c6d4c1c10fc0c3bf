import type { Notice } from './wire.ts';

/** As many as anyone could still answer: a request lives for minutes. */
const KEPT = 20;

/**
 * Notices on their way to the app, in memory. In real life this is the bank's push service; what counts is that a
 * notice carries an opaque id and nothing else (docs/protocol.md, section 10).
 */
export class Notices {
  readonly #byCustomer = new Map<string, Notice[]>();
  readonly #waiting = new Map<string, Set<() => void>>();
  #last = 0;

  send(customer: string, request: string, sentAt: number): void {
    this.#last += 1;
    const kept = this.#byCustomer.get(customer) ?? [];
    kept.push({ number: this.#last, request, sentAt });
    this.#byCustomer.set(customer, kept.slice(-KEPT));
    for (const wake of [...(this.#waiting.get(customer) ?? [])]) wake();
  }

  after(customer: string, number: number): readonly Notice[] {
    return (this.#byCustomer.get(customer) ?? []).filter((notice) => notice.number > number);
  }

  /** The notices after `number`, as soon as there are any, or none when `seconds` are over or the caller has gone. */
  async wait(
    customer: string,
    number: number,
    seconds: number,
    gone: AbortSignal,
  ): Promise<readonly Notice[]> {
    if (this.after(customer, number).length === 0 && seconds > 0 && !gone.aborted) {
      const waiting = this.#waiting.get(customer) ?? new Set();
      this.#waiting.set(customer, waiting);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          gone.removeEventListener('abort', wake);
          waiting.delete(wake);
          if (waiting.size === 0) this.#waiting.delete(customer);
          resolve();
        };
        const timer = setTimeout(wake, seconds * 1000);
        gone.addEventListener('abort', wake);
        waiting.add(wake);
      });
    }
    return this.after(customer, number);
  }
}
