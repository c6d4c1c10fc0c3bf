import { availableParallelism } from 'node:os';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

const conditions = ['akashi-source', 'import', 'node', 'default'];

const TOGETHER = ['{circuits,sdk,verifier}/**/*.test.ts'];
const NEVER = ['**/node_modules/**', '**/dist/**'];

/** Whole worlds, browsers, processes and compilers, and what judges or changes its own process. */
const ALONE = [
  '{examples,bench,test}/**/*.test.ts',
  'circuits/{account,build,claim,facts,member,pin,range,witness}.test.ts',
  'verifier/command-line.test.ts',
];

/** @param isolate a process for each file; otherwise processes take file after file, held to leave nothing behind (test/tidy.ts) */
function project(
  name: string,
  isolate: boolean,
  include: readonly string[],
  exclude: readonly string[],
): TestProjectInlineConfiguration {
  return {
    resolve: { conditions },
    // No `module`: what stands there is for bundlers, and need not run in Node.
    // Handed to Node, which adds `import` or `require` by itself: named here, `import` would hold for `require` too.
    ssr: {
      resolve: {
        conditions: ['akashi-source', 'node'],
        externalConditions: ['akashi-source', 'node'],
      },
    },
    test: {
      name,
      isolate,
      include: [...include],
      exclude: [...NEVER, ...exclude],
      setupFiles: ['test/patience.ts', ...(isolate ? [] : ['test/tidy.ts'])],
      pool: 'forks',
      // For what hangs: a shared machine makes what takes 15 s take a minute.
      testTimeout: 180_000,
      hookTimeout: 180_000,
    },
  };
}

export default defineConfig({
  test: {
    globalSetup: ['test/setup.ts'],
    // By default one core is left free. One file more than cores: some wait for browsers, disks and clocks.
    maxWorkers: availableParallelism() + 1,
    // By name, and so the long ones first.
    projects: [project('alone', true, ALONE, []), project('together', false, TOGETHER, ALONE)],
  },
});
