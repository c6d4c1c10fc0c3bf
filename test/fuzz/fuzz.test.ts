import * as circuits from '@akashi/circuits';
import { AkashiError } from '@akashi/circuits';
import * as agent from '@akashi/sdk/agent';
import * as holder from '@akashi/sdk/holder';
import * as issuer from '@akashi/sdk/issuer';
import * as newPin from '@akashi/sdk/new-pin';
import * as verifier from '@akashi/verifier';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCampaign } from './campaign.ts';
import { fileTargets, openFilesFolder } from './files.ts';
import { checkAnswer, fuzz, refusesOnly } from './fuzz.ts';
import { parserTargets, READS, shapes } from './parsers.ts';
import { type FuzzCall, ROUTES } from './routes.ts';
import { MARK } from './spoils.ts';
import { shareTaken } from './values.ts';
import { FuzzWorld } from './world.ts';

// Nothing that anyone can send makes a fault, takes long, or comes back. A million inputs are in results.json
// (`npm run soak:fuzz`).

const INPUTS = 3000;

test('some thousand inputs, others each time', async () => {
  const seed = 1 + Math.floor(Math.random() * 1_000_000);
  const { violations, endpoints, parsers, answers } = await runCampaign({ seed, inputs: INPUTS, rounds: 1 });
  expect(violations, `seed ${seed}`).toEqual([]);
  expect(endpoints + parsers).toBeGreaterThanOrEqual(INPUTS);
  // Inputs get past every wall: they are done, and refused for what they ask.
  for (const status of ['200', '201', '204', '400', '401', '403', '404', '409'])
    expect(Object.keys(answers)).toContain(status);
});

describe('nothing is left out', () => {
  let world: FuzzWorld;
  beforeAll(async () => {
    world = await FuzzWorld.open();
  });
  afterAll(() => world.close());

  test('no route of the app', () => {
    const routes = world.world.app.routes.filter(({ method }) => method !== 'ALL');
    expect(Object.keys(ROUTES).sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort());
  });

  test('no exported function that reads', async () => {
    const files = openFilesFolder();
    const names = [...(await parserTargets()), ...(await fileTargets(files.folder))].map(({ name }) => name);
    files.remove();
    const reading = (exported: object, form: RegExp) =>
      Object.entries(exported).flatMap(([name, value]) =>
        typeof value === 'function' && form.test(name) ? [name] : [],
      );
    const others = { ...verifier, ...holder, ...agent, ...issuer, ...newPin };
    const reads = [...reading(circuits, READS), ...reading(others, /^(?:parse|decode)/)];
    expect(reads).toEqual(expect.arrayContaining(['verifyDpop', 'parseNewPin', 'parseRootDocument']));
    expect(names).toEqual(expect.arrayContaining(reads));
  });

  test('no shape: most values that are made for one are taken', () => {
    const poor = shapes().filter(([, shape]) => shareTaken(shape) < 0.5);
    expect(poor.map(([name]) => name)).toEqual([]);
  });
});

describe('what is wrong is found', () => {
  const inputs = fc.constantFrom('good', MARK);
  const run = (work: (input: unknown) => unknown, ...refusals: string[]) =>
    fuzz({ name: 'planted', inputs, run: (input) => refusesOnly(() => work(input), refusals) }, 50, 7);
  const bad = (error: () => Error) => (input: unknown) => {
    if (input === MARK) throw error();
  };

  test('in a parser, by a seed and a path that make it happen again', async () => {
    const { violation } = await run(
      bad(() => new RangeError('deep')),
      'malformed',
    );
    expect(violation?.what).toContain('thrown: RangeError');
    const seen: unknown[] = [];
    const again = {
      name: 'planted',
      inputs,
      run: async (input: unknown) => void seen.push(input) as undefined,
    };
    await fuzz(again, 1, violation?.seed ?? 0, violation?.path);
    expect(seen).toEqual([MARK]);
    expect(
      (
        await run(
          bad(() => new AkashiError('malformed')),
          'malformed',
        )
      ).violation,
    ).toBeNull();
    expect(
      (
        await run(
          bad(() => new AkashiError('internal')),
          'malformed',
        )
      ).violation,
    ).not.toBeNull();
    expect(
      (
        await run(
          bad(() => new TypeError(`no ${MARK}`)),
          'TypeError',
        )
      ).violation?.what,
    ).toContain('says something');
  });

  test('what is slow each time, and not what was slow once', async () => {
    const slow = (count: number) => {
      let calls = 0;
      const run = async () => ({ wallMs: ++calls <= count ? 1001 : 1, cpuMs: 1 });
      return fuzz({ name: 'planted', inputs, run }, 5, 1);
    };
    expect((await slow(1)).violation).toBeNull();
    expect((await slow(Number.POSITIVE_INFINITY)).violation?.what).toContain('took 1001 ms');
  });

  const call = { method: 'GET', path: '/v1/health' } as FuzzCall;
  const problem = JSON.stringify({ type: 'about:blank', title: 'not found', status: 404, code: 'not_found' });
  const answer = (status: number, text: string, headers: Record<string, string>) => () =>
    checkAnswer(call, { status, text, headers: new Headers(headers), wallMs: 0, cpuMs: 0, sent: '' });
  const type = { 'content-type': 'application/problem+json' };

  test.each([
    ['a fault', answer(500, problem, type)],
    ['a problem of another status', answer(400, problem, type)],
    ['a problem with more in it', answer(404, `${problem.slice(0, -1)},"detail":"x"}`, type)],
    ['a code that is none', answer(404, problem.replace('not_found', 'not_there'), type)],
    ['another content type', answer(404, problem, { 'content-type': 'application/json' })],
    ['a header that says what was sent', answer(404, problem, { ...type, allow: MARK })],
    ['a header of its own', answer(404, problem, { ...type, 'x-other': '1' })],
    [
      'an answer that is not of its route',
      answer(200, '{"status":"bad"}', { 'content-type': 'application/json' }),
    ],
  ])('in an answer: %s', (_, check) => {
    expect(check).toThrow();
  });

  test('and good answers are none of it', () => {
    expect(answer(404, problem, type)).not.toThrow();
    expect(answer(200, '{"status":"ok"}', { 'content-type': 'application/json' })).not.toThrow();
  });
});
