import { randomBytes } from 'node:crypto';
import { parse, sessionAnswer, type Verification, verificationShape } from '@akashi/circuits';
import type { ServiceConnection } from './service-connection.ts';
import { good } from './service-phone.ts';

// An operator's desk as the verifier sees it: signed in, starting verifications and following each by its stream.

export interface ServiceDesk {
  start(subject: string): Promise<{ readonly verification: string; readonly code: string }>;
  /** Opens the stream; the state it shows first is read already when this returns. */
  watch(verification: string): Promise<Watch>;
}

export interface Watch {
  /** The verdict, once the desk has read it. @throws Error unless it is `passed` */
  passed(): Promise<void>;
}

export interface ServiceDeskOptions {
  readonly connection: ServiceConnection;
  /** Token of a sign-in link. */
  readonly signIn: string;
  readonly policy: string;
  readonly purpose: string;
}

export async function openServiceDesk(options: ServiceDeskOptions): Promise<ServiceDesk> {
  const { connection, signIn: token, policy, purpose } = options;
  const answer = await connection.send({
    method: 'POST',
    path: '/v1/sessions',
    headers: {},
    body: JSON.stringify({ token }),
  });
  const { session } = parse(sessionAnswer, good(answer));
  const authorization = { Authorization: `Bearer ${session}` };
  return {
    async start(subject) {
      const started = await connection.send({
        method: 'POST',
        path: '/v1/verifications',
        headers: { ...authorization, 'Idempotency-Key': randomBytes(16).toString('base64url') },
        body: JSON.stringify({ subject, policy, purpose, mode: 'call', call: { direction: 'inbound' } }),
      });
      const { verification, code = '' } = parse(verificationShape, good(started));
      return { verification, code };
    },
    async watch(verification) {
      const states = connection.events({
        method: 'GET',
        path: `/v1/verifications/${verification}`,
        headers: { ...authorization, Accept: 'text/event-stream' },
      });
      const next = async (): Promise<Verification> => {
        const { done, value } = await states.next();
        if (done) throw new Error('the desk was told no verdict');
        return parse(verificationShape, value);
      };
      let current = await next();
      return {
        async passed() {
          while (current.state !== 'done') current = await next();
          if (current.verdict !== 'passed') throw new Error('the desk was told of no pass');
          // To its end, so that the connection serves again.
          if (!(await states.next()).done) throw new Error('a state after the last one');
        },
      };
    },
  };
}
