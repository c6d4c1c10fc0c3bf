import { context, isSpanContextValid, type Span, SpanStatusCode, trace } from '@opentelemetry/api';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Instruments } from './instruments.ts';
import { PHASES, UPKEEP_FAILURES } from './instruments.ts';

// Instruments that Prometheus reads, with spans for whoever registered OpenTelemetry in this process (docs/runbook.md);
// where nobody did, a span costs nothing. Labels are few and known beforehand, but for tenants and policies.

/** What is read at the moment of asking. */
export interface Levels {
  /** Calls that are worked on, those that wait for a change left out. */
  readonly calls: () => number;
  /** Calls that wait for a change. */
  readonly readers: () => number;
  /** Presentations that wait for their turn. */
  readonly presentations: () => number;
  /** Proofs that wait to be checked. */
  readonly proofs: () => number;
  /** UTC seconds at which no signing key is good any more. */
  readonly signingKeyEnd: () => number;
}

export interface Metrics {
  readonly instruments: Instruments;
  /** Adds what is read at the moment of asking. */
  watch(levels: Levels): void;
  /** In the text format of Prometheus. */
  text(): Promise<string>;
  readonly contentType: string;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** Long polls wait up to 30 s. */
const CALL_SECONDS = [...SECONDS, 10, 31];
const BATCHES = [1, 2, 4, 8, 16, 32, 64];

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'akashi_' });
  const registers = [registry];
  const calls = new Histogram({
    ...{ name: 'akashi_call_seconds', help: 'Time from a call to its answer', registers },
    ...{ labelNames: ['method', 'route', 'status'] as const, buckets: CALL_SECONDS },
  });
  const phases = new Histogram({
    ...{ name: 'akashi_phase_seconds', help: 'Time of a phase of a call', registers },
    ...{ labelNames: ['phase'] as const, buckets: SECONDS },
  });
  for (const phase of PHASES) phases.zero({ phase });
  const refused = new Counter({
    ...{ name: 'akashi_calls_refused_total', help: 'Calls refused unread, since too many were worked on' },
    registers,
  });
  const batches = new Histogram({
    ...{ name: 'akashi_batch_proofs', help: 'Proofs checked together', buckets: BATCHES, registers },
  });
  const verdicts = new Counter({
    ...{ name: 'akashi_verdicts_total', help: 'Verdicts that this process set', registers },
    labelNames: ['tenant', 'policy', 'verdict'] as const,
  });
  const failures = new Counter({
    ...{ name: 'akashi_upkeep_failures_total', help: 'Rounds of the upkeep that failed', registers },
    labelNames: ['event'] as const,
  });
  // From the start, so that the first one of its kind is an increase.
  for (const event of UPKEEP_FAILURES) failures.inc({ event }, 0);
  const tracer = trace.getTracer('@akashi/verifier');

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    watch: (levels) => watchLevels(registry, levels),
    instruments: {
      call(work, report) {
        const began = performance.now();
        const span = tracer.startSpan('call');
        return inside(span, work).finally(() => {
          const { method, route, status } = report();
          calls.observe({ method, route, status: String(status) }, (performance.now() - began) / 1000);
          span.updateName(`${method} ${route}`);
          span.setAttributes({
            'http.request.method': method,
            'http.route': route,
            'http.response.status_code': status,
          });
          if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        });
      },
      phase(phase, work) {
        const end = phases.startTimer({ phase });
        const span = tracer.startSpan(phase);
        return inside(span, work).finally(() => {
          end();
          span.end();
        });
      },
      refused: () => refused.inc(),
      batch: (proofs) => batches.observe(proofs),
      verdict: ({ tenant, policy, verdict }) => verdicts.inc({ tenant, policy, verdict }),
      upkeepFailed: (event) => failures.inc({ event }),
    },
  };
}

/** With the span as the parent of those that are begun meanwhile; one that nobody takes has no context to keep. */
function inside<R>(span: Span, work: () => Promise<R>): Promise<R> {
  if (!isSpanContextValid(span.spanContext())) return work();
  return context.with(trace.setSpan(context.active(), span), work);
}

function watchLevels(registry: Registry, levels: Levels): void {
  const texts: Readonly<Record<keyof Levels, readonly [name: string, help: string]>> = {
    calls: ['akashi_calls_in_progress', 'Calls that are worked on, without those that wait for a change'],
    readers: ['akashi_readers_waiting', 'Calls that wait for a change'],
    presentations: ['akashi_presentations_waiting', 'Presentations that wait for their turn'],
    proofs: ['akashi_proofs_waiting', 'Proofs that wait to be checked'],
    signingKeyEnd: ['akashi_signing_key_end_timestamp_seconds', 'When the last signing key ends'],
  };
  for (const level of Object.keys(texts) as (keyof Levels)[]) {
    const [name, help] = texts[level];
    new Gauge({
      ...{ name, help, registers: [registry] },
      collect() {
        this.set(levels[level]());
      },
    });
  }
}
