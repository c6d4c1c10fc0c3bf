import {
  AkashiError,
  base64url32,
  type IssuersAnswer,
  issuerBody,
  issuerSourceBody,
  thumbprint,
} from '@akashi/circuits';
import type { Hono } from 'hono';
import * as v from 'valibot';
import { authenticateBackend } from './caller.ts';
import { parseBody } from './input.ts';
import { isCurvePoint } from './key-sets.ts';
import type { IssuerSource } from './records.ts';
import type { Verifier } from './verifier.ts';

// Whom a tenant's credentials are believed from: pinned keys, and where keys and status lists are published
// (docs/protocol.md, sections 6 and 8).

export function addIssuerRoutes(app: Hono, verifier: Verifier): void {
  const { store, now, issuers } = verifier;

  app.post('/v1/issuers', async (c) => {
    const caller = await authenticateBackend(verifier, c);
    const { jwk } = parseBody(issuerBody, c.req.raw, caller.body);
    // Before credentials are held against it.
    if (!(await isCurvePoint(jwk))) throw new AkashiError('malformed');
    const issuer = await thumbprint(jwk);
    await store.addIssuer(caller.tenant.tenant, issuer, jwk, caller.actor, now());
    return c.json({ issuer });
  });

  app.get('/v1/issuers', async (c) => {
    const { tenant } = (await authenticateBackend(verifier, c)).tenant;
    const pinned = [...(await store.issuers(tenant))];
    const source = sourceAnswer(await store.issuerSource(tenant));
    return c.json({ issuers: pinned, source } satisfies IssuersAnswer);
  });

  app.put('/v1/issuers/source', async (c) => {
    const caller = await authenticateBackend(verifier, c);
    const {
      jwks = null,
      statusLists = null,
      staleSeconds = 0,
    } = parseBody(issuerSourceBody, c.req.raw, caller.body);
    for (const url of [jwks, statusLists])
      if (url !== null && !issuers.admits(url)) throw new AkashiError('malformed');
    const { tenant } = caller.tenant;
    const source = jwks === null && statusLists === null ? null : { jwks, statusLists, staleSeconds };
    await store.setIssuerSource(tenant, source, caller.actor, now());
    return c.json(sourceAnswer(await store.issuerSource(tenant)));
  });

  app.delete('/v1/issuers/:issuer', async (c) => {
    const { tenant, actor } = await authenticateBackend(verifier, c);
    const issuer = v.safeParse(base64url32, c.req.param('issuer'));
    const removed = issuer.success && (await store.removeIssuer(tenant.tenant, issuer.output, actor, now()));
    if (!removed) throw new AkashiError('not_found');
    return c.body(null, 204);
  });
}

function sourceAnswer(source: IssuerSource | undefined): IssuersAnswer['source'] {
  if (source === undefined) return {};
  const { jwks, statusLists, staleSeconds } = source;
  return {
    ...(jwks === null ? {} : { jwks }),
    ...(statusLists === null ? {} : { statusLists, staleSeconds }),
  };
}
