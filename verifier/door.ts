import { type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { AkashiError } from '@akashi/circuits';
import { isAlwaysAnswered, isFull, RETRY_SECONDS } from './admission.ts';
import { securityHeaders } from './app.ts';
import { problemOf } from './problem.ts';
import type { Verifier } from './verifier.ts';

// Connections before anything is read of them. Under more calls than can be done, each on a connection of its own, what a
// refusal costs decides how soon everybody has one.

/** Who was let in waits for no more connections than these: 1024 come for each call that is worked on. */
const TURNS_MAX = 1024;
/** Who is refused and does not close the connection: half of a call may be on its way, and unread it would reset the answer. */
const LINGER_MS = 2000;
/** Who sends nothing while this verifier is full. */
const SILENT_MS = 10_000;
const TELL_MS = 1000;

/** Calls go in through it, and wait behind it. */
export class Door {
  readonly #line: (() => void)[] = [];
  /** They have sent nothing yet. */
  readonly #silent = new Set<Socket>();
  #came = false;
  /** Whose door it is; nobody is refused before that is known. */
  #keeper: Keeper | undefined;

  constructor(server: Server) {
    const listeners = server.listeners('connection');
    const letIn = (socket: Socket) => {
      for (const listener of listeners) Reflect.apply(listener, server, [socket]);
    };
    server.removeAllListeners('connection').on('connection', (socket: Socket) => {
      this.#came = true;
      if (this.#isFull()) this.#look(socket, letIn);
      else letIn(socket);
    });
  }

  /** From now on new connections are refused while this verifier is full; who says nothing does not hold it up when it closes. */
  keep(verifier: AtDoor): void {
    verifier.closing?.addEventListener('abort', () => {
      for (const socket of this.#silent) socket.destroy();
    });
    this.#keeper = { verifier, refusal: refusals(verifier), told: tellOfRefused(verifier) };
  }

  /**
   * Node takes one new connection a turn of its event loop, and a turn is as long as the work in it. Most callers would so
   * wait in the kernel, for seconds, and nobody would tell them that the verifier is busy. So work that was let in waits
   * until nobody stands at the door.
   * @returns resolves when a call may go on
   */
  async arrivals(): Promise<void> {
    if (!this.#came && this.#line.length === 0) return;
    await new Promise<void>((resolve) => {
      if (this.#line.push(resolve) === 1) void this.#release();
    });
  }

  async #release(): Promise<void> {
    // To the end of this turn; from there on each one looks at the door.
    await setImmediate();
    while (this.#line.length > 0) {
      let turns = 0;
      do {
        this.#came = false;
        await setImmediate();
        turns += 1;
      } while (this.#came && turns < TURNS_MAX);
      // One: its next step takes the thread for milliseconds. Four did a quarter more, and refusals came half as late again.
      this.#line.shift()?.();
    }
  }

  #isFull(): boolean {
    return this.#keeper !== undefined && isFull(this.#keeper.verifier);
  }

  /**
   * Refuses a connection by its first bytes with what is made at once: to hand it to HTTP and the app for the same answer
   * takes more than twice as long. Health is answered.
   */
  #look(socket: Socket, letIn: (socket: Socket) => void): void {
    // Whoever leaves before it is answered.
    socket.once('error', ignore).setTimeout(SILENT_MS, () => socket.destroy());
    this.#silent.add(socket);
    socket.once('close', () => this.#silent.delete(socket));
    socket.once('data', (bytes) => {
      this.#silent.delete(socket);
      if (this.#isFull() && !isAlwaysAnswered(pathOf(bytes))) return this.#refuse(socket);
      socket.off('error', ignore).removeAllListeners('timeout').setTimeout(0);
      letIn(socket);
      socket.unshift(bytes);
    });
  }

  #refuse(socket: Socket): void {
    if (this.#keeper === undefined) return;
    this.#keeper.told();
    const linger = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(linger));
    socket.end(this.#keeper.refusal()).resume();
  }
}

/** What of a verifier its door works with. */
export type AtDoor = Pick<Verifier, 'calls' | 'closing' | 'origin' | 'now' | 'log' | 'instruments'>;

interface Keeper {
  readonly verifier: AtDoor;
  readonly refusal: () => Buffer;
  readonly told: () => void;
}

const ignore = () => {};

/** The target of a GET; of anything else, or of half a line, nothing. */
function pathOf(bytes: Buffer): string {
  return /^GET (\S{1,64}) HTTP/.exec(bytes.toString('latin1', 0, 80))?.[1] ?? '';
}

/** The same for everybody within a second. */
function refusals(verifier: AtDoor): () => Buffer {
  const { status, body, headers } = problemOf(new AkashiError('busy', { retryAfter: RETRY_SECONDS }));
  const text = JSON.stringify(body);
  let [at, bytes] = [Number.NaN, Buffer.alloc(0)];
  return () => {
    const now = verifier.now();
    if (now !== at) {
      const all = {
        ...securityHeaders(verifier),
        ...headers,
        Connection: 'close',
        'Content-Length': text.length,
      };
      const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
      at = now;
      bytes = Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${text}`);
    }
    return bytes;
  };
}

/** A line of the log for each would be more work than the refusals. @returns to be called for each */
function tellOfRefused({ log, instruments }: AtDoor): () => void {
  let calls = 0;
  return () => {
    instruments.refused();
    calls += 1;
    if (calls > 1) return;
    setTimeout(() => {
      log({ level: 'warn', event: 'refused', calls });
      calls = 0;
    }, TELL_MS);
  };
}
