import { Agent, type IncomingMessage, request } from 'node:http';

// HTTP of the load, over connections that are kept: node's own client, because each microsecond spent here is taken
// from the verifier beside it on the same cores.

export interface ServiceCall {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface ServiceAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface ServiceConnection {
  readonly origin: string;
  /** One call and its whole answer, whatever its status. */
  send(call: ServiceCall): Promise<ServiceAnswer>;
  /** The events of a stream, as they come. @throws Error when it is refused */
  events(call: ServiceCall): AsyncGenerator<unknown, void>;
  close(): void;
}

/** A connection that nobody uses is closed by the verifier after 5 s: not at the moment of the next call. */
const IDLE_MS = 2500;

/**
 * @param sockets at most to each port, for calls and streams together
 * @param ports of several verifiers with this origin: each call goes to the next one, as a balancer would have it
 */
export function openServiceConnection(
  origin: string,
  sockets: number,
  ports: readonly number[] = [Number(new URL(origin).port)],
): ServiceConnection {
  const { hostname } = new URL(origin);
  let calls = 0;
  const agent = new Agent({
    ...{ keepAlive: true, noDelay: true },
    ...{ maxSockets: sockets, maxFreeSockets: sockets, timeout: IDLE_MS },
  });

  const answer = ({ method, path, headers, body }: ServiceCall) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = request({
        agent,
        hostname,
        port: ports[calls++ % ports.length],
        method,
        path,
        headers:
          body === undefined
            ? headers
            : {
                ...headers,
                'Content-Type': 'application/json',
                'Content-Length': String(Buffer.byteLength(body)),
              },
      });
      outgoing.once('response', resolve).once('error', reject).end(body);
    });

  return {
    origin,
    async send(call) {
      const incoming = await answer(call);
      return {
        status: incoming.statusCode ?? 0,
        headers: incoming.headers,
        body: await textOf(incoming),
      };
    },
    async *events(call) {
      const incoming = await answer(call);
      if (incoming.statusCode !== 200) throw new Error(`a stream was refused: ${await textOf(incoming)}`);
      incoming.setEncoding('utf8');
      let text = '';
      for await (const chunk of incoming) {
        text += chunk;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
          text = text.slice(end + 2);
          if (data !== undefined) yield JSON.parse(data);
        }
      }
    },
    close: () => agent.destroy(),
  };
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  incoming.setEncoding('utf8');
  let text = '';
  for await (const chunk of incoming) text += chunk;
  return text;
}
