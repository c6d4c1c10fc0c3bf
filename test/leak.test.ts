import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { createMetrics } from '../verifier/metrics.ts';
import { newPin, openWorld, startOf } from './harness.ts';
import { listedSecrets, newPrivateFolder, type Secret } from './run.ts';
import { filesBelow, searchFolder } from './search.ts';
import { keepSpans, writeMetrics, writeSpans } from './telling.ts';

// No database, log, metric or span holds a PIN, an account number, a holder secret, a code or a token, in whatever form, and
// what is no database no id of a subject, a call, a verification or a device. The whole run is searched at its end
// (setup.ts); here one complete story is, and the search itself is tried.

test('a story from enrolment to verdict leaves no secret behind', async () => {
  const world = await openWorld();
  const bank = await world.tenant('aoba');
  const desk = await bank.desk();
  const phone = await bank.phone('customer-1');
  const started = await desk.start(startOf(phone.subject));
  const code = started.code ?? '';
  await phone.holder.present(started.verification, { code, pin: newPin() }).catch(() => undefined);
  await phone.holder.present(started.verification, { code, pin: phone.pin });
  const next = newPin();
  await phone.holder.changePin({ current: phone.pin, next });
  const early = await bank.issuer.start(startOf(phone.subject, { mode: 'precall' }));
  const { claim } = await phone.holder.present(early.verification, { pin: next });
  const call = { direction: 'inbound', call: 'call-1' } as const;
  await desk.claim({ subject: phone.subject, purpose: 'identify', ...call, code: claim?.code ?? '' });
  await world.close();

  const folder = dirname(world.file);
  const names = filesBelow(folder).map((file) => file.slice(folder.length + 1));
  expect(names.sort()).toEqual([
    ...['verifier.db', 'verifier.db-wal-before-close', 'verifier.log', 'verifier.metrics', 'verifier.spans'],
  ]);
  // They are what they are called, and tell of this story.
  expect(readFileSync(join(folder, 'verifier.metrics'), 'utf8')).toMatch(
    /akashi_verdicts_total\{tenant="aoba",policy="caller",verdict="passed"\} 2/,
  );
  expect(readFileSync(join(folder, 'verifier.spans'), 'utf8')).toContain(
    'POST /v1/requests/:id/presentation',
  );
  const secrets = listedSecrets();
  for (const [kind, least] of Object.entries({ digits: 4, field: 2, token: 4, code: 2, id: 5 })) {
    expect(secrets.filter((secret) => secret.kind === kind).length, kind).toBeGreaterThanOrEqual(least);
  }
  expect(searchFolder(folder, secrets)).toEqual([]);
});

describe('the search finds what is planted', () => {
  const PIN: Secret = { kind: 'digits', value: '739158204617' };
  const SECRET: Secret = { kind: 'field', value: BigInt(`0x${randomBytes(31).toString('hex')}`).toString() };
  const TOKEN: Secret = { kind: 'token', value: randomBytes(16).toString('base64url') };
  const API_KEY: Secret = { kind: 'token', value: `ak_${randomBytes(16).toString('base64url')}` };
  const CODE: Secret = { kind: 'code', value: '402913' };

  const number = (text: string, length: number) =>
    Buffer.from(
      BigInt(text)
        .toString(16)
        .padStart(2 * length, '0'),
      'hex',
    );
  const noise = () => randomBytes(200);

  const PLANTS: readonly (readonly [string, Secret, string | Buffer])[] = [
    ['a PIN in a line of the log', PIN, `{"event":"call","pin":"${PIN.value}"}`],
    ['a PIN in the middle of digits', PIN, `4711${PIN.value}0815`],
    ['a PIN in hex', PIN, Buffer.from(PIN.value).toString('hex')],
    ['a PIN in upper-case hex', PIN, number(PIN.value, 6).toString('hex').toUpperCase()],
    ['a PIN in base64', PIN, Buffer.from(PIN.value).toString('base64')],
    ['a PIN one byte into base64', PIN, Buffer.from(`x${PIN.value}y`).toString('base64')],
    ['a PIN two bytes into base64url', PIN, Buffer.from(`xx${PIN.value}y`).toString('base64url')],
    ['a PIN as a big-endian number', PIN, number(PIN.value, 8)],
    ['a PIN as a little-endian number', PIN, number(PIN.value, 8).reverse()],
    ['a PIN in UTF-16', PIN, Buffer.from(PIN.value, 'utf16le')],
    ['the SHA-256 of a PIN', PIN, createHash('sha256').update(PIN.value).digest()],
    ['the SHA-256 of a PIN in hex', PIN, createHash('sha256').update(PIN.value).digest('hex')],
    ['a holder secret in decimal', SECRET, SECRET.value],
    ['a holder secret as bytes', SECRET, number(SECRET.value, 32)],
    ['a holder secret in base64', SECRET, number(SECRET.value, 32).toString('base64')],
    ['a holder secret in hex', SECRET, number(SECRET.value, 32).toString('hex')],
    ['a token as it is', TOKEN, `Bearer ${TOKEN.value}`],
    ['a token as bytes', TOKEN, Buffer.from(TOKEN.value, 'base64url')],
    ['a token in hex', TOKEN, Buffer.from(TOKEN.value, 'base64url').toString('hex')],
    [
      'a token in decimal',
      TOKEN,
      BigInt(`0x${Buffer.from(TOKEN.value, 'base64url').toString('hex')}`).toString(),
    ],
    ['an API key', API_KEY, API_KEY.value],
    ['the random part of an API key', API_KEY, Buffer.from(API_KEY.value.slice(3), 'base64url')],
    ['a code as JSON', CODE, `{"code":"${CODE.value}"}`],
    ['a code as a word', CODE, `the code ${CODE.value}, they said`],
  ];

  test.each(PLANTS)('%s', (_, secret, plant) => {
    const folder = newPrivateFolder();
    writeFileSync(
      join(folder, 'some.log'),
      Buffer.concat([noise(), Buffer.from(`\n`), Buffer.from(plant), noise()]),
    );
    const finds = searchFolder(folder, [PIN, SECRET, TOKEN, API_KEY, CODE]);
    expect(finds.map(({ kind }) => kind)).toContain(secret.kind);
  });

  const TOLD: readonly (readonly [string, (folder: string, value: string) => unknown])[] = [
    [
      'a line of the log',
      (folder, value) =>
        writeFileSync(join(folder, 'verifier.log'), JSON.stringify({ event: 'call', route: value })),
    ],
    [
      'a label of a metric',
      async (folder, value) => {
        const { instruments, text } = createMetrics();
        instruments.verdict({ tenant: 'aoba', policy: value, verdict: 'passed' });
        writeMetrics(folder, await text());
      },
    ],
    [
      'an attribute of a span',
      (folder, value) => {
        keepSpans()
          .startSpan('call', { attributes: { 'url.path': `/v1/requests/${value}` } })
          .end();
        writeSpans(folder);
      },
    ],
    [
      'an event of a span',
      (folder, value) => {
        keepSpans()
          .startSpan('call')
          .addEvent('exception', { 'exception.message': `no ${value}` })
          .end();
        writeSpans(folder);
      },
    ],
    [
      'the name of a span',
      (folder, value) => {
        keepSpans().startSpan(`GET /v1/requests/${value}`).end();
        writeSpans(folder);
      },
    ],
  ];

  test.each(TOLD)('every kind of secret in %s', async (_, plant) => {
    const subject: Secret = { kind: 'id', value: 'customer-1' };
    const verification: Secret = { kind: 'id', value: randomBytes(16).toString('base64url') };
    const all = [PIN, SECRET, TOKEN, API_KEY, CODE, subject, verification];
    for (const secret of all) {
      const folder = newPrivateFolder();
      await plant(folder, secret.value);
      expect(
        searchFolder(folder, all).map(({ kind }) => kind),
        secret.kind,
      ).toContain(secret.kind);
    }
    const folder = newPrivateFolder();
    await plant(folder, 'something else');
    expect(searchFolder(folder, all)).toEqual([]);
  });

  test('and ids only where they do not belong, and only as words', () => {
    const folder = newPrivateFolder();
    const id: Secret = { kind: 'id', value: 'known' };
    writeFileSync(join(folder, 'verifier.db'), 'a subject that is known');
    writeFileSync(join(folder, 'verifier.log'), '{"route":"unknown"}');
    expect(searchFolder(folder, [id])).toEqual([]);
    writeFileSync(join(folder, 'process.log'), 'who is known?');
    expect(searchFolder(folder, [id])).toHaveLength(1);
  });

  test('in a database, as text, as an integer and as a blob', () => {
    for (const [value, secret] of [
      [PIN.value, PIN],
      [BigInt(PIN.value), PIN],
      [Buffer.from(TOKEN.value, 'base64url'), TOKEN],
      [CODE.value, CODE],
    ] as const) {
      const folder = newPrivateFolder();
      const database = new Database(join(folder, 'some.db'));
      database.exec('CREATE TABLE things (a, b, c)');
      database.prepare('INSERT INTO things VALUES (?, ?, ?)').run('before -', value, '- after');
      database.close();
      expect(searchFolder(folder, [secret])).not.toEqual([]);
    }
  });

  test('and nothing where nothing is', () => {
    const folder = newPrivateFolder();
    writeFileSync(join(folder, 'random'), randomBytes(1 << 22));
    writeFileSync(
      join(folder, 'digits'),
      Array.from({ length: 5_000 }, () => BigInt(`0x${randomBytes(32).toString('hex')}`)).join(),
    );
    const others = Array.from(
      { length: 50 },
      (): Secret => ({ kind: 'code', value: String(100_000 + (randomBytes(4).readUInt32BE() % 900_000)) }),
    );
    expect(searchFolder(folder, [PIN, SECRET, TOKEN, API_KEY, CODE, ...others])).toEqual([]);
  });
});
