import { AkashiError, claimBody, parse, reference, startBody, type Verification } from '@akashi/circuits';
import type { Context, Hono } from 'hono';
import {
  authenticate,
  authenticateBackend,
  authenticateOperator,
  type Caller,
  isStillAuthentic,
} from './caller.ts';
import { bodyDigest, isCode } from './codes.ts';
import { signEvidence } from './evidence.ts';
import { parseBody, parseId } from './input.ts';
import type { Idempotency, VerificationRow } from './records.ts';
import { startVerification } from './requests.ts';
import type { Verifier } from './verifier.ts';
import { showDesk } from './views.ts';
import { answerWhenChanged, answerWithEvents, type Source } from './wait.ts';

// Verifications as desks and back ends use them (docs/protocol.md, sections 7 and 8).

const CLAIMS = { seconds: 3600, perCall: 10 } as const;

export function addVerificationRoutes(app: Hono, verifier: Verifier): void {
  const { store, now } = verifier;

  app.post('/v1/verifications', async (c) => {
    const caller = await authenticate(verifier, c, 'action');
    const start = parseBody(startBody, c.req.raw, caller.body);
    const row = await startVerification(verifier, caller, start, idempotencyOf(verifier, c, caller));
    return c.json(await showDesk(verifier, caller, row), 201);
  });

  app.get('/v1/verifications', async (c) => {
    const caller = await authenticateOperator(verifier, c, 'reading');
    const { tenant, operator } = caller.operator;
    const rows = await store.verificationsOfOperator(tenant, operator, now());
    const verifications: Verification[] = [];
    for (const row of rows) verifications.push(await showDesk(verifier, caller, row));
    return c.json({ verifications });
  });

  app.get('/v1/verifications/:id', async (c) => {
    const caller = await authenticate(verifier, c, 'reading');
    const source = watchable(verifier, caller, parseId(c));
    const streams = c.req.header('accept')?.includes('text/event-stream') ?? false;
    if (!streams) return answerWhenChanged(verifier, c, source);
    return answerWithEvents(verifier, c, source, {
      name: 'verification',
      isLast: (view) => view.state === 'done',
    });
  });

  app.get('/v1/verifications/:id/evidence', async (c) => {
    const caller = await authenticateBackend(verifier, c);
    return c.json(await signEvidence(verifier, await visible(verifier, caller, parseId(c))));
  });

  app.delete('/v1/verifications/:id', async (c) => {
    const caller = await authenticateBackend(verifier, c);
    return c.json(await cancel(verifier, caller, parseId(c)));
  });

  app.post('/v1/verifications/:id/cancel', async (c) => {
    const caller = await authenticateOperator(verifier, c, 'action');
    return c.json(await cancel(verifier, caller, parseId(c)));
  });

  app.post('/v1/claims', async (c) => {
    const caller = await authenticate(verifier, c, 'action');
    return c.json(await claim(verifier, caller, c));
  });
}

/** A verification that this caller may see. @throws AkashiError `not_found`: unknown, foreign and not yours alike */
async function visible(verifier: Verifier, caller: Caller, id: string): Promise<VerificationRow> {
  const row = await verifier.store.verification(caller.tenant.tenant, id, verifier.now());
  if (row === undefined || !isOwn(caller, row)) throw new AkashiError('not_found');
  return row;
}

/** Back ends see all of their tenant's, operators those that they started or claimed. */
function isOwn(caller: Caller, row: VerificationRow): boolean {
  if (caller.kind === 'backend') return true;
  const { operator } = caller.operator;
  return row.operator === operator || row.claimedBy === operator;
}

function watchable(verifier: Verifier, caller: Caller, id: string): Source<Verification> {
  let waited = false;
  return {
    topic: `verification:${id}`,
    read: async () => {
      // The first time right behind the authentication.
      if (waited && !(await isStillAuthentic(verifier, caller))) throw new AkashiError('unauthorized');
      waited = true;
      return showDesk(verifier, caller, await visible(verifier, caller, id));
    },
  };
}

async function cancel(verifier: Verifier, caller: Caller, id: string): Promise<Verification> {
  const { tenant, verification } = await visible(verifier, caller, id);
  const row = await verifier.store.cancel(tenant, verification, caller.actor, verifier.now());
  if (row === undefined) throw new AkashiError('not_found');
  return showDesk(verifier, caller, row);
}

async function claim(verifier: Verifier, caller: Caller, c: Context): Promise<Verification> {
  const { store, now, keys } = verifier;
  const { tenant } = caller.tenant;
  const { subject, purpose, direction, call, code } = parseBody(claimBody, c.req.raw, caller.body);
  const { perCall: count, seconds } = CLAIMS;
  const { retryAfter } = await store.takeLimits([{ tenant, key: `claim:${call}`, count, seconds }], now());
  if (retryAfter > 0) throw new AkashiError('rate_limited', { retryAfter });
  const matches = (verification: string) => isCode('claim', keys.codeKey, verification, code);
  const row = await store.claim({ tenant, subject, purpose, direction, matches }, caller.actor, now());
  if (row === undefined) throw new AkashiError('claim_refused');
  return showDesk(verifier, caller, row);
}

/** The `Idempotency-Key` of a start, in the name of its caller. @throws AkashiError `malformed` */
function idempotencyOf({ keys }: Verifier, c: Context, caller: Caller): Idempotency | undefined {
  const header = c.req.header('idempotency-key');
  if (header === undefined) return undefined;
  const who = caller.kind === 'operator' ? caller.operator.operator : 'backend';
  return { caller: who, key: parse(reference, header), bodyHash: bodyDigest(keys.codeKey, caller.body) };
}
