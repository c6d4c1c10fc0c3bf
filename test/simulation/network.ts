import type { Flight } from './turns.ts';

// What travels between clients and verifiers: messages that the scheduler delivers, repeats, or loses.

/** What a presentation is, by the books of the phone that made it. */
export interface Presented {
  readonly attempt: string;
  /** As typed; `null` in pre-call mode. */
  readonly code: string | null;
  readonly commitment: string;
  /** Whether the proof is for what the presentation says: this request, this attempt's nonce, the code as typed. */
  readonly intact: boolean;
}

/** A new PIN in the place of the old one. */
export interface Changed {
  readonly from: string;
  readonly to: string;
  readonly intact: boolean;
}

/** What a call is for, by the books of who makes it. */
export interface Intent {
  readonly what:
    | 'start'
    | 'read'
    | 'list'
    | 'cancel'
    | 'claim'
    | 'evidence'
    | 'revoke'
    | 'accept'
    | 'later'
    | 'decline'
    | 'report'
    | 'evaluate'
    | 'present'
    | 'begin change'
    | 'change'
    | 'status';
  /** Of the caller. */
  readonly tenant: string;
  readonly device?: string;
  readonly verification?: string;
  readonly subject?: string;
  readonly code?: string;
  readonly blinded?: string;
  readonly idempotencyKey?: string;
  readonly presented?: Presented;
  readonly changed?: Changed;
  /** It names something that this caller must not learn anything about. */
  readonly foreign?: boolean;
}

/** A call as it is sent; the network may deliver it more than once. */
export interface Message {
  readonly id: number;
  readonly from: Client;
  readonly intent: Intent;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
  readonly nonce: string | null;
}

export interface Client {
  readonly name: string;
  /** How likely it is to do something next. */
  readonly weight: number;
  /** Calls whose answer has not come. */
  outstanding: number;
  /** The next call of this client. */
  act(): Promise<Omit<Message, 'id' | 'from'>>;
  /** `undefined`: no answer will come. */
  hear(intent: Intent, answer: Answer | undefined): void;
}

/** A message that is being handled by a verifier. */
export interface Handling {
  readonly flight: Flight;
  readonly message: Message;
  readonly verifier: number;
  answer: Answer | undefined;
}

/** Status and code of an answer, for the trace. */
export function summary({ status, json }: Answer): string {
  const { code, state, verdict } = json;
  const said = status < 300 ? [state, verdict] : [code];
  return [status, ...said.filter((word) => typeof word === 'string')].join(' ');
}
