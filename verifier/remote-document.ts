import { get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import { isIP } from 'node:net';
import { isReachable, lookupWithin, type Reach } from './network.ts';

/** A document that a tenant serves. */
export interface RemoteDocument {
  readonly url: string;
  /** The content types that it may have. */
  readonly types: readonly string[];
  readonly maxBytes: number;
  readonly reach: Reach;
}

/**
 * Fetches a document, within its bounds.
 * @throws Error for whatever is not a plain 200 of that type and size
 */
export type ReadDocument = (document: RemoteDocument, signal: AbortSignal) => Promise<string>;

/**
 * By node:http and node:https rather than `fetch`: these let the addresses be checked that a connection is made to, and they
 * follow no redirect. Connections are not kept, answers are not unpacked: what is longer than allowed is cut off as it comes.
 */
export const readDocument: ReadDocument = async ({ url: address, types, maxBytes, reach }, signal) => {
  const url = new URL(address);
  if (url.protocol !== 'https:' && reach !== 'loopback') throw new Error('not https');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // An address in the URL itself is looked up by nobody.
  if (isIP(host) !== 0 && !isReachable(host, reach)) throw new Error('address out of reach');
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const get = url.protocol === 'https:' ? getHttps : getHttp;
    const headers = { accept: types.join(', '), 'accept-encoding': 'identity', 'user-agent': 'akashi' };
    get(url, { headers, agent: false, lookup: lookupWithin(reach), signal }, resolve).on('error', reject);
  });
  try {
    return await readBody(response, types, maxBytes);
  } finally {
    response.destroy();
  }
};

async function readBody(
  response: IncomingMessage,
  types: readonly string[],
  maxBytes: number,
): Promise<string> {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = response.headers;
  if (response.statusCode !== 200) throw new Error('not a 200');
  if (!types.includes(type.split(';', 1)[0]?.trim().toLowerCase() ?? ''))
    throw new Error('another content type');
  if (encoding !== 'identity') throw new Error('packed');
  const chunks: Buffer[] = [];
  let length = Number(response.headers['content-length'] ?? 0);
  if (length > maxBytes) throw new Error('too long');
  length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw new Error('too long');
    chunks.push(chunk);
  }
  if (!response.complete) throw new Error('cut off');
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
}
