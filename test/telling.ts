import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Tracer, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';

// What a verifier tells of its working, kept beside its database for the search after the run: the metrics that it serves, and
// the spans of this process.

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

/** Where verifiers that are started ask for metrics to be served. */
export const METRICS = { port: 0, hostname: 'localhost' } as const;

/** Spans of this process are kept from here on. @returns a tracer, for tests that plant something */
export function keepSpans(): Tracer {
  trace.setGlobalTracerProvider(provider);
  return provider.getTracer('test');
}

/** Writes down what was told so far. Metrics replace those before, spans are added. */
export async function writeTold(
  folder: string,
  { metricsPort }: { readonly metricsPort: number | null },
): Promise<void> {
  writeSpans(folder);
  if (metricsPort === null) throw new TypeError('verifiers of tests serve metrics');
  const answer = await fetch(`http://localhost:${metricsPort}/metrics`);
  writeMetrics(folder, await answer.text());
}

/**
 * Help texts are ours, and have words that are subjects of tests. What the process itself is read at (its memory, its time) has
 * nothing in it that anybody gave it, and six digits by chance.
 */
export function writeMetrics(folder: string, text: string): void {
  const samples = text.split('\n').filter((line) => !/^(?:#|akashi_(?:process|nodejs)_)/.test(line));
  writeFileSync(join(folder, 'verifier.metrics'), samples.join('\n'));
}

export function writeSpans(folder: string): void {
  const spans = exporter.getFinishedSpans();
  exporter.reset();
  for (const span of spans)
    appendFileSync(join(folder, 'verifier.spans'), `${JSON.stringify(toldBy(span))}\n`);
}

/** Without names of members: they are words, and so are subjects of tests. */
function toldBy({ name, attributes, events, links, status, resource, instrumentationScope }: ReadableSpan) {
  return [name, attributes, events, links, status, resource.attributes, instrumentationScope];
}
