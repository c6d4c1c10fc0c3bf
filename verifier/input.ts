import { AkashiError, base64url16, parse } from '@akashi/circuits';
import type { Context } from 'hono';
import * as v from 'valibot';

/** Bytes that a body may have (docs/protocol.md, section 8). */
export const BODY_LIMIT = 16 * 1024;

/**
 * The body, never more of it than the limit: a declared length over it is refused before a byte is read, and an
 * undeclared one as soon as it passes.
 * @throws AkashiError `too_large`
 */
export async function readBody(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > BODY_LIMIT) throw new AkashiError('too_large');
  if (request.body === null) return new Uint8Array();
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
