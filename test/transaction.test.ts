import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type SignedEvidence, type Transaction, transactionHash } from '@akashi/circuits';
import type { Agent } from '@akashi/sdk/agent';
import {
  certificationOf,
  certifyKeys,
  createDevelopmentKeys,
  createTenant,
  installStatement,
  type KeysDocument,
  openKeys,
  type RootDocument,
  rootThumbprint,
  rotateSigningKey,
  startVerifier,
} from '@akashi/verifier';
import { base64url, decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attemptsOf } from './attempt.ts';
import {
  enrolPhone,
  openTestIssuer,
  openWorld,
  type Phone,
  POLICY,
  policyOf,
  startOf,
  type TestTenant,
  type World,
} from './harness.ts';
import { enrolRawPhone, presentationOf } from './raw-phone.ts';
import { refusal } from './refusal.ts';
import { newTraceFolder } from './run.ts';
import { METRICS, writeTold } from './telling.ts';

// A payment on a call: what the customer agreed to is what was shown, the desk sees none of it, and the back end gets
// the verifier's word on it that anyone can check.

const ORDER: Transaction = {
  amount: '43500',
  currency: 'KWD',
  payee: '夜梟書店',
  lines: [
    { text: '野帳 第三版', quantity: 2, amount: '39000' },
    { text: '送料', quantity: 1, amount: '6500' },
    { text: '割引', quantity: 1, amount: '-2000' },
  ],
};
const [FIRST, SECOND, ...REST] = ORDER.lines ?? [];

/** Every figure with another one in its place. */
const CHANGED: readonly (readonly [string, Transaction])[] = [
  ['amount', { amount: '43501', currency: 'KWD', payee: ORDER.payee }],
  ['currency', { ...ORDER, currency: 'BHD' }],
  ['payee', { ...ORDER, payee: '夜梟書房' }],
  ['lines', { amount: ORDER.amount, currency: ORDER.currency, payee: ORDER.payee }],
  ['text of a line', withLines({ text: '野帳 第四版' }, {})],
  ['quantity of a line', withLines({ quantity: 3 }, {})],
  ['amounts of lines', withLines({ amount: '39001' }, { amount: '6499' })],
];

function withLines(first: object, second: object): Transaction {
  if (FIRST === undefined || SECOND === undefined) throw new TypeError('three lines');
  return { ...ORDER, lines: [{ ...FIRST, ...first }, { ...SECOND, ...second }, ...REST] };
}

let world: World;
let bank: TestTenant;
let desk: Agent;
let phone: Phone;

beforeAll(async () => {
  world = await openWorld();
  bank = await world.tenant('aoba');
  desk = await bank.desk();
  phone = await bank.phone('customer-1');
});

afterAll(() => world.close());

/** What a process that knows only the address of the key set says of evidence. */
function readElsewhere(verifier: string, { evidence }: SignedEvidence): Promise<Record<string, unknown>> {
  const script = fileURLToPath(new URL('./evidence-reader.mjs', import.meta.url));
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, [script, `${verifier}/v1/jwks`], { env: {} }, (error, out) => {
      if (error === null) resolve(JSON.parse(out));
      else reject(error);
    });
    child.stdin?.end(evidence);
  });
}

/** Ids, times and codes, which could have a figure of the payment in them by chance. */
const RANDOM = /[\w-]{22,}|\b\d{10}\b|"code":"\d{6}"/g;

describe('a payment that the back end starts for an operator', () => {
  let id: string;
  const seenAtDesk: string[] = [];

  beforeAll(async () => {
    const operator = desk.session?.operator.id ?? '';
    const started = await bank.issuer.start(
      startOf(phone.subject, { purpose: 'transfer', transaction: ORDER, operator }),
    );
    id = started.verification;
    expect(started.code).toBeUndefined();
    const atDesk = await desk.verification(id);
    const toldBackEnd = bank.issuer.wait(id);
    const watching = (async () => {
      for await (const state of desk.watch(id)) seenAtDesk.push(JSON.stringify(state));
    })();
    const [asked] = await phone.holder.requests();
    expect(asked?.asked).toMatchObject({ operator: 'Sato', transaction: ORDER });
    const options = { code: atDesk.code ?? '', pin: phone.pin };
    expect(await phone.holder.present(id, options)).toMatchObject({ verdict: 'passed' });
    await watching;
    expect(await toldBackEnd).toMatchObject({ state: 'done', verdict: 'passed' });
    seenAtDesk.push(JSON.stringify([atDesk, await desk.verifications(), await desk.verification(id)]));
  });

  test('is confirmed at the desk without a figure of it', () => {
    const seen = seenAtDesk.join('\n').replaceAll(RANDOM, '');
    expect(seen).toContain('"verdict":"passed"');
    expect(seen).toContain('"transaction":{"hash":');
    for (const figure of [ORDER.amount, ORDER.currency, ORDER.payee, FIRST?.text ?? '-', 'figures']) {
      expect(seen).not.toContain(figure);
    }
  });

  test('leaves the back end with evidence that holds for this transaction and no other', async () => {
    const signed = await bank.issuer.evidence(id);
    const expected = { verification: id, transaction: ORDER };
    const evidence = await bank.issuer.checkEvidence(signed, expected);
    expect(evidence).toMatchObject({
      policy: { id: POLICY, version: 1 },
      verdict: 'passed',
      facts: [
        { fact: 'pin', version: 1 },
        { fact: 'account', version: 1 },
      ],
      factors: ['knowledge', 'possession'],
    });
    for (const [figure, transaction] of CHANGED) {
      const wrong = bank.issuer.checkEvidence(signed, { ...expected, transaction });
      expect(await refusal(wrong), figure).toMatchObject({ code: 'evidence_invalid' });
    }
    const other = bank.issuer.checkEvidence(signed, { ...expected, transaction: null });
    expect(await refusal(other)).toMatchObject({ code: 'evidence_invalid' });
  });

  test('is proven by that evidence to a process that knows the address of the key set and nothing else', async () => {
    const signed = await bank.issuer.evidence(id);
    const { payload } = await readElsewhere(world.origin, signed);
    expect(payload).toEqual(decodeJwt(signed.evidence));
    expect(payload).toMatchObject({ jti: id, tenant: 'aoba', verdict: 'passed' });
    expect(JSON.stringify(payload)).not.toContain(phone.subject);
    const { evidence } = signed;
    const [header = '', claims = '', signature = ''] = evidence.split('.');
    const forged = base64url.encode(
      JSON.stringify({ ...decodeJwt(evidence), transactionHash: 'A'.repeat(43) }),
    );
    const wrong = { evidence: `${header}.${forged}.${signature}` };
    expect(claims).not.toBe(forged);
    await expect(readElsewhere(world.origin, wrong)).rejects.toThrow('signature verification failed');
  });

  test('has no evidence before its verdict', async () => {
    const { verification } = await bank.issuer.start(startOf(phone.subject, { transaction: ORDER }));
    expect(await refusal(bank.issuer.evidence(verification))).toMatchObject({ code: 'no_verdict' });
    await bank.issuer.cancel(verification);
    const signed = await bank.issuer.evidence(verification);
    const expected = { verification, transaction: ORDER };
    expect(await refusal(bank.issuer.checkEvidence(signed, expected))).toMatchObject({
      code: 'evidence_invalid',
    });
    const evidence = await bank.issuer.checkEvidence(signed, { ...expected, verdict: 'cancelled' });
    expect(evidence).toMatchObject({ verdict: 'cancelled', facts: [], factors: [] });
  });
});

test('the database holds no figure, open or decided, and no hash that figures could be tried against', async () => {
  const body = startOf(phone.subject, { transaction: ORDER });
  const { verification } = await bank.issuer.start(body);
  const traces = () => {
    const files = [world.file, `${world.file}-wal`].filter((file) => existsSync(file));
    const bytes = Buffer.concat(files.map((file) => readFileSync(file)));
    const texts = [ORDER.payee, ...(ORDER.lines ?? []).map(({ text }) => text)];
    const plain = [JSON.stringify(body), JSON.stringify(ORDER)].map((text) =>
      createHash('sha256').update(text).digest(),
    );
    const salt = Buffer.from(transactionHash(ORDER, new Uint8Array(32)));
    const looked = [...texts.map((text) => Buffer.from(text)), ...plain, salt];
    return { looked: looked.length, found: looked.filter((trace) => bytes.includes(trace)).length };
  };
  expect(traces()).toEqual({ looked: 7, found: 0 });
  await bank.issuer.cancel(verification);
  expect(traces().found).toBe(0);
});

test('a proof over another figure than the one that was signed proves nothing', async () => {
  const alice = await enrolRawPhone(world.origin, bank.issuer, 'alice');
  const attempts = attemptsOf(world, bank, alice, { policy: policyOf('pin'), transaction: ORDER });
  for (const [figure, transaction] of CHANGED) {
    const open = await attempts.next();
    const [header, payload, signature] = open.jws.split('.');
    const shown = { ...decodeJwt(open.jws), transaction };
    const jws = `${header}.${base64url.encode(JSON.stringify(shown))}.${signature}`;
    expect(jws).not.toContain(payload);
    const altered = await presentationOf(alice, { ...open, jws }, open.code);
    const outcome = await attempts.post(open, altered);
    expect(outcome, figure).toMatchObject({ reason: 'proof:pin' });
  }
  const open = await attempts.next();
  const good = await presentationOf(alice, open, open.code);
  expect(await attempts.post(open, good)).toMatchObject({ verdict: 'passed' });
});

test('evidence is verifiable after the key that signed it has ended and given way', async () => {
  let now = world.now();
  let document: KeysDocument | undefined;
  let root: RootDocument | undefined;
  const folder = newTraceFolder();
  const file = join(folder, 'verifier.db');
  const start = (port: number) =>
    startVerifier({
      ...{ file, port, hostname: 'localhost', proofWorkers: 0, clock: () => now },
      metrics: METRICS,
      log: (entry) => appendFileSync(join(folder, 'verifier.log'), `${JSON.stringify(entry)}\n`),
      keys: async (origin) => {
        if (document === undefined || root === undefined) {
          ({ keys: document, root } = await createDevelopmentKeys(origin, now, randomBytes));
        }
        return openKeys(document);
      },
    });
  const first = await start(0);
  const { apiKey } = await createTenant(
    first.store,
    { tenant: 'aoba', name: 'Aoba', origins: [] },
    now,
    randomBytes,
  );
  const issuer = await openTestIssuer(first.origin, 'aoba', apiKey, () => now);
  const { holder, subject, pin } = await enrolPhone(first.origin, issuer, 'customer-1');
  const { verification, code = '' } = await issuer.start(
    startOf(subject, { policy: policyOf('pin'), transaction: ORDER }),
  );
  await holder.present(verification, { code, pin });
  const signed = await issuer.evidence(verification);
  await writeTold(folder, first);
  await first.close();
  if (document === undefined || root === undefined) throw new TypeError('keys are made at the start');

  now = (document.signing[0]?.exp ?? 0) + 86_400;
  const rotated = await rotateSigningKey(document, now);
  const statement = await certifyKeys(root, await certificationOf(rotated), first.origin, now);
  document = await installStatement(rotated, await rootThumbprint(root), statement);
  const second = await start(first.port);
  try {
    const expected = { verification, transaction: ORDER };
    const before = await readElsewhere(second.origin, signed);
    expect(before.payload).toEqual(decodeJwt(signed.evidence));
    expect(await issuer.checkEvidence(signed, expected)).toMatchObject({ verdict: 'passed' });
    // Asked for again it is signed by the key of today, and says the same.
    const again = await issuer.evidence(verification);
    const after = await readElsewhere(second.origin, again);
    expect(after.kid).not.toBe(before.kid);
    const { iat: _, ...same } = decodeJwt(signed.evidence);
    expect(after.payload).toMatchObject(same);
    expect(await issuer.checkEvidence(again, expected)).toMatchObject({ verdict: 'passed' });
  } finally {
    await writeTold(folder, second);
    await second.close();
  }
});
