import {
  askableFactsAnswer,
  claimBody,
  deviceAnswer,
  deviceBody,
  deviceStatus,
  enrolmentAnswer,
  enrolmentBody,
  evidenceAnswer,
  issuerAnswer,
  issuerBody,
  issuerSourceBody,
  issuersAnswer,
  jwksAnswer,
  oprfAnswer,
  oprfBody,
  passkeyAnswer,
  passkeyBody,
  passkeyOptionsAnswer,
  pendingRequest,
  pinBody,
  policiesAnswer,
  policyAnswer,
  policyBody,
  presentationShape,
  requestsAnswer,
  sessionAnswer,
  sessionBody,
  startBody,
  subjectDevicesAnswer,
  verificationShape,
  verificationsAnswer,
} from '@akashi/circuits';
import fc from 'fast-check';
import * as v from 'valibot';
import { brokenTexts, MARK } from './spoils.ts';
import { jsonOf, placeholderId } from './values.ts';

// Every route with who calls it, what it takes and what it answers, and the calls that are made of that: good ones, so that
// inputs get as far as they can, and ones with something wrong in method, address, headers, credential or body.

/** `bearer`: back end or operator. `newcomer`: a device that is not enrolled. */
type Caller = 'backend' | 'operator' | 'bearer' | 'device' | 'newcomer' | 'anyone';

interface Route {
  readonly caller: Caller;
  readonly body?: v.GenericSchema;
  /** Without one, a success is 204. */
  readonly answer?: v.GenericSchema;
  readonly query?: 'subject' | 'wait';
}

const health = v.strictObject({ status: v.literal('ok') });

export const ROUTES: Readonly<Record<string, Route>> = {
  'POST /v1/devices': { caller: 'newcomer', body: deviceBody, answer: deviceAnswer },
  'GET /v1/devices/current': { caller: 'device', answer: deviceStatus },
  'GET /v1/devices/current/facts': { caller: 'device', answer: askableFactsAnswer },
  'DELETE /v1/devices/current': { caller: 'device' },
  'POST /v1/devices/:id/stop': { caller: 'device' },
  'POST /v1/devices/current/oprf': { caller: 'device', body: oprfBody, answer: oprfAnswer },
  'PUT /v1/devices/current/pin': { caller: 'device', body: pinBody, answer: deviceStatus },
  'POST /v1/devices/current/passkeys/options': { caller: 'device', answer: passkeyOptionsAnswer },
  'POST /v1/devices/current/passkeys': { caller: 'device', body: passkeyBody, answer: passkeyAnswer },
  'DELETE /v1/devices/current/passkeys/:id': { caller: 'device' },
  'POST /v1/enrolments': { caller: 'backend', body: enrolmentBody, answer: enrolmentAnswer },
  'GET /v1/devices': { caller: 'backend', answer: subjectDevicesAnswer, query: 'subject' },
  'DELETE /v1/devices/:id': { caller: 'backend' },
  'POST /v1/policies': { caller: 'backend', body: policyBody, answer: policyAnswer },
  'GET /v1/policies': { caller: 'bearer', answer: policiesAnswer },
  'POST /v1/issuers': { caller: 'backend', body: issuerBody, answer: issuerAnswer },
  'GET /v1/issuers': { caller: 'backend', answer: issuersAnswer },
  'PUT /v1/issuers/source': { caller: 'backend', body: issuerSourceBody, answer: issuerSourceBody },
  'DELETE /v1/issuers/:issuer': { caller: 'backend' },
  'POST /v1/sessions': { caller: 'anyone', body: sessionBody, answer: sessionAnswer },
  'DELETE /v1/sessions/current': { caller: 'operator' },
  'POST /v1/verifications': { caller: 'bearer', body: startBody, answer: verificationShape },
  'GET /v1/verifications': { caller: 'operator', answer: verificationsAnswer },
  'GET /v1/verifications/:id': { caller: 'bearer', answer: verificationShape, query: 'wait' },
  'GET /v1/verifications/:id/evidence': { caller: 'backend', answer: evidenceAnswer },
  'DELETE /v1/verifications/:id': { caller: 'backend', answer: verificationShape },
  'POST /v1/verifications/:id/cancel': { caller: 'operator', answer: verificationShape },
  'POST /v1/claims': { caller: 'bearer', body: claimBody, answer: verificationShape },
  'GET /v1/requests': { caller: 'device', answer: requestsAnswer, query: 'wait' },
  'GET /v1/requests/:id': { caller: 'device', answer: pendingRequest },
  'POST /v1/requests/:id/accept': { caller: 'device', answer: pendingRequest },
  'POST /v1/requests/:id/later': { caller: 'device', answer: pendingRequest },
  'POST /v1/requests/:id/decline': { caller: 'device', answer: pendingRequest },
  'POST /v1/requests/:id/report': { caller: 'device', answer: pendingRequest },
  'POST /v1/requests/:id/presentation': {
    ...{ caller: 'device', body: presentationShape, answer: pendingRequest },
  },
  'GET /v1/jwks': { caller: 'anyone', answer: jwksAnswer },
  'GET /v1/health': { caller: 'anyone', answer: health },
  'GET /v1/health/live': { caller: 'anyone', answer: health },
};

const CREDENTIALS = ['backend', 'operator', 'device', 'newcomer', 'none'] as const;
export type Credential = (typeof CREDENTIALS)[number];

export const FLAWS = [
  ...['method', 'url', 'body', 'nonce', 'no nonce', 'old nonce', 'replay', 'time'],
  ...['header', 'text', 'twice', 'scheme', 'long', 'unknown'],
] as const;
export type Flaw = (typeof FLAWS)[number];

/** A call before the ids in it are known. */
export interface FuzzCall {
  readonly method: string;
  readonly path: string;
  readonly credential: Credential;
  /** By a credential of the other tenant. */
  readonly foreign: boolean;
  readonly flaw: Flaw | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
  /** Seconds that pass before. */
  readonly elapse: number;
}

/** What is there, in which name: ids of this tenant and the other, and what there never is. */
const IDS: Readonly<Record<string, readonly string[]>> = {
  verifications: ['verification'],
  requests: ['verification'],
  devices: ['device', 'other'],
  passkeys: ['passkey'],
  issuers: ['issuer'],
};

const ODD_IDS = [
  ...[
    '',
    '.',
    '..',
    '%2e%2e',
    '%2F',
    '%00',
    '%ff%fe',
    '%',
    '%E3%81%82',
    'あ',
    `${MARK}%0d%0a`,
    '__proto__',
    'constructor',
  ],
  ...[
    'current',
    'source',
    'a'.repeat(22),
    `${'a'.repeat(21)}B`,
    'A'.repeat(9000),
    "'--",
    '*',
    ':id',
    '{}',
    ';x=1',
  ],
];

function pathsOf(pattern: string): fc.Arbitrary<string> {
  const parts = pattern.split('/').map((part, i, all) => {
    if (!part.startsWith(':')) return fc.constant(part);
    const names = IDS[all[i - 1] ?? ''] ?? ['verification'];
    return fc.oneof(
      { arbitrary: fc.constantFrom(...names.map((name) => placeholderId(`own_${name}`))), weight: 7 },
      { arbitrary: fc.constantFrom(...names.map((name) => placeholderId(`foreign_${name}`))), weight: 1 },
      { arbitrary: fc.constantFrom(placeholderId('nothing'), ...ODD_IDS), weight: 2 },
    );
  });
  const plain = fc.tuple(...parts).map((all) => all.join('/'));
  const odd = fc
    .tuple(plain, fc.constantFrom('/', '//', '%00', '/..', ';x', '.json', '\\', `/${MARK}`, 'あ'))
    .map(([path, end]) => path + end);
  return fc.oneof({ arbitrary: plain, weight: 30 }, { arbitrary: odd, weight: 1 });
}

const SUBJECTS = [
  'customer-1',
  'customer-2',
  'nobody',
  '',
  MARK,
  'あ',
  'a'.repeat(65),
  '%00',
  'x&subject=y',
  '%ff',
];
const WAITS = ['1', '30', '0', '31', '-1', '1e1', '1.5', MARK, '', '９'];

function queriesOf(query: Route['query']): fc.Arbitrary<string> {
  const odd = fc.constantFrom(
    `?${MARK}=1`,
    '?',
    '?__proto__=1',
    `?${'a=1&'.repeat(500)}`,
    '?%ff=%ff',
    '?wait=1&wait=2',
  );
  const none = fc.constant('');
  if (query === undefined) return fc.oneof({ arbitrary: none, weight: 20 }, { arbitrary: odd, weight: 1 });
  const values = query === 'subject' ? SUBJECTS : WAITS;
  const own = fc.constantFrom(...values).map((value) => `?${query}=${value}`);
  return fc.oneof(
    { arbitrary: own, weight: 6 },
    { arbitrary: none, weight: 4 },
    { arbitrary: odd, weight: 1 },
  );
}

const JSON_TYPES = ['application/json', 'application/json; charset=utf-8', 'application/json;charset=utf-8'];
const OTHER_TYPES = [
  ...[
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
  ],
  ...[
    'application/json; charset=shift_jis',
    'application/problem+json',
    '',
    `${MARK}/json`,
    'application/json,text/html',
  ],
];

const seldom = (weight: number, values: readonly string[]) =>
  fc.oneof(
    { arbitrary: fc.constant(undefined), weight },
    { arbitrary: fc.constantFrom(...values), weight: 1 },
  );

const headersOf = (hasBody: boolean) =>
  fc
    .record({
      'content-type': fc.oneof(
        { arbitrary: hasBody ? fc.constantFrom(...JSON_TYPES) : fc.constant(undefined), weight: 30 },
        { arbitrary: fc.constantFrom(...OTHER_TYPES), weight: 1 },
      ),
      accept: seldom(10, ['text/event-stream', '*/*', MARK, `text/event-stream;${'q=1,'.repeat(500)}`]),
      'if-none-match': seldom(5, ['"own_etag"', 'W/"own_etag"', '*', `"${MARK}"`, '"'.repeat(3000)]),
      'idempotency-key': seldom(8, ['key-1', 'key-2', MARK, '', 'a'.repeat(65), '__proto__']),
      origin: seldom(10, [
        ...['https://desk.bank.example', 'https://phone.bank.example', 'https://desk.shop.example'],
        ...[`https://${MARK}.example`, 'null', '', '*', 'https://desk.bank.example/'],
      ]),
      'content-length': seldom(60, ['0', '16385', '-1', '1e9', MARK, '99999999999999999999']),
      host: seldom(60, [`${MARK}.example`]),
      'x-forwarded-host': seldom(60, [`${MARK}.example`]),
      'x-http-method-override': seldom(60, ['DELETE']),
      cookie: seldom(60, [`session=${MARK}`]),
      'transfer-encoding': seldom(60, ['chunked']),
    })
    .map(
      (all): Record<string, string> =>
        Object.fromEntries(
          Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
        ),
    );

const PREFERRED: Readonly<Record<Caller, readonly Credential[]>> = {
  backend: ['backend'],
  operator: ['operator'],
  bearer: ['backend', 'operator'],
  device: ['device'],
  newcomer: ['newcomer', 'newcomer', 'device'],
  anyone: ['none'],
};

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'PROPFIND',
  'QUERY',
  MARK.toUpperCase(),
];

/** Calls of a route, as `POST /v1/claims`. */
export function callsOf(name: string): fc.Arbitrary<FuzzCall> {
  const route = ROUTES[name];
  const [method = '', pattern = ''] = name.split(' ');
  if (route === undefined) throw new TypeError(`no calls are made for the route ${name}`);
  const body =
    route.body === undefined
      ? fc.oneof({ arbitrary: fc.constant(null), weight: 20 }, { arbitrary: texts, weight: 1 })
      : fc.oneof({ arbitrary: jsonOf(route.body), weight: 40 }, { arbitrary: texts, weight: 1 });
  return fc.record({
    method: fc.oneof(
      { arbitrary: fc.constant(method), weight: 40 },
      { arbitrary: fc.constantFrom(...METHODS), weight: 1 },
    ),
    path: fc.tuple(pathsOf(pattern), queriesOf(route.query)).map((parts) => parts.join('')),
    credential: fc.oneof(
      { arbitrary: fc.constantFrom(...PREFERRED[route.caller]), weight: 20 },
      { arbitrary: fc.constantFrom(...CREDENTIALS), weight: 1 },
    ),
    foreign: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
    flaw: fc.oneof(
      { arbitrary: fc.constant(null), weight: 14 },
      { arbitrary: fc.constantFrom(...FLAWS), weight: 1 },
    ),
    headers: headersOf(route.body !== undefined),
    body,
    elapse: fc.constantFrom(0, 0, 0, 1, 1, 2, 5, 30, 200),
  });
}

/** Up to and over the limit of a body. */
const texts: fc.Arbitrary<Uint8Array | null> = fc.oneof(
  brokenTexts(fc.constant('{}')).map((text) => Buffer.from(text)),
  fc.constantFrom(0, 1, 16_383, 16_384, 16_385, 100_000).map((length) => Buffer.alloc(length, 0x20)),
  fc.uint8Array({ maxLength: 64 }),
);
