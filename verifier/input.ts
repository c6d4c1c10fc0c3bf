import { AkashiError, base64url16, parse } from '@akashi/circuits';
import type { Context } from 'hono';
import * as v from 'valibot';
import { CALLS_MAX, RETRY_SECONDS } from './admission.ts';
import type { Verifier } from './verifier.ts';

/** Bytes that a body may have (docs/protocol.md, section 8). */
export const BODY_LIMIT = 16 * 1024;
const NOTHING = new Uint8Array();

/**
 * The body of a call. While it comes the call holds no place (admission.ts): how slowly it is sent is the sender's choice, and
 * slow senders must not keep the others out. When it is there the call has a place again, or is refused.
 * @throws AkashiError `too_large`, `busy`
 */
export async function receiveBody({ calls }: Pick<Verifier, 'calls'>, { req }: Context): Promise<Uint8Array> {
  calls.count--;
  const body = await readBody(req.raw).finally(() => {
    calls.count++;
  });
  // Its own place is counted already.
  if (calls.count > CALLS_MAX) throw new AkashiError('busy', { retryAfter: RETRY_SECONDS });
  return body;
}

/**
 * The body, never more of it than the limit: a declared length over it is refused before a byte is read, and an
 * undeclared one as soon as it passes.
 * @throws AkashiError `too_large`
 */
async function readBody(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > BODY_LIMIT) throw new AkashiError('too_large');
  // Not asked for its body: for that alone a whole Request would be made, and kept for as long as its caller waits.
  if (request.method === 'GET' || request.method === 'HEAD') return NOTHING;
  if (request.body === null) return NOTHING;
  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks);
    length += value.length;
    if (length > BODY_LIMIT) {
      await reader.cancel();
      throw new AkashiError('too_large');
    }
    chunks.push(value);
  }
}

/**
 * The typed form of a JSON body.
 * @throws AkashiError `unsupported_media_type` when it is not declared as JSON, `malformed` when it is not of the shape
 */
export function parseBody<S extends v.GenericSchema>(
  shape: S,
  request: Request,
  body: Uint8Array,
): v.InferOutput<S> {
  // Also what keeps plain HTML forms out: they cannot send this type.
  if (!/^application\/json(?:; ?charset=utf-8)?$/i.test(request.headers.get('content-type') ?? '')) {
    throw new AkashiError('unsupported_media_type');
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (cause) {
    throw new AkashiError('malformed', { cause });
  }
  return parse(shape, json);
}

/** The `:id` of the path. What cannot be an id is answered as an unknown one. @throws AkashiError `not_found` */
export function parseId(c: Context): string {
  const id = v.safeParse(base64url16, c.req.param('id'));
  if (!id.success) throw new AkashiError('not_found');
  return id.output;
}
