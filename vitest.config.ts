import { defineConfig } from 'vitest/config';

const conditions = ['akashi-source', 'import', 'module', 'node', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: {
    resolve: { conditions, externalConditions: ['akashi-source', 'import', 'module', 'node', 'default'] },
  },
  test: {
    include: ['{circuits,sdk,verifier,examples,bench,test}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    globalSetup: ['test/setup.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
