import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { inlineProver } from '@akashi/sdk/inline-prover';
import puppeteer from 'puppeteer-core';
import { expect, test } from 'vitest';
import { SAMPLES } from '../../bench/samples.ts';
import { findChromium, HOW_TO_GET_CHROMIUM } from '../../examples/pre-call/browser.ts';
import { loadCombiner } from '../../sdk/binding.ts';
import { bind } from '../../sdk/groth16.ts';
import { bundlePage, openPageSite } from './page-site.ts';

// A thousand proofs in a row leave no memory behind, neither in the heap nor in that of the arithmetic.

const PROOFS = 1000;
/** A proof is more than 1 kB: a thousand of them that stayed would show. */
const GROWTH_MAX = 300_000;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));

test('in Node', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { challenge, ...fixed } = SAMPLES.pin(random).inputs;
  const prover = inlineProver();
  const preparation = await prover.prepare('pin', fixed);
  prover.close();
  const combiner = await loadCombiner();
  const used = (count: number) => {
    for (let proof = 0; proof < count; proof++)
      bind(preparation, challenge + BigInt(proof), combiner, random);
    collect();
    const { heapUsed, arrayBuffers, external } = process.memoryUsage();
    return heapUsed + arrayBuffers + external;
  };
  used(PROOFS / 5);
  const before = used(PROOFS / 5);
  expect(used(PROOFS) - before).toBeLessThan(GROWTH_MAX);
});

test('in a worker in Chromium', async () => {
  const executablePath = await findChromium(process.env.CHROMIUM_PATH, process.env.PATH);
  if (executablePath === null) throw new Error(HOW_TO_GET_CHROMIUM);
  const scripts = await bundlePage({
    page: fileURLToPath(new URL('page.ts', import.meta.url)),
    worker: fileURLToPath(new URL('bind-worker.ts', import.meta.url)),
    from: ROOT.replace(/\/$/, ''),
    conditions: ['akashi-source'],
  });
  const site = await openPageSite({
    scripts,
    artifacts: fileURLToPath(new URL('../../circuits/artifacts/', import.meta.url)),
    verifier: 'http://localhost:1',
    exchange: () => Promise.reject(new Error('nobody enrols here')),
  });
  const browser = await puppeteer.launch({ executablePath, headless: true, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    await page.goto(site.origin);
    await page.evaluate(() => {
      Object.assign(globalThis, { binder: new Worker('/prover-worker.js', { type: 'module' }) });
    });
    const bound = (count: number) =>
      page.evaluate((asked) => {
        const { binder } = globalThis as unknown as { readonly binder: Worker };
        return new Promise<number>((resolve, reject) => {
          binder.onmessage = ({ data }) => resolve(data);
          binder.onerror = ({ message }) => reject(new Error(message));
          binder.postMessage(asked);
        });
      }, count);
    await bound(PROOFS / 5);
    const [worker] = page.workers();
    if (worker === undefined) throw new Error('no worker');
    const used = async () => {
      await worker.client.send('HeapProfiler.collectGarbage');
      return (await worker.client.send('Runtime.getHeapUsage')).usedSize;
    };
    const before = await used();
    expect(await bound(PROOFS)).toBe(0);
    expect((await used()) - before).toBeLessThan(GROWTH_MAX);
  } finally {
    await browser.close();
    site.close();
  }
});
