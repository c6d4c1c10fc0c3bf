import { AkashiError, enrolmentBody, parse, policyBody, reference } from '@akashi/circuits';
import type { Hono } from 'hono';
import { authenticate, authenticateBackend } from './caller.ts';
import { parseBody, parseId } from './input.ts';
import { checkPolicy } from './policy-facts.ts';
import { newToken, tokenHash } from './token.ts';
import type { Verifier } from './verifier.ts';

// What a tenant's back end sets up: enrolments, devices, policies (docs/protocol.md, section 8).

const ENROLMENT_SECONDS = 600;
const ENROLMENTS = { seconds: 3600, perSubject: 10 } as const;

export function addTenantRoutes(app: Hono, verifier: Verifier): void {
  const { store, now, random, keys } = verifier;

  app.post('/v1/enrolments', async (c) => {
    const caller = await authenticateBackend(verifier, c);
    const { tenant } = caller.tenant;
    const { subject } = parseBody(enrolmentBody, c.req.raw, caller.body);
    const { perSubject: count, seconds } = ENROLMENTS;
    const { retryAfter } = await store.takeLimits(
      [{ tenant, key: `enrol:${subject}`, count, seconds }],
      now(),
    );
    if (retryAfter > 0) throw new AkashiError('rate_limited', { retryAfter });
    const token = newToken(random);
    const expiresAt = now() + ENROLMENT_SECONDS;
    await store.createEnrolment({ tenant, subject, tokenHash: tokenHash(token), expiresAt }, now());
    return c.json({ token, root: keys.root, expiresAt }, 201);
  });

  app.get('/v1/devices', async (c) => {
    const { tenant } = (await authenticateBackend(verifier, c)).tenant;
    const subject = parse(reference, c.req.query('subject'));
    const devices = await store.devicesOfSubject(tenant, subject, now());
    return c.json({
      devices: devices.map(({ device, state, enrolledAt }) => ({ device, state, enrolledAt })),
    });
  });

  app.delete('/v1/devices/:id', async (c) => {
    const { tenant, actor } = await authenticateBackend(verifier, c);
    const revoked = await store.revokeDevice(tenant.tenant, parseId(c), actor, now());
    if (!revoked) throw new AkashiError('not_found');
    return c.body(null, 204);
  });

  app.post('/v1/policies', async (c) => {
    const caller = await authenticateBackend(verifier, c);
    const policy = parseBody(policyBody, c.req.raw, caller.body);
    await checkPolicy(policy, { passkeys: caller.tenant.passkeys, now: now() });
    return c.json(await store.putPolicy(caller.tenant.tenant, policy, caller.actor, now()));
  });

  app.get('/v1/policies', async (c) => {
    const { tenant } = (await authenticate(verifier, c, 'reading')).tenant;
    return c.json({ policies: await store.policies(tenant) });
  });
}
