import type { Scope, Verb, Writing } from './statement.ts';

export type Listener = () => void;

/** What runs verbs: a SQLite file or a PostgreSQL server. */
export interface Database {
  /** Whether positions of audit entries are given in the order of commits, without a gap (stored-audit.ts). */
  readonly gapless: boolean;
  /** Runs a verb that changes nothing. */
  read<R>(scope: Scope, verb: () => Verb<R>): Promise<R>;
  /**
   * Runs a verb in a transaction of its own and answers when the commit is durable; then listeners are told. A verb may
   * be run again from its beginning when others were in its way.
   */
  write<R>(scope: Scope, verb: (tx: Writing) => Verb<R>): Promise<R>;
  /** Calls back after commits that touched the topic, and perhaps when nothing did. */
  subscribe(topic: string, listener: Listener): () => void;
  /** Throws when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
