import { afterAll, beforeAll, expect, vi } from 'vitest';

// Files that share a process leave it as they found it: what one of them forgot could make the next one pass.

/**
 * Of the runner of the tests; the two classes that @hono/node-server puts in the place of Node's, for good, when it first serves; and
 * the curve that snarkjs makes once.
 */
const OTHERS = /^(?:__vi.*|Request|Response|curve_bn128)$/;

/** Everything by name: globals, environment, folder, exit code. */
function state(): ReadonlyMap<string, unknown> {
  const globals = Object.getOwnPropertyNames(globalThis).filter((name) => !OTHERS.test(name));
  return new Map([
    ...globals.map((name): [string, unknown] => [name, Reflect.get(globalThis, name)]),
    ...Object.entries(process.env).map(([name, value]): [string, unknown] => [`environment ${name}`, value]),
    ['folder', process.cwd()],
    ['exit code', process.exitCode],
    ['false timers', vi.isFakeTimers()],
  ]);
}

let before = state();

beforeAll(() => {
  before = state();
});

afterAll(() => {
  const after = state();
  const names = new Set([...before.keys(), ...after.keys()]);
  expect([...names].filter((name) => !Object.is(before.get(name), after.get(name)))).toEqual([]);
});
