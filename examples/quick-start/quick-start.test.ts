import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { memoryStorage, openHolder } from '@akashi/sdk/holder';
import { inlineProver } from '@akashi/sdk/inline-prover';
import { generateIssuerKeys, type IssuerOptions, openIssuer } from '@akashi/sdk/issuer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../verifier/port-fixtures.ts';
import { askForIncome } from './claims.ts';
import { verify } from './desk.ts';
import { openBank } from './issuer.ts';
import { answer } from './phone.ts';
import type { Screen } from './screen.ts';

// The quick start, from its first command to the verdict, against the verifier that its commands start. Made up here
// is only what a reader brings: a free port, an empty folder, what the customer does.

const PIN = '904781';

let folder: string;
let origin: string;
let verifier: ChildProcess | undefined;
let operator: string;
let bank: Awaited<ReturnType<typeof openBank>>;
let options: IssuerOptions;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'akashi-quick-start-'));
  const port = await freePort();
  origin = `http://localhost:${port}`;
  verifier = await akashi(0, { more: ['--port', String(port)] });
  await firstLine(verifier);
  const apiKey = await firstLine(await akashi(1));
  operator = await firstLine(await akashi(2));
  options = { verifier: origin, apiKey, tenant: 'bank', ...(await generateIssuerKeys()) };
  bank = await openBank(options);
});

afterAll(async () => {
  if (verifier?.exitCode === null) {
    verifier.kill('SIGTERM');
    await once(verifier, 'exit');
  }
  await rm(folder, { recursive: true });
});

test('issuer, phone and desk lead to a passed verification with two factors', async () => {
  const { desk, phone } = await meet('customer-1', true);
  expect(phone).toMatchObject({ state: 'done', verdict: 'passed' });
  expect(desk.verdict).toBe('passed');
  expect([...desk.factors].sort()).toEqual(['knowledge', 'possession']);
});

test.each([
  ['4000000', 'passed'],
  ['3999999', 'claim_unmet'],
])('a phone with an income of %s yen: %s', async (income, outcome) => {
  const subject = `customer-${income}`;
  const [vouch, issuer] = [await askForIncome(options), await openIssuer(options)];
  const holder = await openHolder({ verifier: origin, storage: memoryStorage(), prover: inlineProver() });
  const exchange = (receipt: string) => bank.issue(subject, receipt);
  await holder.enrol({ link: await bank.enrolmentLink(subject), pin: PIN, exchange });
  await holder.refreshClaims((receipt) => vouch(subject, receipt, income));
  const about = { subject, policy: 'limit', purpose: 'limit', mode: 'call' } as const;
  const { verification, code = '' } = await issuer.start({ ...about, call: { direction: 'inbound' } });
  await holder.accept(verification);
  const shown = await holder
    .present(verification, { code, pin: PIN })
    .catch(({ code: why }) => ({ verdict: why }));
  expect(shown.verdict).toBe(outcome);
});

test('a customer who does not agree is shown at the desk as that', async () => {
  const { desk, phone } = await meet('customer-2', false);
  expect(phone).toMatchObject({ state: 'done', verdict: 'declined' });
  expect(desk).toEqual({ verdict: 'declined', factors: [] });
});

test.each(['issuer.ts', 'claims.ts', 'phone.ts', 'desk.ts'])(
  '%s is at most 15 lines, from public entry points',
  async (file) => {
    const code = await readFile(new URL(file, import.meta.url), 'utf8');
    expect(code.trim().split('\n').length).toBeLessThanOrEqual(15);
    const modules = [...code.matchAll(/from '([^']+)'/g)].map((match) => match[1]);
    expect(modules.filter((name) => name !== './screen.ts')).toEqual([
      expect.stringMatching(/^@akashi\/sdk\//),
    ]);
  },
);

/** Operator and customer on the line. The call begins once the phone is enrolled: before, there is nobody to ask. */
async function meet(subject: string, agrees: boolean) {
  const signIn = await firstLine(await akashi(3, { operator }));
  let speak = (_code: string): void => undefined;
  const code = new Promise<string>((resolve) => {
    speak = resolve;
  });
  const screen: Screen = {
    newPin: async () => PIN,
    agreesTo: async ({ asked }) => {
      expect(asked).toMatchObject({ tenant: { name: 'Aoba Bank' }, operator: 'Sato' });
      return agrees;
    },
    codeAndPin: async () => ({ code: await code, pin: PIN }),
  };
  const calls: ReturnType<typeof verify>[] = [];
  const exchange = async (receipt: string) => {
    const issued = await bank.issue(subject, receipt);
    calls.push(verify(origin, signIn, subject, speak));
    return issued;
  };
  const link = await bank.enrolmentLink(subject);
  const device = { verifier: origin, storage: memoryStorage(), prover: inlineProver() };
  const phone = await answer(device, link, exchange, screen);
  const [desk] = await Promise.all(calls);
  if (desk === undefined) throw new Error('the phone did not enrol');
  return { phone, desk };
}

/** Runs a line of verifier.sh as the package script would, but in the test's own folder. */
async function akashi(
  index: number,
  { operator = '', more = [] }: { operator?: string; more?: readonly string[] } = {},
): Promise<ChildProcess> {
  const script = await readFile(new URL('verifier.sh', import.meta.url), 'utf8');
  const [command, args] = `${script.split('\n')[index]}`.replace(/ +# .*$/, '').split(' -- ');
  expect(command).toBe('npm run akashi');
  const words = [...`${args}`.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const main = fileURLToPath(new URL('../../verifier/main.ts', import.meta.url));
  return spawn(
    process.execPath,
    [
      ...['--conditions=akashi-source', '--import', tsx, main],
      ...words.map((word) => (word === '$OPERATOR' ? operator : word)),
      ...more,
    ],
    { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] },
  );
}

async function firstLine(process: ChildProcess): Promise<string> {
  if (process.stdout === null) throw new TypeError('the process has no output');
  for await (const line of createInterface({ input: process.stdout })) {
    process.stdout.resume();
    return line;
  }
  throw new Error('the command printed nothing');
}
