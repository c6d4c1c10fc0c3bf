import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Store } from './store.ts';

/** A verb with its arguments, as sent to another process; `matches` of a claim is the list of ids that match. */
export interface StoreCall {
  readonly verb: keyof Store;
  readonly args: readonly unknown[];
}

export type PeerTask =
  | { readonly task: 'open'; readonly engine: 'sqlite' | 'postgres'; readonly location: string }
  | { readonly task: 'race'; readonly at: number; readonly calls: readonly StoreCall[] }
  | { readonly task: 'die'; readonly call: StoreCall }
  | { readonly task: 'close' };

export type PeerMessage = PeerTask & { readonly id: number };

/** Milliseconds from the order to the start of a race: enough for the order to reach every peer. */
const HEAD_START = 30;

/** A store in a process of its own. */
export class StorePeer {
  readonly #child: ChildProcess;
  #last = 0;

  constructor() {
    this.#child = fork(new URL('./store-peer.ts', import.meta.url), {
      execArgv: ['--conditions=akashi-source', '--import', 'tsx'],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    this.#child.setMaxListeners(0);
  }

  async ask(task: PeerTask): Promise<unknown> {
    this.#last += 1;
    const id = this.#last;
    const answer = new Promise<unknown>((resolve, reject) => {
      const onMessage = (message: { id: number; value?: unknown; fault?: string }) => {
        if (message.id !== id) return;
        this.#child.off('message', onMessage);
        if (message.fault === undefined) resolve(message.value);
        else reject(new Error(message.fault));
      };
      this.#child.on('message', onMessage);
      this.#child.once('exit', () => reject(new Error('the peer ended')));
    });
    this.#child.send({ ...task, id });
    return answer;
  }

  /** Performs the call and is killed (SIGKILL) the moment its promise resolved. @throws Error when it did not resolve */
  async die(call: StoreCall): Promise<void> {
    let output = '';
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const end = once(this.#child, 'close');
    const fault = this.ask({ task: 'die', call }).catch(() => undefined);
    await Promise.race([end, fault]);
    const [, signal] = this.#child.killed ? [] : await end;
    if (output !== 'resolved' || signal !== 'SIGKILL') throw new Error('the call did not resolve');
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Deals the calls to the peers, which all start at one time. The results in the order of the calls. */
export async function race(
  peers: readonly StorePeer[],
  calls: readonly StoreCall[],
): Promise<readonly unknown[]> {
  const at = Date.now() + HEAD_START;
  const hands = peers.map((_, p) => calls.filter((_call, c) => c % peers.length === p));
  const answers = await Promise.all(
    peers.map((peer, p) => peer.ask({ task: 'race', at, calls: hands[p] ?? [] })),
  );
  return calls.map((_, c) => (answers[c % peers.length] as readonly unknown[])[Math.floor(c / peers.length)]);
}
