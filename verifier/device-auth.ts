import { AkashiError, type DpopCall, verifyDpop } from '@akashi/circuits';
import type { Context } from 'hono';
import { receiveBody } from './input.ts';
import { requireOrigin } from './origin.ts';
import type { Device, Tenant } from './records.ts';
import type { Verifier } from './verifier.ts';

// Device authentication (docs/protocol.md, section 4): RFC 9449 with a claim over the body.

const METHODS: readonly string[] = ['GET', 'POST', 'PUT', 'DELETE'] satisfies DpopCall['method'][];

/** A call whose signature, method, address, body and nonce hold; whose key it is stands open. */
export interface SignedCall {
  readonly thumbprint: string;
  readonly jti: string;
  /** When the nonce, and with it the `jti`, cannot be good any more. */
  readonly jtiExpiresAt: number;
  readonly body: Uint8Array;
  /**
   * What to answer when the database did not take the `jti`: `unauthorized`; or `use_dpop_nonce`, with a nonce that it takes,
   * where the one of this call has ended since it was looked at, or by the clock of another verifier.
   */
  replayed(): Promise<AkashiError>;
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
  const { nonces } = verifier;
  const giveNonce = () => c.header('DPoP-Nonce', nonces.make());
  giveNonce();
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
  const jtiExpiresAt = await nonces.expiry(nonce);
  if (jtiExpiresAt === undefined) {
    giveNonce();
    throw new AkashiError('use_dpop_nonce');
  }
  const replayed = async () => {
    if (!(await nonces.hasEnded(jtiExpiresAt))) return new AkashiError('unauthorized');
    giveNonce();
    return new AkashiError('use_dpop_nonce');
  };
  return { thumbprint, jti, jtiExpiresAt, body, replayed };
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
 * @throws AkashiError what {@link SignedCall.replayed} gives and {@link identifyDevice} throws
 */
export async function authenticateDevice(verifier: Verifier, c: Context): Promise<DeviceCall> {
  const call = await identifyDevice(verifier, c);
  const { tenant, device } = call.device;
  const fresh = await verifier.store.consumeJti(tenant, device, call.jti, call.jtiExpiresAt, verifier.now());
  if (!fresh) throw await call.replayed();
  return call;
}

/** Whether the device, waiting since, would still be let in. */
export async function isStillEnrolled(verifier: Verifier, call: DeviceCall): Promise<boolean> {
  const device = await verifier.store.deviceByThumbprint(call.thumbprint, verifier.now());
  return device !== undefined && device.state !== 'revoked';
}

function isDpopMethod(method: string): method is DpopCall['method'] {
  return METHODS.includes(method);
}
