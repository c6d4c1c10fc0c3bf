import { type Request, signJws, tenantScope } from '@akashi/circuits';
import { base64url } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { newId, newSigner, statementOf } from './scripted-keys.ts';
import { enrolledPhone, type Phone } from './scripted-phone.ts';
import { ScriptedVerifier, TENANT } from './scripted-verifier.ts';

const scope = String(await tenantScope('other'));

let verifier: ScriptedVerifier;
let phone: Phone;
beforeEach(async () => {
  verifier = await ScriptedVerifier.open();
  phone = await enrolledPhone(verifier);
});

describe('a request', () => {
  test('is shown with who asks, why and for what', async () => {
    const transaction = { amount: '50000', currency: 'JPY', payee: 'Gas works' };
    const id = await verifier.ask({ transaction, direction: 'outbound' });
    const [request, ...others] = await phone.holder.requests();
    expect(others).toEqual([]);
    expect(request).toEqual({
      id,
      state: 'pending',
      later: false,
      expiresAt: verifier.now + 120,
      secondsLeft: 120,
      attemptsLeft: null,
      verdict: null,
      claim: null,
      asked: {
        tenant: TENANT,
        operator: 'Sato',
        mode: 'call',
        direction: 'outbound',
        purpose: { id: 'identify', text: { en: 'Making sure it is you' } },
        transaction,
        facts: ['pin', 'account'],
        claims: [],
      },
    });
  });

  const foreign: readonly (readonly [string, Partial<Request>])[] = [
    ['another verifier', { iss: 'https://other.example' }],
    ['other devices only', { aud: [newId(32)] }],
    ['another tenant', { tenant: { id: 'other', name: TENANT.name } }],
    ['another verification', { jti: newId() }],
    ['the scope of another tenant', { facts: [{ fact: 'account', version: 1, scope, accountRef: '0' }] }],
    ['no time at all', { iat: 1_900_000_500, exp: 1_900_000_500 }],
  ];
  test.each(foreign)('for %s is refused', async (_, change) => {
    const id = await verifier.ask(change);
    await expect(phone.holder.requests()).rejects.toMatchObject({ code: 'request_invalid' });
    await expect(phone.holder.request(id)).rejects.toMatchObject({ code: 'request_invalid' });
    await expect(phone.holder.accept(id)).rejects.toMatchObject({ code: 'request_invalid' });
    expect(await phone.holder.history()).toEqual([]);
  });

  const odd: readonly (readonly [string, object])[] = [
    ['a member nobody knows', { comment: 'hello' }],
    ['a fact nobody knows', { facts: [{ fact: 'blood', version: 1 }] }],
    ['another version of a fact', { facts: [{ fact: 'pin', version: 2 }] }],
    [
      'a fact twice',
      {
        facts: [
          { fact: 'pin', version: 1 },
          { fact: 'pin', version: 1 },
        ],
      },
    ],
    ['no fact', { facts: [] }],
    ['an invisible character in a name', { operator: 'Sa\u202eto' }],
    ['a line break in a payee', { transaction: { amount: '1', currency: 'JPY', payee: 'a\nb' } }],
    ['an amount that is a number', { transaction: { amount: 1, currency: 'JPY', payee: 'a' } }],
    ['a mode nobody knows', { mode: 'silent' }],
  ];
  test.each(odd)('with %s is refused', async (_, change) => {
    await verifier.ask(change as Partial<Request>);
    await expect(phone.holder.requests()).rejects.toMatchObject({ code: 'request_invalid' });
  });

  test('signed by a key that the statement does not name is refused', async () => {
    const id = await verifier.ask();
    const stranger = await newSigner();
    verifier.statement = await statementOf(verifier.root, stranger, verifier.now);
    await expect(phone.holder.request(id)).rejects.toMatchObject({ code: 'signature_invalid' });
  });

  test.each([
    ['over', { nbf: -100, exp: -1 }],
    ['over just now', { nbf: -100, exp: 0 }],
    ['yet to come', { nbf: 1, exp: 100 }],
  ])('signed by a key whose time is %s is refused', async (_, { nbf, exp }) => {
    const id = await verifier.ask();
    const { jwk, kid } = verifier.signing;
    const keys = [{ jwk, kid, nbf: verifier.now + nbf, exp: verifier.now + exp }];
    verifier.statement = await statementOf(verifier.root, verifier.signing, verifier.now, { keys });
    await expect(phone.holder.request(id)).rejects.toMatchObject({ code: 'signature_invalid' });
  });

  test('that is another kind of JWS, or changed in transit, is refused', async () => {
    const id = await verifier.ask();
    const good = (await fetchAnswer(id)).request ?? '';
    const [header = '', payload = '', signature = ''] = good.split('.');
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
    const receipt = await signJws('receipt', claims as object, verifier.signingKey);
    const flipped = `${header}.${payload.slice(0, -3)}${payload.at(-3) === 'A' ? 'B' : 'A'}${payload.slice(-2)}.${signature}`;
    for (const request of [receipt, flipped, `${header}.${payload}.${signature.slice(0, -4)}AAAA`]) {
      verifier.say(id, (answer) => ({ ...answer, request }));
      await expect(phone.holder.request(id)).rejects.toMatchObject({ code: 'signature_invalid' });
    }
  });

  const order = {
    amount: '300',
    currency: 'JPY',
    payee: 'Bakery',
    lines: [
      { text: 'Bread', quantity: 2, amount: '200' },
      { text: 'Jam', quantity: 1, amount: '100' },
    ],
  };
  const [bread, jam] = order.lines;
  const figures: readonly (readonly [string, object])[] = [
    ['the amount', { amount: '301', lines: undefined }],
    ['the currency', { currency: 'KRW' }],
    ['the payee', { payee: 'Baker' }],
    ['the lines', { lines: undefined }],
    ['the text of a line', { lines: [{ ...bread, text: 'Bred' }, jam] }],
    ['the quantity of a line', { lines: [{ ...bread, quantity: 1 }, jam] }],
    [
      'the amounts of lines',
      {
        lines: [
          { ...bread, amount: '199' },
          { ...jam, amount: '101' },
        ],
      },
    ],
    ['the order of the lines', { lines: [jam, bread] }],
  ];
  test.each(figures)('with %s changed after signing is not shown', async (_, change) => {
    const id = await verifier.ask({ transaction: order });
    const good = (await fetchAnswer(id)).request ?? '';
    expect((await phone.holder.request(id)).asked?.transaction).toEqual(order);
    const [header = '', payload = '', signature = ''] = good.split('.');
    const claims: unknown = JSON.parse(new TextDecoder().decode(base64url.decode(payload)));
    const altered = { ...(claims as Request), transaction: { ...order, ...change } };
    const request = `${header}.${base64url.encode(JSON.stringify(altered))}.${signature}`;
    verifier.say(id, (answer) => ({ ...answer, request }));
    await expect(phone.holder.request(id)).rejects.toMatchObject({ code: 'signature_invalid' });
    await expect(phone.holder.requests()).rejects.toMatchObject({ code: 'signature_invalid' });
    await expect(phone.holder.accept(id)).rejects.toMatchObject({ code: 'signature_invalid' });
  });

  test('that is open but not in the answer is no answer', async () => {
    const id = await verifier.ask();
    verifier.say(id, ({ request: _, ...answer }) => answer);
    await expect(phone.holder.request(id)).rejects.toMatchObject({ code: 'unexpected_answer' });
  });

  test('ends by the verifier’s time, whatever the phone’s clock and the answer around it say', async () => {
    const id = await verifier.ask();
    verifier.say(id, (answer) => ({ ...answer, expiresAt: answer.expiresAt + 1000 }));
    verifier.now += 119;
    expect(await phone.holder.request(id)).toMatchObject({ state: 'pending', secondsLeft: 1 });
    verifier.now += 1;
    expect(await phone.holder.request(id)).toMatchObject({
      state: 'done',
      verdict: 'expired',
      secondsLeft: 0,
    });
    expect(await phone.holder.requests()).toEqual([]);
  });
});

describe('the customer', () => {
  test.each([
    ['later', { state: 'pending', later: true }],
    ['decline', { state: 'done', verdict: 'declined' }],
    ['report', { state: 'done', verdict: 'reported' }],
  ] as const)('may answer with %s', async (verb, shown) => {
    const id = await verifier.ask();
    expect(await phone.holder[verb](id)).toMatchObject(shown);
  });

  test('learns what happened when an answer was late or lost', async () => {
    const id = await verifier.ask();
    await phone.holder.requests();
    let lost = 0;
    verifier.fault = (_, path) => (path.endsWith('/decline') && lost++ === 0 ? 'lostAnswer' : undefined);
    expect(await phone.holder.decline(id)).toMatchObject({ state: 'done', verdict: 'declined' });
    expect(lost).toBe(2);
    expect(await phone.holder.accept(id)).toMatchObject({ state: 'done', verdict: 'declined' });
  });

  test('can look up who asked, the newest first, with what came of it', async () => {
    const first = await verifier.ask({ operator: 'Tanaka' });
    await phone.holder.requests();
    await phone.holder.report(first);
    const second = await verifier.ask();
    await phone.holder.requests();
    expect(await phone.holder.history()).toMatchObject([
      { id: second, outcome: 'open', asked: { operator: 'Sato' } },
      { id: first, outcome: 'reported', asked: { operator: 'Tanaka' } },
    ]);
    verifier.now += 200;
    await phone.holder.status();
    expect((await phone.holder.history())[0]).toMatchObject({ id: second, outcome: 'unanswered' });
  });

  test('still sees who asked when a pre-call pass waits to be claimed', async () => {
    const id = await verifier.ask({ mode: 'precall' });
    await phone.holder.requests();
    const claim = { code: '123456', expiresAt: verifier.now + 600 };
    verifier.say(id, ({ request: _, ...answer }) => ({ ...answer, state: 'done', verdict: 'passed', claim }));
    const [shown] = await phone.holder.requests();
    expect(shown).toMatchObject({ id, verdict: 'passed', claim: { code: '123456', secondsLeft: 600 } });
    expect(shown?.asked?.tenant).toEqual(TENANT);
    verifier.now += 600;
    expect(await phone.holder.requests()).toEqual([]);
  });
});

test('waiting sends the last ETag, and keeps the list when nothing changed', async () => {
  const id = await verifier.ask();
  await phone.holder.requests({ wait: 30 });
  verifier.now += 5;
  const again = await phone.holder.requests({ wait: 30 });
  expect(again).toMatchObject([{ id, secondsLeft: 115 }]);
  expect(verifier.callsTo('GET', /requests$/).map(({ query }) => query)).toEqual(['?wait=30', '?wait=30']);
});

async function fetchAnswer(id: string) {
  let found: { request?: string | undefined } = {};
  verifier.say(id, (answer) => {
    found = answer;
    return answer;
  });
  return found;
}
