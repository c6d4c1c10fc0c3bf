import type { Hono } from 'hono';
import type { Payments } from './payments.ts';
import { bankRoutes, body, refuse } from './routes.ts';
import { paymentBody } from './wire.ts';

export interface DeskRoutesOptions {
  readonly payments: Payments;
  /** Id of the one operator of this example. */
  readonly operator: string;
  /** Origin of the desk's pages. */
  readonly desk: string;
}

/**
 * What the desk asks of its own bank rather than of the verifier: to start what the operator is not to see. Who the
 * operator is, a contact center knows by its own sign-in; in this example it is whoever opened the desk's page, as with
 * the sign-in link beside it.
 */
export function createDeskRoutes({ payments, operator, desk }: DeskRoutesOptions): Hono {
  const routes = bankRoutes();
  routes.use(async (c, next) => (c.req.header('origin') === desk ? next() : refuse(c, 'forbidden')));

  routes.post('/payments', async (c) => {
    const { subject, direction } = await body(c, paymentBody);
    const verification = await payments.start(subject, operator, direction);
    return c.json({ verification }, 201);
  });
  return routes;
}
