import { AkashiError, type Attempt, base64url16, type PendingRequest, parse } from '@akashi/circuits';
import { loadHolderActs, need } from './chunk.ts';
import { hasCode } from './connection.ts';
import type { Identity } from './holder-record.ts';
import type { PinEntry } from './pin-entry.ts';
import type { PresentationDesk, PresentOptions } from './presentation.ts';
import type { CheckedRequest, OpenRequest } from './request.ts';
import type { Verb, Wait } from './request-desk.ts';

// Requests and the customer's answers to them, with what is kept in memory from one answer to the next: the open
// attempt, and the PIN as it was typed (docs/protocol.md, sections 5 to 7).

/** A call in the customer's name. */
export interface Signal {
  readonly signal?: AbortSignal | undefined;
}

export interface Conversation {
  list(identity: Identity, wait: Wait): Promise<readonly CheckedRequest[]>;
  read(identity: Identity, id: string, options: Signal): Promise<CheckedRequest>;
  answer(
    identity: Identity,
    id: string,
    verb: Exclude<Verb, 'presentation'>,
    options: Signal,
  ): Promise<CheckedRequest>;
  present(identity: Identity, id: string, options: PresentOptions): Promise<CheckedRequest>;
  /** Where the current PIN is typed outside of a verification: to change it, or to add a passkey. */
  currentPin(): PinEntry;
  /** Forgets every PIN in memory: after one was changed, or belonged to another enrolment. */
  forgetPins(): void;
}

/** An open attempt of this device, with what it is proven from. */
interface Accepted {
  readonly device: string;
  readonly open: OpenRequest;
  readonly attempt: Attempt;
}

const CURRENT = 'current';

export function openConversation(desk: PresentationDesk): Conversation {
  const { connection, requests } = desk;
  const entries = new Map<string, PinEntry>();
  const accepted = new Map<string, Accepted>();

  const entryOf = (purpose: string): PinEntry => {
    const entry = entries.get(purpose) ?? {};
    entries.set(purpose, entry);
    return entry;
  };
  /** Checks an answer, keeps its open attempt, and forgets the PIN with the end of its verification. */
  const show = async (identity: Identity, answer: PendingRequest): Promise<CheckedRequest> => {
    const { shown, open, attempt } = await requests.check(identity, answer);
    if (shown.state === 'done') entries.delete(shown.id);
    const isOpen = shown.state === 'accepted' && open !== null && attempt !== null;
    if (isOpen) accepted.set(shown.id, { device: identity.record.device, open, attempt });
    else accepted.delete(shown.id);
    return shown;
  };
  const read = async (identity: Identity, id: string, { signal }: Signal) =>
    show(identity, await requests.get(identity, parse(base64url16, id), signal));
  const answer: Conversation['answer'] = async (identity, id, verb, { signal }) =>
    show(identity, await requests.post(identity, parse(base64url16, id), verb, { repeatable: true, signal }));
  /** The open attempt as accepting brought it, if it still can be good: whether it is, the verifier says. */
  const heldAttempt = (identity: Identity, id: string): Accepted | undefined => {
    const held = accepted.get(id);
    const usable =
      held?.device === identity.record.device && held.open.request.exp > connection.verifierTime();
    return usable ? held : undefined;
  };

  return {
    async list(identity, wait) {
      const shown: CheckedRequest[] = [];
      for (const found of await requests.list(identity, wait)) shown.push(await show(identity, found));
      return shown.filter(({ state, claim }) => state !== 'done' || claim !== null);
    },
    read,
    answer,
    async present(identity, id, options) {
      // First of all: what fails for want of code must not have accepted anything.
      const { present } = await need(loadHolderActs, options.signal);
      const before = heldAttempt(identity, id) ? null : await answer(identity, id, 'accept', options);
      if (before?.state === 'done') return before;
      const held = heldAttempt(identity, id);
      if (held === undefined) throw new AkashiError('unexpected_answer');
      try {
        return await show(identity, await present(desk, identity, held, entryOf(id), options));
      } catch (error) {
        // Cancelled, reported or expired meanwhile: that is an outcome, not a fault.
        if (!hasCode(error, 'evaluation_refused')) throw error;
        const after = await read(identity, id, options);
        if (after.state !== 'done') throw error;
        return after;
      }
    },
    currentPin: () => entryOf(CURRENT),
    forgetPins: () => entries.clear(),
  };
}
