import { AkashiError, reference } from '@akashi/circuits';
import type { Issuer } from '@akashi/sdk/issuer';
import type { Hono } from 'hono';
import { cors } from 'hono/cors';
import { maxLength, pipe, strictObject, string } from 'valibot';
import { bankRoutes, body } from '../bank/routes.ts';
import { CONTRACT, INCOME } from '../bank/schemas.ts';
import { KNOWN, type Known } from './records.ts';

export interface PartnersOptions {
  /** Each with a key of its own. Neither has an API key of the bank's. */
  readonly midori: Issuer;
  readonly city: Issuer;
  /** Origin of this site, and of the bank's app, which may ask from its page. */
  readonly origin: string;
  readonly app: string;
}

const claimsBody = strictObject({ customer: reference, receipt: pipe(string(), maxLength(8192)) });

/**
 * A telephone company and a city, that vouch for what they know: to the customer's own device, over the receipt that the
 * verifier gave it, so nobody else can use it. The bank sees nothing of it. Here both share an address, and whoever names a
 * customer is taken for them: real ones have log-ins of their own.
 */
export function createPartners({ midori, city, origin, app }: PartnersOptions): Hono {
  const routes = bankRoutes();
  routes.use(async (c, next) =>
    c.req.header('host') === new URL(origin).host ? next() : c.text('wrong host', 421),
  );
  routes.use(cors({ origin: app, allowMethods: ['POST'], allowHeaders: ['content-type'] }));
  routes.post('/contract', async (c) => {
    const { known, receipt } = await asking(c);
    const { reference: subject, born, since } = known;
    return c.json([
      await midori.issueClaims({ receipt, subject, schema: CONTRACT, claims: { born, since } }),
    ]);
  });
  routes.post('/income', async (c) => {
    const { known, receipt } = await asking(c);
    const { reference: subject, income } = known;
    return c.json([await city.issueClaims({ receipt, subject, schema: INCOME, claims: { income } })]);
  });
  return routes;
}

async function asking(
  c: Parameters<typeof body>[0],
): Promise<{ readonly known: Known; readonly receipt: string }> {
  const { customer, receipt } = await body(c, claimsBody);
  const known = KNOWN.find((one) => one.reference === customer);
  if (known === undefined) throw new AkashiError('not_found');
  return { known, receipt };
}
