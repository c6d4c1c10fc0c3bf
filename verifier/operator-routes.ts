import { AkashiError, type Session, sessionBody } from '@akashi/circuits';
import type { Hono } from 'hono';
import { authenticateOperator, SESSION_IDLE_SECONDS, SESSION_SECONDS } from './caller.ts';
import { parseBody, receiveBody } from './input.ts';
import { requireOrigin } from './origin.ts';
import { newToken, tokenHash } from './token.ts';
import type { Verifier } from './verifier.ts';

// Operators' sessions (docs/protocol.md, section 8).

export function addOperatorRoutes(app: Hono, verifier: Verifier): void {
  const { store, now, random } = verifier;

  app.post('/v1/sessions', async (c) => {
    const { token } = parseBody(sessionBody, c.req.raw, await receiveBody(verifier, c));
    const session = newToken(random);
    const operator = await store.openSession(
      {
        tokenHash: tokenHash(token),
        sessionHash: tokenHash(session),
        endsAt: now() + SESSION_SECONDS,
        idleSeconds: SESSION_IDLE_SECONDS,
      },
      now(),
    );
    const tenant = operator && (await store.tenant(operator.tenant));
    if (operator === undefined || tenant === undefined) throw new AkashiError('unauthorized');
    try {
      requireOrigin(c, tenant);
    } catch (error) {
      // The link is used up: it was opened by a page that is not this tenant's.
      await store.closeSession(tokenHash(session), now());
      throw error;
    }
    const answer: Session = {
      session,
      operator: { id: operator.operator, name: operator.name, role: operator.role },
      tenant: { id: tenant.tenant, name: tenant.name },
      idleSeconds: SESSION_IDLE_SECONDS,
    };
    return c.json(answer, 201);
  });

  app.delete('/v1/sessions/current', async (c) => {
    const { sessionHash } = await authenticateOperator(verifier, c, 'reading');
    await store.closeSession(sessionHash, now());
    return c.body(null, 204);
  });
}
