import { randomBytes } from 'node:crypto';
import {
  bytesToInteger,
  type CircuitInputs,
  type ClaimsSchema,
  type DeviceKey,
  type DpopCall,
  encodeClaims,
  type FactId,
  FIELD_ORDER,
  fieldFromBytes,
  parse,
  publicJwkShape,
  schemaSignal,
  signDpop,
  thumbprint,
  type WireProof,
} from '@akashi/circuits';
import { accountsTree, claimsCredential, holderCommitment, pinCommitment } from '@akashi/circuits/poseidon';
import { ristretto255_oprf } from '@noble/curves/ed25519.js';
import { base64url, exportJWK, generateKeyPair } from 'jose';
import {
  type Answer,
  ORIGIN,
  readAnswer,
  send,
  signCredential,
  type TenantFixture,
  textOf,
  type World,
} from './app-fixtures.ts';
import { prove } from './prover-fixtures.ts';

// A phone in a few lines, after docs/protocol.md and not after the SDK, so that the verifier is held against the
// protocol. It does as it is told, wrong things included.

const { oprf } = ristretto255_oprf;

/** What a test may do otherwise than a good phone in one call. */
export interface DpopChanges {
  readonly method?: DpopCall['method'];
  readonly url?: string;
  readonly signedBody?: string;
  readonly nonce?: string | undefined;
  readonly jti?: string;
  readonly key?: DeviceKey;
  /** The whole header, as text. */
  readonly proof?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Phone {
  readonly key: DeviceKey;
  readonly thumbprint: string;
  readonly holderSecret: bigint;
  readonly holder: bigint;
  readonly call: (
    method: DpopCall['method'],
    path: string,
    body?: unknown,
    changes?: DpopChanges,
  ) => Promise<Answer>;
}

export async function newDeviceKey(): Promise<DeviceKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  return { privateKey, jwk: parse(publicJwkShape, await exportJWK(publicKey)) };
}

export async function newPhone(world: World): Promise<Phone> {
  const key = await newDeviceKey();
  const holderSecret = fieldFromBytes(randomBytes(31));
  let nonce: string | undefined;
  const call: Phone['call'] = async (method, path, body, changes = {}) => {
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    nonce ??= (await send(world, 'GET', '/v1/devices/current')).headers.get('dpop-nonce') ?? undefined;
    const claims = {
      jti: changes.jti ?? base64url.encode(randomBytes(16)),
      nonce: 'nonce' in changes ? changes.nonce : nonce,
      iat: world.clock.now,
    };
    const signed = {
      method: changes.method ?? method,
      url: changes.url ?? `${ORIGIN}${path.split('?')[0]}`,
      body: new TextEncoder().encode(changes.signedBody ?? text),
    };
    const dpop = changes.proof ?? (await signDpop(signed, claims, changes.key ?? key));
    const response = await world.app.request(`${ORIGIN}${path}`, {
      method,
      ...(body === undefined ? {} : { body: text }),
      headers: {
        dpop,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...changes.headers,
      },
    });
    nonce = response.headers.get('dpop-nonce') ?? undefined;
    return readAnswer(response);
  };
  return {
    key,
    thumbprint: await thumbprint(key.jwk),
    holderSecret,
    holder: holderCommitment(holderSecret),
    call,
  };
}

/** A token to enrol a device of a subject with. */
export async function enrolmentToken(
  world: World,
  { apiKey }: TenantFixture,
  subject: string,
): Promise<string> {
  return textOf(await send(world, 'POST', '/v1/enrolments', { token: apiKey, body: { subject } }), 'token');
}

export interface EnrolledPhone extends Phone {
  readonly device: string;
  readonly subject: string;
  readonly pinKey: bigint;
  readonly receipt: string;
  readonly prove: Prove;
}

export type Prove = <F extends FactId>(fact: F, inputs: CircuitInputs<F>) => Promise<WireProof>;

/** snarkjs proves unless another prover is given: the verifier is held against something other than our own. */
const proveBySnarkjs: Prove = async (fact, inputs) => (await prove(fact, inputs)).proof;

/** A phone, enrolled for a subject with a PIN. */
export async function enrolPhone(
  world: World,
  tenant: TenantFixture,
  subject: string,
  pin: string,
  proveFact: Prove = proveBySnarkjs,
): Promise<EnrolledPhone> {
  const phone = await newPhone(world);
  const token = await enrolmentToken(world, tenant, subject);
  const device = textOf(await phone.call('POST', '/v1/devices', { token }), 'device');
  const { pinKey } = await evaluatePin(phone, pin, { use: 'enrol' });
  const registered = await phone.call('PUT', '/v1/devices/current/pin', {
    holder: phone.holder.toString(),
    commitment: pinCommitment(pinKey, phone.holderSecret).toString(),
  });
  const receipt = textOf(registered, 'receipt');
  return { ...phone, device, subject, pinKey, receipt, prove: proveFact };
}

/** The OPRF for a PIN. @throws TypeError when the verifier refuses */
export async function evaluatePin(
  phone: Phone,
  pin: string,
  use: { readonly use: string; readonly verification?: string },
): Promise<{ readonly pinKey: bigint; readonly answer: Answer }> {
  const input = new TextEncoder().encode(pin);
  const { blind, blinded } = oprf.blind(input);
  const answer = await phone.call('POST', '/v1/devices/current/oprf', {
    ...use,
    blinded: base64url.encode(blinded),
  });
  const evaluated = base64url.decode(textOf(answer, 'evaluated'));
  return { pinKey: bytesToInteger(oprf.finalize(input, blind, evaluated)) % FIELD_ORDER, answer };
}

/** Sends an element that is a good one and belongs to no PIN. */
export function evaluateAnything(phone: Phone, use: Readonly<Record<string, string>>): Promise<Answer> {
  const { blinded } = oprf.blind(randomBytes(8));
  return phone.call('POST', '/v1/devices/current/oprf', { ...use, blinded: base64url.encode(blinded) });
}

/** What an issuer gives a phone: one account among three, and the credential over them. */
export async function issueAccount(world: World, tenant: TenantFixture, phone: EnrolledPhone) {
  const accountKeys = [3n, 5n, 8n].map((n) => n + fieldFromBytes(randomBytes(31)) / 2n);
  const [accountKey = 0n] = accountKeys;
  const { root, paths } = accountsTree(accountKeys, phone.holder);
  const claims = { sub: phone.subject, cnf: { jkt: phone.thumbprint }, accountsRoot: root.toString() };
  return {
    accountKey,
    index: 0n,
    siblings: paths[0] ?? [],
    claims,
    credential: await signCredential(world, tenant, claims),
  };
}
export type IssuedAccount = Awaited<ReturnType<typeof issueAccount>>;

/** What an issuer gives a phone: claims of a schema, and the credential that commits to them. */
export async function issueClaims(
  world: World,
  tenant: TenantFixture,
  phone: EnrolledPhone,
  { schema, values }: { readonly schema: ClaimsSchema; readonly values: Readonly<Record<string, string>> },
  changes: Readonly<Record<string, unknown>> = {},
) {
  const committed = {
    schema: schemaSignal(schema),
    salt: fieldFromBytes(randomBytes(31)),
    claims: encodeClaims(schema, values),
  };
  const credential = await signCredential(world, tenant, {
    sub: phone.subject,
    cnf: { jkt: phone.thumbprint },
    schema: String(committed.schema),
    credential: String(claimsCredential(committed, phone.holder)),
    ...changes,
  });
  return { ...committed, credential };
}
export type IssuedClaims = Awaited<ReturnType<typeof issueClaims>>;
