import {
  type AskedClaim,
  type ClaimsSchema,
  parse,
  parseCredential,
  requestedFact,
  schemaSignal,
  signJws,
  unverifiedJws,
  VOLATILE_SECONDS,
} from '@akashi/circuits';
import { claimsCredential } from '@akashi/circuits/poseidon';
import { base64url } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { type IssuedClaims, memoryCredentials } from './issuer.ts';
import { PREPARATION_RECORDS } from './preparation-store.ts';
import { newSigner, statementOf } from './scripted-keys.ts';
import { enrolledPhone, enrolPhone, openPhone, openTestIssuer, type Phone, PIN } from './scripted-phone.ts';
import { ScriptedVerifier, SUBJECT } from './scripted-verifier.ts';

// Claims from the issuer to the proof: what a back end vouches for, what a device keeps of it, and what it proves.

const CODE = '204816';
const BORN = { name: 'born', label: { en: 'Date of birth', ja: '生年月日' }, type: 'date' } as const;
const BALANCE = { name: 'balance', label: { en: 'Balance' }, type: 'money', currency: 'JPY' } as const;
const PLAN = { name: 'plan', label: { en: 'Plan' }, type: 'text' } as const;
const CUSTOMER: ClaimsSchema = { schema: 'customer', version: 1, volatile: false, claims: [BORN, PLAN] };
const MONEY: ClaimsSchema = { schema: 'money', version: 1, volatile: true, claims: [BALANCE] };
const CLAIMS = { born: '2008-02-29', plan: 'Gold' };

const bornUntil = (atMost: string) => asked({ fact: 'range', index: 0, claim: BORN, atMost });
const onPlan = (...values: string[]) => asked({ fact: 'member', index: 1, claim: PLAN, values });

function asked(entry: object, schema = CUSTOMER): AskedClaim {
  const { volatile } = schema;
  const full = { version: 1, schema: String(schemaSignal(schema)), volatile, ...entry };
  const parsed = parse(requestedFact, full);
  if (!('schema' in parsed)) throw new TypeError('no claim is asked about');
  return parsed;
}

let verifier: ScriptedVerifier;
let phone: Phone;
beforeEach(async () => {
  verifier = await ScriptedVerifier.open();
  phone = await enrolledPhone(verifier);
});

const issueTo =
  (
    to: Phone,
    schema = CUSTOMER,
    claims: Readonly<Record<string, string>> = CLAIMS,
    lifetimeSeconds?: number,
  ) =>
  async (receipt: string): Promise<IssuedClaims[]> => [
    await to.issuer.issueClaims({
      receipt,
      subject: SUBJECT,
      schema,
      claims,
      ...(lifetimeSeconds === undefined ? {} : { lifetimeSeconds }),
    }),
  ];

/** Time passes, and the verifier's keys are certified for today. */
async function pass(seconds: number): Promise<void> {
  verifier.now += seconds;
  verifier.statement = await statementOf(verifier.root, verifier.signing, verifier.now);
}

async function receiptOf({ holder }: Phone): Promise<string> {
  let receipt = '';
  await holder
    .refreshClaims(async (shown) => {
      receipt = shown;
      return [];
    })
    .catch(() => undefined);
  return receipt;
}

const payloadOf = ({ credential }: IssuedClaims) =>
  parseCredential(JSON.parse(new TextDecoder().decode(base64url.decode(credential.split('.')[1] ?? ''))));

describe('an issuer', () => {
  test('commits to the claims under the holder of the receipt, and to nothing else', async () => {
    const receipt = await receiptOf(phone);
    const [issued] = await issueTo(phone)(receipt);
    const [again] = await issueTo(phone)(receipt);
    if (!issued || !again) throw new TypeError('nothing was issued');
    const [device] = verifier.devices;
    const committed = {
      schema: schemaSignal(CUSTOMER),
      salt: BigInt(issued.salt),
      claims: [39_505n, BigInt(encodedPlan), 0n, 0n, 0n, 0n, 0n, 0n],
    };
    expect(payloadOf(issued)).toEqual({
      iss: phone.issuer.issuer,
      aud: 'https://verify.example',
      tenant: 'aoba',
      sub: SUBJECT,
      cnf: { jkt: device?.jkt },
      schema: String(schemaSignal(CUSTOMER)),
      credential: String(claimsCredential(committed, BigInt(device?.holder ?? ''))),
      iat: verifier.now,
      exp: verifier.now + 90 * 86_400,
    });
    // The salt is new each time, so two credentials of equal claims have nothing in common.
    expect(again.salt).not.toBe(issued.salt);
    expect(issued).toMatchObject({ schema: CUSTOMER, claims: CLAIMS });
  });

  /** `SHA-256("akashi/text/v1" || "Gold")`, first 31 bytes. */
  const encodedPlan = '421845834393766217708952135371801579310835163210315372967799455131079451469';

  test('gives volatile claims a day at most', async () => {
    const receipt = await receiptOf(phone);
    const [issued] = await issueTo(phone, MONEY, { balance: '5' })(receipt);
    expect(issued && payloadOf(issued).exp).toBe(verifier.now + VOLATILE_SECONDS);
    await issueTo(phone, MONEY, { balance: '5' }, VOLATILE_SECONDS)(receipt);
    const longer = issueTo(phone, MONEY, { balance: '5' }, VOLATILE_SECONDS + 1)(receipt);
    await expect(longer).rejects.toMatchObject({ code: 'malformed' });
  });

  test.each<[string, Record<string, string>]>([
    ['a claim missing', { born: '2008-02-29' }],
    ['a claim that the schema lacks', { ...CLAIMS, height: '180' }],
    ['a date of no calendar', { ...CLAIMS, born: '2007-02-29' }],
    ['a date before 1900', { ...CLAIMS, born: '1899-12-31' }],
    ['a text that is not in its one form', { ...CLAIMS, plan: 'Cafe\u0301' }],
  ])('refuses %s', async (_, claims) => {
    const receipt = await receiptOf(phone);
    await expect(issueTo(phone, CUSTOMER, claims)(receipt)).rejects.toMatchObject({ code: 'malformed' });
  });

  test.each(['18446744073709551616', '-9223372036854775809', '9223372036854775808', '1.5', ''])(
    'refuses the amount %j',
    async (balance) => {
      const receipt = await receiptOf(phone);
      await expect(issueTo(phone, MONEY, { balance })(receipt)).rejects.toMatchObject({ code: 'malformed' });
    },
  );

  test('takes a place in a status list for each, and revokes what the device had of the same schema', async () => {
    const receipt = await receiptOf(phone);
    const credentials = memoryCredentials();
    const url = 'https://bank.example/akashi/';
    const issuer = await openTestIssuer(verifier, { publication: { url, credentials } });
    const issue = async (schema: ClaimsSchema, claims: Record<string, string>) => {
      const { credential } = await issuer.issueClaims({ receipt, subject: SUBJECT, schema, claims });
      const { status } = parseCredential(unverifiedJws(credential).payload);
      return status?.status_list.idx;
    };
    const before = await issue(CUSTOMER, CLAIMS);
    await issue(MONEY, { balance: '1' });
    expect([...(await credentials.revoked(0, verifier.now))]).toEqual([]);
    await issue(CUSTOMER, { ...CLAIMS, plan: 'Silver' });
    expect([...(await credentials.revoked(0, verifier.now))]).toEqual([before]);
  });

  test('signs nothing that it could not revoke', async () => {
    const receipt = await receiptOf(phone);
    const credentials = { ...memoryCredentials(), add: () => Promise.reject(new Error('no record of it')) };
    const publication = { url: 'https://bank.example/akashi/', credentials };
    const issuer = await openTestIssuer(verifier, { publication });
    const issuing = issuer.issueClaims({ receipt, subject: SUBJECT, schema: CUSTOMER, claims: CLAIMS });
    await expect(issuing).rejects.toThrow('no record of it');
  });
});

describe('a device', () => {
  test('keeps what is vouched for, encrypted with the rest, the newest of each schema', async () => {
    expect(await phone.holder.claims()).toEqual([]);
    await phone.holder.refreshClaims(issueTo(phone));
    await phone.holder.refreshClaims(issueTo(phone, MONEY, { balance: '-500' }));
    await phone.holder.refreshClaims(issueTo(phone, CUSTOMER, { ...CLAIMS, plan: 'Silver' }));
    const expiresAt = verifier.now + 90 * 86_400;
    expect(await phone.holder.claims()).toEqual([
      { schema: MONEY, claims: { balance: '-500' }, expiresAt: verifier.now + 86_400 },
      { schema: CUSTOMER, claims: { ...CLAIMS, plan: 'Silver' }, expiresAt },
    ]);
    // Another app on the same storage finds them; a new enrolment does not.
    const { holder } = await openPhone(verifier, { storage: phone.storage });
    expect(await holder.claims()).toHaveLength(2);
    await enrolPhone(phone, verifier);
    expect(await phone.holder.claims()).toEqual([]);
  });

  test('lets go of what is over when it keeps something new', async () => {
    await phone.holder.refreshClaims(issueTo(phone, MONEY, { balance: '5' }));
    await pass(86_400);
    await phone.holder.status();
    await phone.holder.refreshClaims(issueTo(phone));
    expect((await phone.holder.claims()).map(({ schema }) => schema.schema)).toEqual(['customer']);
  });

  const changes: readonly (readonly [string, (issued: IssuedClaims) => unknown])[] = [
    ['another value', (issued) => [{ ...issued, claims: { ...CLAIMS, plan: 'Silver' } }]],
    ['another salt', (issued) => [{ ...issued, salt: '5' }]],
    ['another schema', (issued) => [{ ...issued, schema: { ...CUSTOMER, version: 2 } }]],
    [
      'other words',
      (issued) => [{ ...issued, schema: { ...CUSTOMER, claims: [{ ...BORN, label: { en: 'x' } }, PLAN] } }],
    ],
    ['a claim missing', (issued) => [{ ...issued, claims: { born: CLAIMS.born } }]],
    ['one schema twice', (issued) => [issued, issued]],
    ['something more', (issued) => [{ ...issued, more: 1 }]],
    ['no list', (issued) => issued],
    ['nothing', () => []],
  ];
  test.each(changes)('takes over nothing that comes with %s', async (_, change) => {
    const exchange = async (receipt: string) => {
      const [issued] = await issueTo(phone)(receipt);
      return issued && change(issued);
    };
    await expect(phone.holder.refreshClaims(exchange)).rejects.toMatchObject({ code: 'unexpected_answer' });
    expect(await phone.holder.claims()).toEqual([]);
  });

  test('takes over nothing that was issued to another, or is no claims credential', async () => {
    const { privateKey, kid } = await newSigner();
    const resigned = (change: object) => async (receipt: string) => {
      const [issued] = await issueTo(phone)(receipt);
      if (!issued) return [];
      const credential = await signJws(
        'credential',
        { ...payloadOf(issued), ...change },
        { kid, privateKey },
      );
      return [{ ...issued, credential }];
    };
    for (const change of [
      { aud: 'https://other.example' },
      { tenant: 'other' },
      { sub: 'customer-2' },
      { cnf: { jkt: kid } },
      { exp: verifier.now },
      { credential: '5' },
      { schema: '5' },
      { schema: 'akashi/accounts/v1', credential: undefined, accountsRoot: '5' },
    ]) {
      await expect(phone.holder.refreshClaims(resigned(change))).rejects.toMatchObject({
        code: 'unexpected_answer',
      });
    }
    // The device does not know the tenant's key: that another one signed is for the verifier to see.
    await phone.holder.refreshClaims(resigned({}));
  });
});

describe('a request about claims', () => {
  beforeEach(async () => {
    await phone.holder.refreshClaims(issueTo(phone));
  });

  test('is shown with all that is asked, and stays in the history', async () => {
    const facts = [bornUntil('2008-11-22'), onPlan('Gold', 'Silver')];
    const id = await verifier.ask({ facts });
    expect((await phone.holder.request(id)).asked).toMatchObject({
      facts: ['range', 'member'],
      claims: facts,
    });
    expect((await phone.holder.history())[0]?.asked.claims).toEqual(facts);
  });

  test('is answered with proofs from the credential, each beside it', async () => {
    const facts = [bornUntil('2008-11-22'), onPlan('Gold'), bornUntil('2008-02-29')];
    const id = await verifier.ask({ mode: 'precall', facts });
    expect(await phone.holder.present(id)).toMatchObject({ verdict: 'passed' });
    const [presentation] = verifier.presentations;
    expect(presentation?.facts.map(({ fact, credential }) => [fact, typeof credential])).toEqual([
      ['range', 'string'],
      ['member', 'string'],
      ['range', 'string'],
    ]);
    const asked = phone.jobs.filter(({ fact }) => fact !== 'pin').map(({ inputs }) => inputs);
    expect(asked.map(({ lower, upper, value0, value7 }) => [lower, upper, value0, value7])).toEqual([
      [0n, 39_772n, undefined, undefined],
      [undefined, undefined, expect.any(BigInt), expect.any(BigInt)],
      [0n, 39_505n, undefined, undefined],
    ]);
  });

  test.each<[string, AskedClaim, string]>([
    ['born a day too late', bornUntil('2008-02-28'), 'claim_unmet'],
    ['on another plan', onPlan('Silver'), 'claim_unmet'],
    [
      'of a schema that nobody vouched for',
      asked({ fact: 'range', index: 0, claim: BALANCE, atLeast: '1' }, MONEY),
      'claim_unknown',
    ],
    [
      'by another name',
      { ...bornUntil('2008-11-22'), claim: { ...BORN, label: { en: 'Favourite day' } } } as AskedClaim,
      'request_invalid',
    ],
    [
      'at the place of another claim',
      { ...bornUntil('2008-11-22'), index: 1 } as AskedClaim,
      'request_invalid',
    ],
    [
      'at a place behind the last claim',
      { ...bornUntil('2008-11-22'), index: 2 } as AskedClaim,
      'request_invalid',
    ],
  ])('is refused on the device when the customer is %s', async (_, entry, code) => {
    const id = await verifier.ask({ facts: [{ fact: 'pin', version: 1 }, entry] });
    await phone.holder.accept(id);
    await expect(phone.holder.present(id, { code: CODE, pin: PIN })).rejects.toMatchObject({ code });
    // Neither an attempt nor a PIN try is used.
    expect(verifier.presentations).toEqual([]);
    expect(verifier.devices[0]?.tries).toBe(0);
  });

  test('needs claims that are not over', async () => {
    await pass(90 * 86_400);
    const id = await verifier.ask({ mode: 'precall', facts: [onPlan('Gold')] });
    await expect(phone.holder.present(id)).rejects.toMatchObject({ code: 'credential_expired' });
    await phone.holder.refreshClaims(issueTo(phone));
    expect(await phone.holder.present(id)).toMatchObject({ verdict: 'passed' });
  });
});

describe('preparing', () => {
  const claimJobs = () => phone.jobs.filter(({ fact }) => fact === 'range' || fact === 'member');

  test('a device without claims asks for nothing', async () => {
    await phone.holder.prepare();
    expect(verifier.callsTo('GET', /facts$/)).toEqual([]);
  });

  test('covers the bounds of today and tomorrow that are true of this customer', async () => {
    await phone.holder.refreshClaims(issueTo(phone));
    verifier.askable = [
      bornUntil('2008-02-28'),
      bornUntil('2008-02-29'),
      bornUntil('2008-03-01'),
      onPlan('Gold'),
      onPlan('Silver'),
      asked({ fact: 'range', index: 0, claim: BALANCE, atLeast: '1' }, MONEY),
    ];
    await phone.holder.prepare();
    expect(claimJobs().map(({ fact, inputs }) => [fact, inputs.upper])).toEqual([
      ['range', 39_505n],
      ['range', 39_506n],
      ['member', undefined],
    ]);
    const before = phone.jobs.length;
    await phone.holder.prepare();
    const id = await verifier.ask({ mode: 'precall', facts: [bornUntil('2008-03-01'), onPlan('Gold')] });
    expect(await phone.holder.present(id)).toMatchObject({ verdict: 'passed' });
    expect(phone.jobs).toHaveLength(before);
  });

  test('of claims that were vouched for anew begins anew, and the old ones go', async () => {
    await phone.holder.refreshClaims(issueTo(phone));
    verifier.askable = [onPlan('Gold')];
    await phone.holder.prepare();
    const entries = async () =>
      ((await phone.storage.read(PREPARATION_RECORDS.member)) as { entries: unknown[] }).entries.length;
    expect(await entries()).toBe(1);
    await phone.holder.refreshClaims(issueTo(phone));
    expect(await entries()).toBe(0);
    await phone.holder.prepare();
    expect(claimJobs()).toHaveLength(2);
  });

  test('goes on with the accounts when the verifier cannot be reached', async () => {
    await phone.holder.refreshClaims(issueTo(phone));
    verifier.fault = (_, path) => (path.endsWith('/facts') ? 'lostCall' : undefined);
    await phone.holder.prepare();
    expect(phone.jobs.filter(({ fact }) => fact === 'account')).toHaveLength(3);
    expect(claimJobs()).toEqual([]);
  });
});
