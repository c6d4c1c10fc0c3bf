import { createServer, type Server } from 'node:http';
import type { Metrics } from './metrics.ts';

// What only those who run a verifier may ask, on an address of its own that is not for the public.

const TIMEOUT_MS = 10_000;

/** Serves `GET /metrics`. @throws Error when the port cannot be had */
export async function serveMetrics(metrics: Metrics, port: number, hostname: string): Promise<Server> {
  const server = createServer(
    { requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS },
    (request, response) => {
      if (request.method !== 'GET' || request.url !== '/metrics') {
        response.writeHead(404).end();
        return;
      }
      metrics.text().then(
        (text) => response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text),
        () => response.writeHead(500).end(),
      );
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, hostname, () => {
      server.off('error', reject);
      resolve();
    });
  });
  // Metrics keep no process alive.
  server.unref();
  return server;
}
