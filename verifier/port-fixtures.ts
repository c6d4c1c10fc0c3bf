import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below those that systems give by themselves (Linux: from 32768): nobody is given one before it is listened at, or
 * while whoever listened at it is away.
 */
export const PORTS = { first: 10_240, end: 32_768 };

/** A port of this machine that nobody listens at. */
export async function freePort(host = 'localhost'): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.first, PORTS.end);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, host, () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
