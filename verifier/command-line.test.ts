import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Client from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCommand } from './command-line.ts';
import { newIssuerKey } from './issuer-fixtures.ts';
import { keyEncryptionOf, parseKeysDocument } from './keys.ts';
import { freePort } from './port-fixtures.ts';
import { evaluationPlace, seal } from './sealed.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { hash, id, NOW, thumb } from './store-fixtures.ts';

let folder: string;
let env: Record<string, string>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'akashi-cli-'));
  env = { AKASHI_DATABASE: join(folder, 'akashi.db') };
});
afterEach(() => rm(folder, { recursive: true }));

const path = (name: string) => join(folder, name);

interface Ended {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: string;
}

/** Runs a command as the program does, in this process; `whileRunning` happens before a command that stays is ended. */
async function run(args: readonly string[], whileRunning = async () => {}): Promise<Ended> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCommand(args, {
    env,
    random: randomBytes,
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    untilStopped: whileRunning,
  });
  return { code, out, err: err.join('\n') };
}

describe('wrong use', () => {
  test('shows how to, with exit code 2; help is no failure', async () => {
    for (const args of [
      [],
      ['dance'],
      ['tenant'],
      ['tenant', 'add'],
      ['operator', 'link', 'bank'],
      ['start', 'now'],
    ]) {
      const { code, err } = await run(args);
      expect([code, err.includes('akashi start')]).toEqual([2, true]);
    }
    expect((await run(['start', '--unknown'])).code).toBe(2);
    const { code, out } = await run(['--help']);
    expect([code, out.join().includes('akashi audit verify')]).toEqual([0, true]);
  });

  test('every command of the help exists', async () => {
    const help = (await run(['--help'])).out.join('\n');
    const names = [...help.matchAll(/^ {2}akashi ([a-z]+(?: [a-z-]+)?)/gm)].map(([, name]) => name ?? '');
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) {
      // One word too many: known commands say how they are used without doing anything.
      const { err } = await run([...name.split(' '), ...Array(40).fill('x')]);
      expect(err).toContain('akashi start');
    }
    expect(names).toContain('keys certify');
    expect(names).toContain('keys add-encryption');
  });
});

describe('configuration', () => {
  test('start names what is missing or wrong', async () => {
    const keys = path('keys.json');
    const start = async (set: Record<string, string>) => {
      env = { AKASHI_DATABASE: path('akashi.db'), ...set };
      return run(['start']);
    };
    const origin = { AKASHI_ORIGIN: 'https://verifier.example' };
    const wrong: readonly (readonly [Record<string, string>, string])[] = [
      [{}, 'AKASHI_ORIGIN'],
      [{ AKASHI_ORIGIN: 'http://verifier.example' }, 'AKASHI_ORIGIN'],
      [{ AKASHI_ORIGIN: 'https://verifier.example/' }, 'AKASHI_ORIGIN'],
      [{ AKASHI_ORIGIN: 'verifier.example' }, 'AKASHI_ORIGIN'],
      [{ ...origin, AKASHI_PORT: '70000' }, 'AKASHI_PORT'],
      [{ ...origin, AKASHI_DATABASE: '' }, 'AKASHI_DATABASE'],
      [origin, 'AKASHI_KEYS_FILE'],
      [{ ...origin, AKASHI_KEYS_FILE: keys }, keys],
      [{ ...origin, AKASHI_KEYS: '{"secret":"planted"}' }, 'AKASHI_KEYS'],
    ];
    for (const [set, named] of wrong) {
      const { code, err } = await start(set);
      expect([code, err.includes(named)]).toEqual([2, true]);
      expect(err).not.toContain('planted');
    }
  });

  test('a database is one file or one URL, encrypted on its way to another machine', async () => {
    const start = async (set: Record<string, string>) => {
      env = { AKASHI_ORIGIN: 'https://verifier.example', ...set };
      return run(['start']);
    };
    const password = 'planted';
    const wrong: readonly (readonly [string, string])[] = [
      ['no url', 'postgres://USER'],
      [`mysql://akashi:${password}@localhost/akashi`, 'postgres://USER'],
      [`postgres://akashi:${password}@db.example/akashi`, 'sslmode=verify-full'],
      [`postgres://akashi:${password}@localhost/akashi?host=db.example`, 'sslmode=verify-full'],
      [`postgres://akashi:${password}@db.example/akashi?sslmode=require`, 'sslmode'],
    ];
    for (const [url, named] of wrong) {
      const { code, err } = await start({ AKASHI_DATABASE_URL: url });
      expect([url, code, err.includes(named)]).toEqual([url, 2, true]);
      expect(err).not.toContain(password);
    }
    const both = {
      AKASHI_DATABASE: path('akashi.db'),
      AKASHI_DATABASE_URL: 'postgres://akashi@localhost/akashi',
    };
    expect(await start(both)).toMatchObject({ code: 2, err: expect.stringContaining('not both') });
    // These get as far as the keys, which are missing.
    for (const url of [
      `postgres://akashi:${password}@localhost/akashi`,
      `postgresql://akashi@db.example/akashi?sslmode=verify-full`,
      `postgres://akashi@db.internal/akashi?sslmode=disable`,
      `postgres://akashi@localhost/akashi?host=/var/run/postgresql`,
    ]) {
      expect(await start({ AKASHI_DATABASE_URL: url })).toMatchObject({
        code: 2,
        err: expect.stringContaining('KEYS'),
      });
    }
  });

  test('keys that others may read are refused', async () => {
    await run(['keys', 'create', '--keys', path('keys.json'), '--public', path('public.json')]);
    expect((await stat(path('keys.json'))).mode & 0o777).toBe(0o600);
    await chmod(path('keys.json'), 0o640);
    env = { ...env, AKASHI_ORIGIN: 'https://verifier.example', AKASHI_KEYS_FILE: path('keys.json') };
    const { code, err } = await run(['start']);
    expect([code, err.includes('chmod 600')]).toEqual([2, true]);
  });

  test('existing keys are never written over', async () => {
    for (const code of [0, 2]) {
      expect((await run(['keys', 'root', '--root', path('root.json')])).code).toBe(code);
      expect(
        (await run(['keys', 'create', '--keys', path('keys.json'), '--public', path('p.json')])).code,
      ).toBe(code);
    }
  });
});

test('passkeys of a tenant are set, and refused where no origin fits', async () => {
  const tenant = async (...args: string[]) => run(['tenant', ...args]);
  await tenant('add', 'bank', '--name', 'Bank', 'https://phone.bank.example');
  const codes: number[] = [];
  for (const args of [
    ['--rp-id', 'bank.example', '--accept-screen-lock'],
    ['--off'],
    ['--rp-id', 'shop.example'],
    ['--rp-id', 'https://bank.example'],
    ['--rp-id', 'bank.example', '--off'],
    [],
  ]) {
    codes.push((await tenant('passkeys', 'bank', ...args)).code);
  }
  expect(codes).toEqual([0, 0, 1, 1, 2, 2]);
  expect((await tenant('passkeys', 'nobody', '--rp-id', 'bank.example')).err).toContain('no such tenant');
  const said = (await run(['audit', 'export', 'bank'])).out.join('\n');
  expect(said).toContain('tenant.passkeys_set');
});

test('keys made, certified offline, installed and rotated start a verifier; uncertified ones do not', async () => {
  const port = String(await freePort());
  const origin = `http://localhost:${port}`;
  const files = ['--keys', path('keys.json'), '--public', path('public.json')];
  const [thumbprint = ''] = (await run(['keys', 'root', '--root', path('root.json')])).out;
  await run(['keys', 'create', ...files]);
  env = { ...env, AKASHI_ORIGIN: origin, AKASHI_PORT: port, AKASHI_KEYS_FILE: path('keys.json') };
  expect((await run(['start'])).err).toContain('not certified');
  const certify = ['keys', 'certify', '--root', path('root.json'), '--public', path('public.json')];
  const install = ['keys', 'install', '--keys', path('keys.json'), '--statement', path('statement')];
  expect((await run([...certify, '--origin', origin, '--statement', path('statement')])).code).toBe(0);
  const wrong = await run([...install, '--thumbprint', 'A'.repeat(43)]);
  expect(wrong.code).toBe(2);
  // One thumbprint in 64 begins with a dash.
  expect(await run([...install, '--thumbprint', `-${'A'.repeat(42)}`])).toEqual(wrong);
  expect((await run([...install, '--thumbprint', thumbprint])).code).toBe(0);
  const jwks = async () => {
    let keys: unknown[] = [];
    const ended = await run(['start'], async () => {
      keys = (await (await fetch(`${origin}/v1/jwks`)).json()).keys;
    });
    expect([ended.code, ended.err]).toEqual([0, '']);
    return keys.length;
  };
  expect(await jwks()).toBe(1);
  expect((await run(['keys', 'rotate', ...files, '--lead', 'long'])).err).toContain('--lead');
  await run(['keys', 'rotate', ...files]);
  const { signing } = JSON.parse(await readFile(path('keys.json'), 'utf8'));
  expect(signing[1].nbf - signing[0].nbf).toBeGreaterThanOrEqual(86_400);
  expect(await jwks()).toBe(1);
  await run([...certify, '--origin', origin, '--statement', path('statement')]);
  await run([...install, '--thumbprint', thumbprint]);
  expect(await jwks()).toBe(2);
  env.AKASHI_KEYS = await readFile(path('keys.json'), 'utf8');
  delete env.AKASHI_KEYS_FILE;
  expect(await jwks()).toBe(2);
  env.AKASHI_ORIGIN = 'https://other.example';
  expect((await run(['start'])).err).toContain('is for http://localhost');
});

test('a key-encryption key is added, put in force, and taken out when nothing is sealed under it', async () => {
  const files = ['--keys', path('keys.json')];
  await run(['keys', 'create', ...files, '--public', path('public.json')]);
  await run(['tenant', 'add', 'bank', '--name', 'Bank']);
  const document = async () => JSON.parse(await readFile(path('keys.json'), 'utf8')).keyEncryption;
  const { current: old } = await document();
  // As devices leave it: sealed under the key of now.
  const sealed = seal(
    keyEncryptionOf(parseKeysDocument(await readFile(path('keys.json'), 'utf8'))),
    evaluationPlace('bank', id('phone')),
    hash('evaluation key'),
    randomBytes,
  );
  const store = openSqliteStore({ file: path('akashi.db') });
  const enrolment = { tenant: 'bank', subject: 'c-1', tokenHash: hash('token'), expiresAt: NOW };
  await store.createEnrolment(enrolment, 1);
  const device = { device: id('phone'), thumbprint: thumb('phone'), evaluationKey: sealed };
  await store.redeemEnrolment({ ...device, tokenHash: hash('token') }, NOW - 1);
  await store.close();

  const [fresh = ''] = (await run(['keys', 'add-encryption', ...files])).out;
  expect(await document()).toMatchObject({ current: old, keys: { [fresh]: expect.any(String) } });
  expect((await run(['keys', 'drop-encryption', old, ...files])).err).toContain('key that seals');
  expect((await run(['keys', 'use-encryption', id('nobody'), ...files])).code).toBe(1);
  expect((await run(['keys', 'use-encryption', fresh, ...files])).code).toBe(0);
  expect((await run(['keys', 'drop-encryption', old, ...files])).err).toContain('1 values are sealed');
  expect(Object.keys((await document()).keys)).toHaveLength(2);
  expect((await run(['keys', 'reseal', ...files])).out).toEqual(['1 values sealed anew', `${old} 0 left`]);
  expect((await run(['keys', 'reseal', ...files])).out).toEqual(['0 values sealed anew', `${old} 0 left`]);
  expect((await run(['keys', 'drop-encryption', old, ...files])).code).toBe(0);
  expect(await document()).toEqual({ current: fresh, keys: { [fresh]: expect.any(String) } });
  expect((await stat(path('keys.json'))).mode & 0o777).toBe(0o600);

  // A copy of before, whose keys are gone, is not put in force with these.
  await run(['keys', 'create', '--keys', path('others.json'), '--public', path('public.json')]);
  const restored = await run(['restore', '--keys', path('others.json')]);
  expect([restored.code, restored.err.includes('under a key that is not in --keys')]).toEqual([1, true]);
});

test('an issuer’s key is pinned and taken back, and where it publishes is set, by the person who runs the verifier', async () => {
  const { jwk, kid } = await newIssuerKey();
  await writeFile(path('issuer.jwk'), JSON.stringify(jwk));
  await run(['tenant', 'add', 'bank', '--name', 'Bank']);
  const list = async () => (await run(['issuer', 'list', 'bank'])).out;
  expect((await run(['issuer', 'add', 'bank', path('issuer.jwk')])).out).toEqual([kid]);
  const source = [
    'issuer',
    'source',
    'bank',
    '--status-lists',
    'https://bank.example/status/',
    '--stale',
    '60',
  ];
  expect((await run([...source, '--jwks', 'https://bank.example/keys'])).code).toBe(0);
  expect(await list()).toEqual([
    `pinned ${kid}`,
    'jwks https://bank.example/keys',
    'status-lists https://bank.example/status/, stale for 60 seconds at most',
  ]);
  expect((await run(['issuer', 'remove', 'bank', kid])).code).toBe(0);
  expect((await run(['issuer', 'source', 'bank'])).code).toBe(0);
  expect(await list()).toEqual([]);
  await writeFile(path('private.jwk'), JSON.stringify({ ...jwk, d: jwk.x }));
  await writeFile(path('off.jwk'), JSON.stringify({ ...jwk, x: jwk.y }));
  const wrong: readonly (readonly [number, string[]])[] = [
    [1, ['issuer', 'list', 'nobody']],
    [1, ['issuer', 'remove', 'bank', kid]],
    [1, ['issuer', 'add', 'nobody', path('issuer.jwk')]],
    [1, ['issuer', 'add', 'bank', path('private.jwk')]],
    [1, ['issuer', 'add', 'bank', path('off.jwk')]],
    [2, ['issuer', 'add', 'bank', path('nothing.jwk')]],
    [1, ['issuer', 'source', 'nobody', '--jwks', 'https://bank.example/keys']],
    [1, ['issuer', 'source', 'bank', '--jwks', 'http://bank.example/keys']],
    [1, ['issuer', 'source', 'bank', '--jwks', 'https://bank.example/keys', '--stale', '60']],
    [1, ['issuer', 'source', 'bank', '--status-lists', 'https://bank.example/status']],
    [2, [...source.slice(0, -1), 'long']],
  ];
  for (const [code, args] of wrong) expect([args, (await run(args)).code]).toEqual([args, code]);
  expect(await list()).toEqual([]);
});

test('origins inside of the own network are named one by one', async () => {
  const start = (origins: string) => run(['start', '--development', '--private-origins', origins]);
  for (const origins of [
    'http://10.0.0.1',
    'https://bank.example/path',
    'bank.example',
    'https://a.example,https://b.example',
  ]) {
    const { code, err } = await start(origins);
    expect([code, err.includes('--private-origins')]).toEqual([2, true]);
  }
});

test('development mode makes its own keys, says so loudly, and finds them again', async () => {
  const port = String(await freePort());
  const home = process.cwd();
  process.chdir(folder);
  try {
    env = {};
    const statements: string[] = [];
    for (let i = 0; i < 2; i++) {
      const { code, out, err } = await run(['start', '--development', '--port', port], async () => {
        const health = await fetch(`http://localhost:${port}/v1/health/live`);
        expect(health.status).toBe(200);
        statements.push(JSON.parse(await readFile('.akashi/keys.json', 'utf8')).signing[0].jwk.x);
      });
      expect(code).toBe(0);
      expect(err).toContain('DEVELOPMENT MODE');
      const entries = out.map((line) => JSON.parse(line));
      expect(entries.map((entry) => entry.event)).toEqual(['started', 'call']);
      expect(Object.keys(entries[1]).sort()).toEqual([
        'event',
        'level',
        'method',
        'ms',
        'route',
        'status',
        'time',
      ]);
    }
    expect(statements[1]).toBe(statements[0]);
    expect((await stat('.akashi')).mode & 0o777).toBe(0o700);
    for (const file of ['keys.json', 'root.json', 'akashi.db']) {
      expect((await stat(join('.akashi', file))).mode & 0o777).toBe(0o600);
    }
  } finally {
    process.chdir(home);
  }
});

/** Keys that are certified for this origin. @returns the flag that names them */
async function installKeys(origin: string): Promise<readonly string[]> {
  const keys = ['--keys', path('keys.json')];
  const root = (await run(['keys', 'root', '--root', path('root.json')])).out[0] ?? '';
  await run(['keys', 'create', ...keys, '--public', path('public.json')]);
  const certify = ['--public', path('public.json'), '--origin', origin, '--statement', path('statement')];
  await run(['keys', 'certify', '--root', path('root.json'), ...certify]);
  await run(['keys', 'install', ...keys, '--statement', path('statement'), '--thumbprint', root]);
  return keys;
}

test('a copy is no database until it is put in force, with keys that know it; then an older one is not', async () => {
  const port = String(await freePort());
  const origin = `http://localhost:${port}`;
  const keys = await installKeys(origin);
  expect((await run(['tenant', 'add', 'bank', '--name', 'Bank'])).code).toBe(0);
  const copy = ['--to', path('copy.db')];
  expect(await run(['backup', ...copy])).toMatchObject({
    code: 0,
    out: [`${path('copy.db')} is a copy of epoch 1`],
  });
  expect((await stat(path('copy.db'))).mode & 0o777).toBe(0o600);
  expect((await run(['backup', ...copy])).err).toContain('exists already');
  await rm(path('akashi.db'));

  const start = async (database: string) => {
    const ended = await run(['start', '--origin', origin, '--port', port, ...keys, '--database', database]);
    return ended.code === 0 ? 'started' : ended.err;
  };
  expect(await start(path('copy.db'))).toContain('is a copy');
  expect((await run(['restore', ...keys, '--from', path('copy.db')])).out).toEqual(['in force as epoch 2']);
  expect(await start(path('akashi.db'))).toBe('started');
  expect((await stat(path('akashi.db'))).mode & 0o777).toBe(0o600);
  // Somebody takes the mark off a copy of the first epoch: it is older than the keys.
  const older = new Client(path('copy.db'));
  older.exec('UPDATE epochs SET copy = 0');
  older.close();
  expect(await start(path('copy.db'))).toContain('older than its keys');
  expect((await run(['restore', ...keys, '--from', path('copy.db')])).err).toContain('exists: move it away');
  expect((await run(['audit', 'verify', 'bank'])).code).toBe(0);
});

test('checkpoints that a verifier wrote show what its database lost, and what a restored copy lost', async () => {
  const port = String(await freePort());
  const origin = `http://localhost:${port}`;
  const keys = await installKeys(origin);
  const lines = async () => (await readFile(path('checkpoints'), 'utf8')).split('\n').filter(Boolean);
  env = { ...env, AKASHI_CHECKPOINTS: path('checkpoints') };
  let known = 0;
  const serve = async () => {
    const { code } = await run(['start', '--origin', origin, '--port', port, ...keys], async () => {
      await expect.poll(async () => (await lines()).length, { timeout: 30_000 }).toBeGreaterThan(known);
      await writeFile(path('jwks'), await (await fetch(`${origin}/v1/jwks`)).text());
    });
    expect(code).toBe(0);
    known = (await lines()).length;
  };
  const verify = async (file = path('checkpoints')) =>
    run(['audit', 'verify', 'bank', '--checkpoints', file, '--jwks', path('jwks')]);
  expect((await run(['start', '--origin', origin, '--checkpoints', 'http://log.example/'])).code).toBe(2);

  await run(['tenant', 'add', 'bank', '--name', 'Bank']);
  await run(['audit', 'verify', 'bank']);
  await run(['backup', '--to', path('copy.db')]);
  await run(['key', 'add', 'bank']);
  await run(['audit', 'verify', 'bank']);
  await serve();
  expect((await verify()).out[0]).toBe('1 checkpoints, 0 lines that are none');
  expect((await stat(path('checkpoints'))).mode & 0o777).toBe(0o600);

  // Somebody puts an earlier database in the place of this one.
  await rm(path('akashi.db'));
  await run(['restore', ...keys, '--from', path('copy.db')]);
  expect(await verify()).toMatchObject({ code: 3, err: 'audit chain broken: checkpoint, at entry 3' });
  // The verifier, whose keys say that it was restored, vouches for it.
  await serve();
  expect(await verify()).toMatchObject({
    code: 0,
    out: ['2 checkpoints, 0 lines that are none', expect.stringContaining('epoch 2'), expect.any(String)],
  });
  expect((await run(['audit', 'verify', 'bank', '--checkpoints', path('checkpoints')])).code).toBe(2);
});

test('tenants, operators and keys are added, and what cannot be is said', async () => {
  expect((await run(['migrate'])).code).toBe(0);
  const add = ['tenant', 'add', 'bank', '--name', 'The bank', 'https://desk.bank.example'];
  expect((await run(add)).out[0]).toMatch(/^ak_[A-Za-z0-9_-]{22}$/);
  expect(await run(add)).toMatchObject({ code: 1, err: 'there is such a tenant already' });
  expect((await run(['tenant', 'origins', 'bank', 'https://a.example', 'https://b.example'])).code).toBe(0);
  for (const origin of ['https://a.example/', 'a.example', '*', 'null', 'ftp://a.example']) {
    expect((await run(['tenant', 'origins', 'bank', origin])).code).toBe(1);
  }
  expect((await run(['tenant', 'origins', 'nobody', 'https://a.example'])).code).toBe(1);
  expect((await run(['key', 'add', 'bank'])).out[0]).toMatch(/^ak_/);
  expect((await run(['key', 'add', 'nobody'])).code).toBe(1);
  expect((await run(['operator', 'add', 'bank'])).code).toBe(2);
  expect((await run(['operator', 'add', 'bank', '--name', 'Sato', '--role', 'king'])).code).toBe(2);
  expect((await run(['operator', 'add', 'nobody', '--name', 'Sato'])).code).toBe(1);
  const [operator = ''] = (await run(['operator', 'add', 'bank', '--name', 'Sato'])).out;
  const desk = 'https://desk.bank.example/';
  const link = await run(['operator', 'link', 'bank', operator, '--desk', desk]);
  expect(link.out[0]).toMatch(/^https:\/\/desk\.bank\.example\/#signin=[A-Za-z0-9_-]{22}$/);
  // As good as any: one id in 64 begins like an option.
  for (const words of [['-AAAAAAAAAAAAAAAAAAAAA'], ['--', '-AAAAAAAAAAAAAAAAAAAAA']]) {
    const dashed = await run(['operator', 'link', 'bank', ...words]);
    expect([dashed.code, dashed.err.includes('akashi start')]).toEqual([1, false]);
  }
  expect((await run(['operator', 'link', 'bank', 'nobody'])).code).toBe(1);
});

test('the audit is verified in the database and from an export; what was cut off shows against a known head', async () => {
  await run(['tenant', 'add', 'bank', '--name', 'The bank']);
  await run(['key', 'add', 'bank']);
  const head = (await run(['audit', 'verify', 'bank'])).out[0] ?? '';
  expect(head).toMatch(/^[1-9][0-9]*:[A-Za-z0-9_-]{43}$/);
  const { out } = await run(['audit', 'export', 'bank']);
  expect(out.length).toBe(Number(head.split(':')[0]));
  const verifyFile = async (lines: readonly string[], ...args: string[]) => {
    await writeFile(path('export'), lines.join('\n'));
    return (await run(['audit', 'verify', 'bank', '--file', path('export'), ...args])).code;
  };
  expect(await verifyFile(out, '--head', head)).toBe(0);
  expect(await verifyFile(out.slice(0, -1))).toBe(0);
  expect(await verifyFile(out.slice(0, -1), '--head', head)).toBe(3);
  expect(await verifyFile(out.slice(1))).toBe(3);
  expect(await verifyFile([...out].reverse())).toBe(3);
  expect(await verifyFile(out.map((line) => line.replace('tenant.', 'tenant_')))).toBe(3);
  // Parsers of JSON repeat a piece of what they do not like.
  await writeFile(path('export'), '\ufeff["Tanaka"]');
  const strange = await run(['audit', 'verify', 'bank', '--file', path('export')]);
  expect([strange.code, strange.err.includes('Tanaka')]).toEqual([1, false]);
  expect((await run(['audit', 'verify', 'bank', '--head', head])).code).toBe(0);
  expect((await run(['audit', 'verify', 'bank', '--head', 'x'])).code).toBe(1);
});
