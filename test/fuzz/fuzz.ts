import { AkashiError, parse, problemShape } from '@akashi/circuits';
import fc from 'fast-check';
import type * as v from 'valibot';
import { ORIGIN } from '../../verifier/app-fixtures.ts';
import { problemOf } from '../../verifier/problem.ts';
import { callsOf, type FuzzCall, ROUTES } from './routes.ts';
import { MARK } from './spoils.ts';
import type { FuzzAnswer, FuzzWorld } from './world.ts';

// What must hold for whatever is sent to a route or handed to a parser: an answer of the protocol and never a fault, a refusal
// that says nothing of the input, in little time, leaving no memory behind.

export interface Target {
  readonly name: string;
  readonly inputs: fc.Arbitrary<unknown>;
  /** @returns the times, where not all of it is what is tried. Throws for a violation. */
  readonly run: (input: unknown) => Promise<Times | undefined>;
  /** How many of the inputs it gets, beside others: less where one takes a hundred times as long. Default 1. */
  readonly weight?: number;
}

/** Of one input. */
interface Times {
  readonly wallMs: number;
  readonly cpuMs: number;
}

const LIMIT_MS = 1000;
/** A call that was slow once may have met a busy machine; one that is slow each time is slow. */
const AGAIN = 3;

/**
 * Reads, and lets pass only these refusals: codes of an AkashiError, or names of other errors.
 * @throws Error for another one, and for a message that says something of the input
 */
export async function refusesOnly(read: () => unknown, refusals: readonly string[]): Promise<undefined> {
  try {
    await read();
  } catch (error) {
    const name =
      error instanceof AkashiError ? error.code : error instanceof Error ? error.name : typeof error;
    if (!refusals.includes(name)) throw new Error(`thrown: ${name}`, { cause: error });
    const message = error instanceof Error ? error.message : '';
    const isFixed = !(error instanceof AkashiError) || message === error.code.replaceAll('_', ' ');
    if (!isFixed || message.includes(MARK))
      throw new Error('the message says something of the input', { cause: error });
  }
}

export async function endpointTargets(world: FuzzWorld): Promise<readonly Target[]> {
  return Object.keys(ROUTES).map((name) => ({
    name,
    inputs: callsOf(name),
    // The device is gone, and another one enrolled.
    weight: name === 'DELETE /v1/devices/current' ? 0.1 : 1,
    async run(input) {
      const answer = await world.call(input as FuzzCall);
      try {
        checkAnswer(input as FuzzCall, answer);
        checkLog(world);
      } catch (cause) {
        throw new Error(
          `${answer.sent.slice(0, 3000)} was answered ${answer.status} ${answer.text.slice(0, 500)}`,
          {
            cause,
          },
        );
      }
      return answer;
    },
  }));
}

const PRINTED = String.raw`[\x20-\x7e]+`;
/** Every header that an answer may have, and what it may say. */
const HEADERS: Readonly<Record<string, RegExp>> = Object.fromEntries(
  Object.entries({
    date: '[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT',
    'cache-control': 'no-store',
    'content-security-policy': PRINTED,
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-accel-buffering': 'no',
    'strict-transport-security': 'max-age=31536000',
    vary: 'Origin',
    'content-type': 'application/(?:problem\\+)?json|text/event-stream',
    connection: 'close',
    allow: '[A-Z, ]+',
    'retry-after': '[0-9]{1,6}',
    'www-authenticate': 'DPoP, Bearer|DPoP error="use_dpop_nonce"',
    'dpop-nonce': '[A-Za-z0-9_-]{32}',
    'akashi-keys': '[A-Za-z0-9_.-]+',
    etag: '"[A-Za-z0-9_-]{22}"',
    'access-control-allow-origin': 'https://(?:desk|phone)\\.(?:bank|shop)\\.example',
    'access-control-allow-methods': PRINTED,
    'access-control-allow-headers': PRINTED,
    'access-control-expose-headers': PRINTED,
    'access-control-max-age': '600',
  }).map(([name, form]) => [name, new RegExp(`^(?:${form})$`)]),
);

/** @throws Error for what no answer may be */
export function checkAnswer(input: FuzzCall, { status, headers, text }: FuzzAnswer): void {
  if (status >= 500) throw new Error('a fault');
  for (const [name, value] of headers) {
    if (HEADERS[name]?.test(value) !== true || value.includes(MARK)) throw new Error(`the header ${name}`);
  }
  if (status === 204 || status === 304 || input.method === 'HEAD') {
    if (text !== '') throw new Error('a body where there is none');
  } else if (status >= 400) {
    const { code } = parse(problemShape, JSON.parse(text));
    const expected = problemOf(new AkashiError(code));
    const isFixed = expected.status === status && JSON.stringify(expected.body) === text;
    if (!isFixed || headers.get('content-type') !== 'application/problem+json')
      throw new Error('no problem document of ours');
  } else if (headers.get('content-type') === 'application/json') {
    parse(shapeOf(input), JSON.parse(text));
  } else if (!/^event: verification\ndata: .+\n\n$/.test(text)) throw new Error('no answer of the protocol');
}

/** Of the route that the address is of: an input may have become one of another route. */
function shapeOf({ method, path }: FuzzCall): v.GenericSchema {
  const { pathname } = new URL(path, ORIGIN);
  const name = Object.keys(ROUTES).find((route) => {
    const [own, pattern = ''] = route.split(' ');
    return own === method && new RegExp(`^${pattern.replaceAll(/:[a-z]+/g, '[^/]+')}$`).test(pathname);
  });
  const answer = name === undefined ? undefined : ROUTES[name]?.answer;
  if (answer === undefined) throw new Error('content where there is none');
  return answer;
}

const LOGGED = new Set(['level', 'event', 'method', 'route', 'status', 'ms', 'fault']);

function checkLog({ world: { log, app } }: FuzzWorld): void {
  for (const entry of log.splice(0)) {
    const isKnown =
      entry.route === undefined ||
      entry.route === 'unknown' ||
      app.routes.some(({ path }) => path === entry.route);
    const isPlain =
      Object.keys(entry).every((name) => LOGGED.has(name)) && !JSON.stringify(entry).includes(MARK);
    if (!isKnown || !isPlain || entry.event === 'fault') throw new Error(`logged: ${JSON.stringify(entry)}`);
  }
}

/** A violation, with what makes it happen again. */
export interface Violation {
  readonly target: string;
  readonly seed: number;
  readonly path: string;
  readonly what: string;
}

export interface Outcome {
  readonly inputs: number;
  readonly violation: Violation | null;
  /** Of single inputs. */
  readonly slowest: { readonly target: string } & Times;
}

/** Tries so many inputs of one target. @param path of one input alone, as a violation names it */
export async function fuzz(target: Target, inputs: number, seed: number, path?: string): Promise<Outcome> {
  let slowest = { target: target.name, wallMs: 0, cpuMs: 0 };
  let tried = 0;
  const property = fc.asyncProperty(target.inputs, async (input) => {
    tried += 1;
    let times = await timed(target, input);
    for (let again = 0; times.wallMs > LIMIT_MS && again < AGAIN; again++) times = await timed(target, input);
    if (times.wallMs > LIMIT_MS) throw new Error(`took ${Math.round(times.wallMs)} ms, each time`);
    const { wallMs, cpuMs } = times;
    if (cpuMs > slowest.cpuMs) slowest = { target: target.name, wallMs, cpuMs };
    if (Object.hasOwn(Object.prototype, 'polluted'))
      throw new Error('the prototype of all objects was changed');
  });
  // An input is not made smaller: what the app knows by then is another.
  const result = await fc.check(property, {
    numRuns: inputs,
    seed,
    endOnFailure: true,
    ...(path === undefined ? {} : { path }),
  });
  if (!result.failed) return { inputs: tried, violation: null, slowest };
  const { errorInstance, counterexample } = result;
  const what = `${described(errorInstance)}\ninput: ${fc.stringify(counterexample?.[0]).slice(0, 1000)}`;
  return {
    inputs: tried,
    slowest,
    violation: { target: target.name, seed, path: result.counterexamplePath ?? '', what },
  };
}

async function timed(target: Target, input: unknown): Promise<Times> {
  const [began, used] = [performance.now(), process.cpuUsage()];
  const own = await target.run(input);
  if (own !== undefined) return own;
  const cpu = process.cpuUsage(used);
  return { wallMs: performance.now() - began, cpuMs: (cpu.user + cpu.system) / 1000 };
}

function described(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined
    ? (error.stack ?? '')
    : `${error.stack}\ncaused by ${described(error.cause)}`;
}
