import { AkashiError } from '@akashi/circuits';
import type { Issuer } from '@akashi/sdk/issuer';
import { Hono } from 'hono';
import type { Customer } from './customers.ts';
import type { Notices } from './notices.ts';
import { PRECALL_POLICY, PURPOSES } from './policies.ts';
import { bankRoutes, body, refuse } from './routes.ts';
import { CUSTOMER } from './schemas.ts';
import type { Sessions } from './sessions.ts';
import { accountsBody, loginBody, precallBody } from './wire.ts';

/** What the bank's back end needs. It alone holds the API key (inside `issuer`) and the records of customers. */
export interface BankOptions {
  readonly customers: readonly Customer[];
  readonly issuer: Issuer;
  readonly sessions: Sessions;
  readonly notices: Notices;
}

/** Where the bank's site answers the verifier. */
export const PUBLISHED = '/akashi/';

interface Variables {
  readonly Variables: { customer: Customer; token: string };
}

/**
 * The tenant's side of Akashi, as routes of a bank's own back end: it knows who is logged in, and says so to the
 * verifier (docs/protocol.md, section 5). The log-in is the one thing here that is not real.
 */
export function createBank({ customers, issuer, sessions, notices }: BankOptions): Hono<Variables> {
  const bank = bankRoutes<Variables>();

  bank.get('/customers', (c) => c.json({ customers: customers.map(named) }));

  bank.post('/sessions', async (c) => {
    const { customer: reference } = await body(c, loginBody);
    const customer = customers.find((one) => one.reference === reference);
    if (customer === undefined) return refuse(c, 'not_found');
    return c.json({ session: sessions.open(customer), customer: named(customer) }, 201);
  });

  bank.use('/my/*', async (c, next) => {
    const token = /^Bearer ([A-Za-z0-9_-]{22})$/.exec(c.req.header('authorization') ?? '')?.[1] ?? '';
    const customer = sessions.customer(token);
    if (customer === null) return refuse(c, 'unauthorized');
    c.set('customer', customer);
    c.set('token', token);
    return next();
  });

  bank.delete('/my/session', (c) => {
    sessions.close(c.get('token'));
    return c.body(null, 204);
  });

  addCustomerRoutes(bank, issuer, notices);
  return bank;
}

/** What the verifier fetches without asking: the bank's public keys, and which credentials it revoked. */
export function createPublication(issuer: Issuer): Hono {
  return new Hono().get('/*', (c) => issuer.answer(c.req.path));
}

/** Routes of a logged-in customer: the subject always comes from the session, never from the call. */
function addCustomerRoutes(bank: Hono<Variables>, issuer: Issuer, notices: Notices): void {
  bank.post('/my/enrolment', async (c) => {
    const { fragment } = await issuer.requestEnrolment(c.get('customer').reference);
    return c.json({ fragment }, 201);
  });

  bank.post('/my/accounts', async (c) => {
    const { receipt } = await body(c, accountsBody);
    const { reference, accounts } = c.get('customer');
    return c.json(await issuer.issueAccounts({ receipt, subject: reference, accounts }));
  });

  // What the bank itself vouches for, beside what others do (partner/). It has it anyway, and operators see none of it.
  bank.post('/my/claims', async (c) => {
    const { receipt } = await body(c, accountsBody);
    const { reference, since } = c.get('customer');
    const claims = { since };
    return c.json([await issuer.issueClaims({ receipt, subject: reference, schema: CUSTOMER, claims })]);
  });

  // For a lost phone, say: the verifier learns it within a minute. A device that is still good is given new ones.
  bank.delete('/my/credentials', async (c) =>
    c.json({ revoked: await issuer.revoke({ subject: c.get('customer').reference }) }),
  );

  bank.get('/my/devices', async (c) => {
    const devices = await issuer.devices(c.get('customer').reference);
    return c.json({ active: devices.filter((device) => device.state === 'active').length });
  });

  bank.get('/my/purposes', (c) => c.json({ purposes: PURPOSES[PRECALL_POLICY] }));

  bank.post('/my/precall', async (c) => {
    const { purpose } = await body(c, precallBody);
    if (!PURPOSES[PRECALL_POLICY].some(({ id }) => id === purpose)) return refuse(c, 'malformed');
    const { verification } = await issuer.start({
      subject: c.get('customer').reference,
      policy: PRECALL_POLICY,
      purpose,
      mode: 'precall',
      call: { direction: 'inbound' },
    });
    return c.json({ request: verification }, 201);
  });

  bank.get('/my/notices', async (c) => {
    const after = wholeNumber(c.req.query('after'), Number.MAX_SAFE_INTEGER);
    const seconds = wholeNumber(c.req.query('wait'), 30);
    const { reference } = c.get('customer');
    return c.json({ notices: await notices.wait(reference, after, seconds, c.req.raw.signal) });
  });
}

function named({ reference, name }: Customer) {
  return { reference, name };
}

function wholeNumber(sent: string | undefined, most: number): number {
  if (sent === undefined) return 0;
  const value = /^(?:0|[1-9][0-9]{0,15})$/.test(sent) ? Number(sent) : Number.NaN;
  if (!(value <= most)) throw new AkashiError('malformed');
  return value;
}
