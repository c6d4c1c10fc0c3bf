import { createHmac, timingSafeEqual } from 'node:crypto';
import { AkashiError, type DpopCall, verifyDpop } from '@akashi/circuits';
import type { Context } from 'hono';
import { base64url } from 'jose';
import { receiveBody } from './input.ts';
import { requireOrigin } from './origin.ts';
import type { Device, Tenant } from './records.ts';
import type { Verifier } from './verifier.ts';

// Device authentication (docs/protocol.md, section 4): RFC 9449 with a claim over the body.

/** Seconds for which a nonce is good. */
export const NONCE_SECONDS = 300;
/** Seconds by which the clock of another process with the same keys may be ahead. */
const CLOCK_LEEWAY_SECONDS = 60;

const METHODS: readonly string[] = ['GET', 'POST', 'PUT', 'DELETE'] satisfies DpopCall['method'][];

/** A call whose signature, method, address, body and nonce hold; whose key it is stands open. */
export interface SignedCall {
  readonly thumbprint: string;
  readonly jti: string;
  /** When the nonce, and with it the `jti`, cannot be good any more. */
  readonly jtiExpiresAt: number;
  readonly body: Uint8Array;
}

/** A signed call of an enrolled device. */
export interface DeviceCall extends SignedCall {
  readonly device: Device;
  readonly tenant: Tenant;
}

/**
 * The signature of a device call. Whatever comes of it, the answer carries a fresh nonce and the key statement.
 * @throws AkashiError `too_large`, `busy`, `unauthorized`, `use_dpop_nonce`
 */
export async function checkSignature(verifier: Verifier, c: Context): Promise<SignedCall> {
  c.header('DPoP-Nonce', newNonce(verifier.keys.nonceKey, verifier.now()));
  c.header('Akashi-Keys', verifier.keys.statement);
  const body = await receiveBody(verifier, c);
  const proof = c.req.header('dpop');
  const { method } = c.req;
  if (proof === undefined || !isDpopMethod(method)) throw new AkashiError('unauthorized');
  // The configured origin, never the Host header: a proof for another verifier is not good here.
  const url = `${verifier.origin}${new URL(c.req.url).pathname}`;
  const { thumbprint, jti, nonce } = await verifier.instruments.phase('authenticate', () =>
    verifyDpop(proof, { method, url, body }),
  );
  const jtiExpiresAt = nonceExpiry(verifier.keys.nonceKey, nonce, verifier.now());
  if (jtiExpiresAt === undefined) throw new AkashiError('use_dpop_nonce');
  return { thumbprint, jti, jtiExpiresAt, body };
}

/**
 * The device that made a call. Its `jti` is not consumed yet: a presentation does that with its attempt.
 * @throws AkashiError `device_revoked`, `origin_refused`, and what {@link checkSignature} throws
 */
export async function identifyDevice(verifier: Verifier, c: Context): Promise<DeviceCall> {
  const call = await checkSignature(verifier, c);
  const { store, now } = verifier;
  const device = await store.deviceByThumbprint(call.thumbprint, now());
  const tenant = device && (await store.tenant(device.tenant));
  if (device === undefined || tenant === undefined) throw new AkashiError('unauthorized');
  if (device.state === 'revoked') throw new AkashiError('device_revoked');
  requireOrigin(c, tenant);
  return { ...call, device, tenant };
}

/**
 * The device that made a call, once: a second call with the same `jti` is refused.
 * @throws AkashiError `unauthorized` for a replay, and what {@link identifyDevice} throws
 */
export async function authenticateDevice(verifier: Verifier, c: Context): Promise<DeviceCall> {
  const call = await identifyDevice(verifier, c);
  const { tenant, device } = call.device;
  const fresh = await verifier.store.consumeJti(tenant, device, call.jti, call.jtiExpiresAt, verifier.now());
  if (!fresh) throw new AkashiError('unauthorized');
  return call;
}

/** Whether the device, waiting since, would still be let in. */
export async function isStillEnrolled(verifier: Verifier, call: DeviceCall): Promise<boolean> {
  const device = await verifier.store.deviceByThumbprint(call.thumbprint, verifier.now());
  return device !== undefined && device.state !== 'revoked';
}

// A nonce is its time and an HMAC over it: nothing is stored, and a nonce made by one process is good at another.

const TIME_LENGTH = 8;
const MAC_LENGTH = 16;

export function newNonce(nonceKey: Uint8Array, now: number): string {
  const at = Buffer.alloc(TIME_LENGTH);
  at.writeBigUInt64BE(BigInt(now));
  return base64url.encode(Buffer.concat([at, nonceMac(nonceKey, at)]));
}

/** When a nonce made here ends, if that is still to come. */
export function nonceExpiry(
  nonceKey: Uint8Array,
  nonce: string | undefined,
  now: number,
): number | undefined {
  if (nonce === undefined) return undefined;
  const bytes = Buffer.from(nonce, 'base64url');
  if (bytes.length !== TIME_LENGTH + MAC_LENGTH) return undefined;
  const at = bytes.subarray(0, TIME_LENGTH);
  if (!timingSafeEqual(bytes.subarray(TIME_LENGTH), nonceMac(nonceKey, at))) return undefined;
  const madeAt = Number(at.readBigUInt64BE());
  if (madeAt > now + CLOCK_LEEWAY_SECONDS || madeAt + NONCE_SECONDS <= now) return undefined;
  return madeAt + NONCE_SECONDS;
}

function nonceMac(nonceKey: Uint8Array, at: Uint8Array): Buffer {
  const mac = createHmac('sha256', nonceKey).update('akashi/dpop-nonce/v1').update(at).digest();
  return mac.subarray(0, MAC_LENGTH);
}

function isDpopMethod(method: string): method is DpopCall['method'] {
  return METHODS.includes(method);
}
