import { AkashiError, parse } from '@akashi/circuits';
import { array, type GenericSchema, type InferOutput, nullable, strictObject, unknown } from 'valibot';
import {
  type CustomerName,
  customerShape,
  customersAnswer,
  devicesAnswer,
  enrolmentAnswer,
  failureOf,
  loginAnswer,
  type Notice,
  noticesAnswer,
  type Purposes,
  precallAnswer,
  purposesAnswer,
} from '../bank/wire.ts';

const TIMEOUT_SECONDS = 20;
/** Where the log-in is kept; a `storage` event under this name tells the other tabs. */
export const KEPT = 'login';

export interface BankClient {
  /** Whose app this is: who logged in last. */
  readonly customer: CustomerName | null;
  /** As far as this browser knows: the back end may see the log-in as ended. */
  readonly loggedIn: boolean;
  customers(): Promise<readonly CustomerName[]>;
  logIn(customer: string): Promise<void>;
  logOut(): Promise<void>;
  /** A new enrolment link's fragment. */
  enrolment(): Promise<string>;
  /** The receipt for accounts and credential (docs/protocol.md, section 5, step 5). */
  accounts(receipt: string, signal: AbortSignal): Promise<unknown>;
  /** The receipt for what is vouched for: by the bank, by a telephone company, by a city. Each sees its own part only. */
  claims(receipt: string, signal: AbortSignal): Promise<unknown>;
  /** Devices of this customer that can answer requests. */
  activeDevices(): Promise<number>;
  purposes(): Promise<Purposes>;
  /** Asks for a pre-call verification; answers its request's id. */
  startPrecall(purpose: string): Promise<string>;
  notices(after: number, waitSeconds: number, signal: AbortSignal): Promise<readonly Notice[]>;
}

/** What is in them the holder checks. */
const issuedAnswer = array(unknown());

const keptShape = strictObject({ customer: customerShape, session: nullable(loginAnswer.entries.session) });

/**
 * The phone page's way to its own bank. Failures are `AkashiError`; `unauthorized` means that the log-in has ended.
 *
 * The log-in is kept in `storage` (local storage) and read anew for each call, so that two tabs and a page opened
 * from the home screen share it. That is good enough for an example: a script injected into the page could read it.
 */
export function openBankClient(storage: Storage, partners: string): BankClient {
  const kept = () => readKept(storage);
  const endSession = (): void => {
    const customer = kept()?.customer;
    if (customer !== undefined) storage.setItem(KEPT, JSON.stringify({ customer, session: null }));
  };

  const call = async <S extends GenericSchema>(
    method: string,
    path: string,
    answer: S,
    options: CallOptions = {},
  ): Promise<InferOutput<S>> => {
    const session = kept()?.session ?? null;
    const { ok, status, json } = await send(method, `/api${path}`, session, options);
    if (ok) return parse(answer, json);
    if (status === 401 && session === kept()?.session) endSession();
    throw failureOf(json, status);
  };

  return {
    get customer() {
      return kept()?.customer ?? null;
    },
    get loggedIn() {
      return (kept()?.session ?? null) !== null;
    },
    customers: async () => (await call('GET', '/customers', customersAnswer)).customers,
    logIn: async (customer) => {
      storage.setItem(
        KEPT,
        JSON.stringify(await call('POST', '/sessions', loginAnswer, { body: { customer } })),
      );
    },
    logOut: async () => {
      // Forgotten here in any case: the back end lets it run out when it cannot be told.
      await call('DELETE', '/my/session', unknown()).catch(() => undefined);
      storage.removeItem(KEPT);
    },
    enrolment: async () => (await call('POST', '/my/enrolment', enrolmentAnswer)).fragment,
    accounts: (receipt, signal) => call('POST', '/my/accounts', unknown(), { body: { receipt }, signal }),
    claims: async (receipt, signal) => {
      const own = await call('POST', '/my/claims', issuedAnswer, { body: { receipt }, signal });
      const customer = kept()?.customer.reference;
      const others = ['/contract', '/income'].map(async (path) => {
        const answer = await send('POST', `${partners}${path}`, null, {
          body: { customer, receipt },
          signal,
        });
        if (!answer.ok) throw failureOf(answer.json, answer.status);
        return parse(issuedAnswer, answer.json);
      });
      return [...own, ...(await Promise.all(others)).flat()];
    },
    activeDevices: async () => (await call('GET', '/my/devices', devicesAnswer)).active,
    purposes: async () => (await call('GET', '/my/purposes', purposesAnswer)).purposes,
    startPrecall: async (purpose) =>
      (await call('POST', '/my/precall', precallAnswer, { body: { purpose } })).request,
    notices: async (after, waitSeconds, signal) => {
      const path = `/my/notices?after=${after}&wait=${waitSeconds}`;
      return (await call('GET', path, noticesAnswer, { signal, seconds: waitSeconds + TIMEOUT_SECONDS }))
        .notices;
    },
  };
}

interface CallOptions {
  readonly body?: object;
  readonly signal?: AbortSignal;
  readonly seconds?: number;
}

async function send(method: string, address: string, session: string | null, options: CallOptions) {
  const timeout = AbortSignal.timeout((options.seconds ?? TIMEOUT_SECONDS) * 1000);
  const response = await fetch(address, {
    method,
    headers: {
      ...(session === null ? {} : { authorization: `Bearer ${session}` }),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: options.body === undefined ? null : JSON.stringify(options.body),
    signal: options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]),
  }).catch((cause: unknown) => {
    const code = timeout.aborted ? 'timeout' : options.signal?.aborted === true ? 'aborted' : 'network';
    throw new AkashiError(code, { cause });
  });
  const json: unknown = response.status === 204 ? undefined : await response.json().catch(() => undefined);
  return { ok: response.ok, status: response.status, json };
}

function readKept(storage: Storage): InferOutput<typeof keptShape> | null {
  try {
    return parse(keptShape, JSON.parse(storage.getItem(KEPT) ?? 'null'));
  } catch {
    return null;
  }
}
