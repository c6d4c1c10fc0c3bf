import { trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PHASES, UPKEEP_FAILURES } from './instruments.ts';
import { createMetrics } from './metrics.ts';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

beforeAll(() => void trace.setGlobalTracerProvider(provider));
afterAll(() => provider.shutdown());

test('a call and its phases are spans with three attributes and none of the call’s content', async () => {
  const { instruments, text } = createMetrics();
  const report = () => ({ method: 'POST', route: '/v1/requests/:id/presentation', status: 503 });
  const work = () => instruments.phase('check', async () => 'done');
  expect(await instruments.call(work, report)).toBe('done');
  const spans = exporter.getFinishedSpans();
  expect(spans.map(({ name }) => name)).toEqual(['check', 'POST /v1/requests/:id/presentation']);
  expect(spans.map(({ attributes }) => attributes)).toEqual([
    {},
    {
      'http.request.method': 'POST',
      'http.route': '/v1/requests/:id/presentation',
      'http.response.status_code': 503,
    },
  ]);
  expect(await text()).toMatch(/akashi_phase_seconds_count\{phase="check"\} 1/);
});

test('what fails is measured as well, and fails', async () => {
  const { instruments, text } = createMetrics();
  const report = () => ({ method: 'GET', route: 'unknown', status: 500 });
  await expect(instruments.call(() => Promise.reject(new RangeError('x')), report)).rejects.toThrow('x');
  await expect(instruments.phase('record', () => Promise.reject(new RangeError('y')))).rejects.toThrow('y');
  const exposed = await text();
  expect(exposed).toContain('akashi_call_seconds_count{method="GET",route="unknown",status="500"} 1');
  expect(exposed).toContain('akashi_phase_seconds_count{phase="record"} 1');
  // Each phase and failure is there from the start, so that a rate has something to begin with.
  for (const event of UPKEEP_FAILURES)
    expect(exposed).toContain(`akashi_upkeep_failures_total{event="${event}"} 0`);
  for (const phase of PHASES) expect(exposed).toContain(`akashi_phase_seconds_count{phase="${phase}"}`);
});
