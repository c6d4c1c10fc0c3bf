import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A small TCP balancer: each connection goes to the next verifier that takes it. */
export interface Balancer {
  readonly origin: string;
  /** Where connections go from now on. */
  to(ports: readonly number[]): void;
  close(): void;
}

export async function startBalancer(): Promise<Balancer> {
  const open = new Set<Socket>();
  let ports: readonly number[] = [];
  let turn = 0;
  const server = createServer((near) => {
    open.add(near);
    near.on('error', () => {}).on('close', () => open.delete(near));
    const join = (tries: number) => {
      const port = ports[turn++ % ports.length];
      if (port === undefined || tries === 0) return void near.destroy();
      const far = connect(port, 'localhost');
      const next = () => join(tries - 1);
      far.once('error', next);
      far.once('connect', () => {
        far.off('error', next).on('error', () => {});
        far.on('close', () => near.destroy());
        near.on('close', () => far.destroy());
        near.pipe(far).pipe(near);
      });
    };
    join(ports.length);
  }).listen(0, 'localhost');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  return {
    origin: `http://localhost:${address.port}`,
    to(list) {
      ports = list;
    },
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
