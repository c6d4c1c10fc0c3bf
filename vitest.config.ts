import { defineConfig } from 'vitest/config';

const conditions = ['akashi-source', 'import', 'node', 'default'];

export default defineConfig({
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
    include: ['{circuits,sdk,verifier,examples,bench,test}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    globalSetup: ['test/setup.ts'],
    pool: 'forks',
    // All cores: by default one is left free, and files run one after the other on two.
    maxWorkers: '100%',
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
