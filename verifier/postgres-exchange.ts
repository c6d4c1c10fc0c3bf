import pg from 'pg';

// What is asked of the server in one turn, and answered together: one message there and one back, with one Sync behind
// all of it, where the driver sends one behind each statement, and the server an answer of its own to each. A statement's
// columns are described once for the process, not with each of its results. (docs of PostgreSQL, 55.2.3 and 55.2.4)

/** A statement under the name by which connections keep it prepared. */
export interface NamedStatement {
  readonly name: string;
  readonly text: string;
  /** Whether its rows are read. */
  readonly hasRows: boolean;
  /** How its columns are read, once the server has described them. */
  columns?: readonly ((text: string) => unknown)[];
}

export interface Answer {
  /** First word of what the server says that it did. */
  readonly command: string;
  /** Written, or found. */
  readonly count: number;
  readonly rows: readonly (readonly (string | null)[])[];
}

/** As the driver sends it: text, or bytes. */
type Parameter = string | Buffer | null;

interface Asked {
  readonly statement: NamedStatement;
  readonly values: Parameter[];
  readonly rows: (string | null)[][];
  readonly resolve: (answer: Answer) => void;
  readonly reject: (cause: unknown) => void;
}

interface RowDescription {
  readonly fields: readonly { readonly dataTypeID: number }[];
}

/**
 * A query of the driver, which lets nothing else share a connection. When a statement fails, the server does none of those
 * behind it, and all of them fail with it.
 */
export class Exchange extends pg.Query {
  readonly #asked: Asked[] = [];
  readonly #prepared: Set<string>;
  readonly #parsed = new Set<string>();
  #place = 0;
  /** The driver puts its own around it, which ends its timer. */
  callback: (error?: unknown) => void = () => {};

  /** @param prepared names of what this connection has prepared, which this one adds to */
  constructor(prepared: Set<string>) {
    super({ text: '' });
    this.#prepared = prepared;
  }

  /** One more, behind the others. */
  ask(statement: NamedStatement, values: readonly unknown[]): Promise<Answer> {
    const parameters = values.map(parameterOf);
    return new Promise((resolve, reject) => {
      this.#asked.push({ statement, values: parameters, rows: [], resolve, reject });
    });
  }

  // From here on what the driver calls. A property, because its type says so.
  override submit = (connection: pg.Connection): void => {
    const { stream } = connection;
    stream.cork();
    for (const { statement, values } of this.#asked) {
      const { name, text } = statement;
      if (!this.#prepared.has(name) && !this.#parsed.has(name)) {
        // Whether it is prepared since an exchange that failed is not known.
        connection.close({ type: 'S', name }, true);
        connection.parse({ name, text, types: [] }, true);
        this.#parsed.add(name);
      }
      connection.bind({ statement: name, values }, true);
      if (statement.hasRows && statement.columns === undefined) connection.describe({ type: 'P' }, true);
      connection.execute({}, true);
    }
    connection.sync();
    stream.uncork();
  };

  handleRowDescription({ fields }: RowDescription): void {
    const asked = this.#asked[this.#place];
    if (asked === undefined) return;
    asked.statement.columns = fields.map(({ dataTypeID }) => pg.types.getTypeParser(dataTypeID, 'text'));
  }

  handleDataRow({ fields }: { readonly fields: (string | null)[] }): void {
    this.#asked[this.#place]?.rows.push(fields);
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    const asked = this.#asked[this.#place];
    this.#place += 1;
    // "INSERT 0 1", "SELECT 3", "COMMIT"
    const words = text.split(' ');
    asked?.resolve({ command: words[0] ?? '', count: Number(words.at(-1)) || 0, rows: asked.rows });
  }

  handleError(cause: unknown): void {
    for (const { reject } of this.#asked.slice(this.#place)) reject(cause);
    this.callback(cause);
  }

  handleReadyForQuery(): void {
    for (const name of this.#parsed) this.#prepared.add(name);
    this.callback();
  }
}

/** The rows of an answer as their columns are read. */
export function readRows({ columns }: NamedStatement, { rows }: Answer): unknown[][] {
  return rows.map((row) => row.map((text, i) => (text === null ? null : columns?.[i]?.(text))));
}

function parameterOf(value: unknown): Parameter {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string' || Buffer.isBuffer(value)) return value;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length);
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value);
  throw new TypeError('no parameter of a statement');
}
