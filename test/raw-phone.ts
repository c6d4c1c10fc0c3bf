import { randomBytes } from 'node:crypto';
import {
  bytesToInteger,
  type CircuitInputs,
  challenge,
  type DeviceKey,
  deviceAnswer,
  deviceStatus,
  encodeBounds,
  encodeClaims,
  encodeValues,
  type FactId,
  FIELD_ORDER,
  fieldFromBytes,
  isRequestedFact,
  oprfAnswer,
  type PendingRequest,
  parse,
  parseRequest,
  pendingRequest,
  problemShape,
  type RequestedFact,
  signDpop,
  thumbprint,
  type WirePresentation,
  type WireProof,
} from '@akashi/circuits';
import { accountReference, holderCommitment, pinCommitment } from '@akashi/circuits/poseidon';
import type { IssuedAccounts, IssuedClaims, Issuer } from '@akashi/sdk/issuer';
import { ristretto255_oprf } from '@noble/curves/ed25519.js';
import { base64url, decodeJwt } from 'jose';
import {
  type Account,
  CUSTOMER,
  listClaims,
  listingFetch,
  newAccount,
  newClaims,
  newPin,
} from './harness.ts';
import { prove } from './proofs.ts';
import { keepSecret } from './run.ts';

// A phone written anew from docs/protocol.md, without the SDK: it gives everything it knows away and does whatever an
// attacker who owns the device could do.

export interface RawPhone {
  readonly subject: string;
  readonly device: string;
  readonly key: DeviceKey;
  readonly thumbprint: string;
  readonly pin: string;
  readonly secrets: PhoneSecrets;
  readonly issued: IssuedAccounts;
  readonly vouched: IssuedClaims;
  readonly connection: RawConnection;
}

export interface PhoneSecrets {
  readonly pinKey: bigint;
  readonly holderSecret: bigint;
}

/** One signed call. Whatever is not said is as it should be. */
export interface RawCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: string;
  /** An object travels as JSON, a text as it is. */
  readonly body?: object | string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly jti?: string;
}

export interface RawConnection {
  /** Signs, sends, and gives whatever comes back. */
  send(call: RawCall): Promise<Response>;
  /**
   * A call that is signed and not sent: what is in it can be timed or sent several times at once, and to another address
   * than the verifier's origin.
   */
  prepare(call: RawCall): Promise<(address?: string) => Promise<Response>>;
}

/** A connection by this key. */
export function connect(verifier: string, key: DeviceKey): RawConnection {
  let nonce: string | undefined;
  const sign = async ({ method, path, query, body, headers, jti }: RawCall) => {
    const text = typeof body === 'object' ? JSON.stringify(body) : body;
    const signed = { method, url: `${verifier}${path}`, body: new TextEncoder().encode(text ?? '') };
    const claims = { jti: jti ?? newId(), nonce, iat: Math.floor(Date.now() / 1000) };
    const init: RequestInit = {
      method,
      headers: {
        DPoP: await signDpop(signed, claims, key),
        ...(text === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(text === undefined ? {} : { body: text }),
    };
    return async (address = verifier) => {
      const response = await listingFetch(`${address}${path}${query ? `?${query}` : ''}`, init);
      nonce = response.headers.get('DPoP-Nonce') ?? nonce;
      return response;
    };
  };
  const prepare = async (call: RawCall) => {
    if (nonce === undefined) await (await sign({ method: 'GET', path: '/v1/devices/current' }))();
    return sign(call);
  };
  return {
    prepare,
    async send(call) {
      const answer = await (await prepare(call))();
      if (answer.status !== 401 || (await codeOf(answer.clone())) !== 'use_dpop_nonce') return answer;
      return (await prepare(call))();
    },
  };
}

/** Enrols a new device the long way. */
export async function enrolRawPhone(
  verifier: string,
  issuer: Issuer,
  subject: string,
  options: { readonly pin?: string; readonly accounts?: readonly Account[] } = {},
): Promise<RawPhone> {
  const { pin = newPin(), accounts = [newAccount('A'), newAccount('B')] } = options;
  const key = await newDeviceKey();
  const connection = connect(verifier, key);
  const { token } = await issuer.requestEnrolment(subject);
  const registered = await connection.send({ method: 'POST', path: '/v1/devices', body: { token } });
  const { device } = parse(deviceAnswer, await good(registered));
  const pinKey = await evaluatePin(connection, pin, { use: 'enrol' });
  const holderSecret = fieldFromBytes(randomBytes(31));
  const body = {
    holder: String(holderCommitment(holderSecret)),
    commitment: String(pinCommitment(pinKey, holderSecret)),
  };
  const active = await connection.send({ method: 'PUT', path: '/v1/devices/current/pin', body });
  const { receipt = '' } = parse(deviceStatus, await good(active));
  const issued = await issuer.issueAccounts({ receipt, subject, accounts });
  const claims = newClaims();
  const vouched = listClaims(await issuer.issueClaims({ receipt, subject, schema: CUSTOMER, claims }));
  for (const secret of [pinKey, holderSecret, ...issued.accounts.map(({ accountKey }) => accountKey)]) {
    keepSecret('field', String(secret));
  }
  const secrets = { pinKey, holderSecret };
  return {
    subject,
    device,
    key,
    thumbprint: await thumbprint(key.jwk),
    pin,
    secrets,
    issued,
    vouched,
    connection,
  };
}

export async function newDeviceKey(): Promise<DeviceKey> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
  const { x = '', y = '' } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  return { jwk: { kty: 'EC', crv: 'P-256', x, y }, privateKey: pair.privateKey };
}

/** A fresh id as the protocol writes them. */
export function newId(): string {
  return base64url.encode(randomBytes(16));
}

export interface BlindedPin {
  readonly blind: Uint8Array;
  readonly blinded: string;
}

export function blindPin(pin: string): BlindedPin {
  const { blind, blinded } = ristretto255_oprf.oprf.blind(new TextEncoder().encode(pin));
  return { blind, blinded: base64url.encode(blinded) };
}

export function pinKeyOf(pin: string, { blind }: BlindedPin, evaluated: string): bigint {
  const input = new TextEncoder().encode(pin);
  const output = ristretto255_oprf.oprf.finalize(input, blind, base64url.decode(evaluated));
  return bytesToInteger(output) % FIELD_ORDER;
}

/** Has the verifier evaluate a PIN. @throws Error with the code of a refusal */
export async function evaluatePin(connection: RawConnection, pin: string, use: object): Promise<bigint> {
  const blinded = blindPin(pin);
  const body = { ...use, blinded: blinded.blinded };
  const answer = await connection.send({ method: 'POST', path: '/v1/devices/current/oprf', body });
  return pinKeyOf(pin, blinded, parse(oprfAnswer, await good(answer)).evaluated);
}

/** The request, accepted by this phone, with its open attempt. */
export async function acceptRequest(phone: RawPhone, verification: string): Promise<OpenRequest> {
  const path = `/v1/requests/${verification}/accept`;
  return openRequest(await good(await phone.connection.send({ method: 'POST', path })));
}

export async function readRequest(phone: RawPhone, verification: string): Promise<PendingRequest> {
  const path = `/v1/requests/${verification}`;
  return parse(pendingRequest, await good(await phone.connection.send({ method: 'GET', path })));
}

/** A request with its open attempt: all that a challenge is made of, but the code. */
export interface OpenRequest {
  readonly verification: string;
  readonly jws: string;
  readonly attempt: string;
  readonly nonce: Uint8Array;
  readonly facts: readonly RequestedFact[];
}

export function openRequest(answer: unknown): OpenRequest {
  const { verification, request, attempt } = parse(pendingRequest, answer);
  if (request === undefined || attempt === undefined) throw new Error('no attempt is open');
  const { facts } = parseRequest(decodeJwt(request));
  if (!facts.every(isRequestedFact)) throw new TypeError('this phone has no passkey');
  const nonce = base64url.decode(attempt.nonce);
  return { verification, jws: request, attempt: attempt.attempt, nonce, facts };
}

/** The entry of one fact in a request. */
export type Asked<F extends FactId> = Extract<RequestedFact, { fact: F }>;

/** What the circuits want to know. The registry's type makes this table complete. */
export type Witness = {
  readonly [F in FactId]: (phone: RawPhone, asked: Asked<F>, bound: bigint) => CircuitInputs<F>;
};

export const WITNESS: Witness = {
  pin: ({ secrets }, _asked, bound) => ({ ...secrets, challenge: bound }),
  account: ({ secrets, issued }, asked, bound) => {
    const scope = BigInt(asked.scope);
    const reveal = asked.accountRef === '0' ? 0n : 1n;
    const shown = issued.accounts.find(
      ({ accountKey }) =>
        reveal === 0n || accountReference(BigInt(accountKey), scope) === BigInt(asked.accountRef),
    );
    if (shown === undefined) throw new Error('not an account of this phone');
    return {
      challenge: bound,
      scope,
      reveal,
      accountKey: BigInt(shown.accountKey),
      holderSecret: secrets.holderSecret,
      index: BigInt(shown.index),
      siblings: shown.siblings.map(BigInt),
    };
  },
  range: (phone, asked, bound) => ({
    ...claimInputs(phone, asked, bound),
    ...encodeBounds(asked.claim, asked),
  }),
  member: (phone, asked, bound) => ({
    ...claimInputs(phone, asked, bound),
    ...encodeValues(asked.claim, asked.values),
  }),
};

function claimInputs({ secrets, vouched }: RawPhone, asked: Asked<'range' | 'member'>, bound: bigint) {
  return {
    challenge: bound,
    schema: BigInt(asked.schema),
    index: BigInt(asked.index),
    claims: encodeClaims(vouched.schema, vouched.claims),
    salt: BigInt(vouched.salt),
    holderSecret: secrets.holderSecret,
  };
}

/** Where the credential of a fact is, if it has one. */
const CREDENTIAL: { readonly [F in FactId]: (phone: RawPhone) => string | undefined } = {
  pin: () => undefined,
  account: ({ issued }) => issued.credential,
  range: ({ vouched }) => vouched.credential,
  member: ({ vouched }) => vouched.credential,
};

/** Inputs of one requested fact, from the table. */
export function witnessOf<F extends FactId>(
  phone: RawPhone,
  fact: F,
  asked: RequestedFact,
  bound: bigint,
): CircuitInputs<F> {
  if (!isAsked(fact, asked)) throw new TypeError('another fact was asked for');
  return WITNESS[fact](phone, asked, bound);
}

export function isAsked<F extends FactId>(fact: F, asked: RequestedFact): asked is Asked<F> {
  return asked.fact === fact;
}

export function boundChallenge(open: OpenRequest, index: number, code: string | null): bigint {
  return challenge({ request: open.jws, index, nonce: open.nonce, code });
}

/** A good presentation for the open attempt. */
export async function presentationOf(
  phone: RawPhone,
  open: OpenRequest,
  code: string | null,
): Promise<WirePresentation> {
  const facts: WirePresentation['facts'] = [];
  for (const [index, asked] of open.facts.entries()) {
    const { fact } = asked;
    const proof = await prove(fact, witnessOf(phone, fact, asked, boundChallenge(open, index, code)));
    facts.push(factOf(phone, asked, proof));
  }
  return { attempt: open.attempt, ...(code === null ? {} : { code }), facts };
}

/** One entry of a presentation. */
export function factOf(
  phone: RawPhone,
  { fact, version }: RequestedFact,
  proof: WireProof,
): WirePresentation['facts'][number] {
  const credential = CREDENTIAL[fact](phone);
  return { fact, version, proof, ...(credential === undefined ? {} : { credential }) };
}

export function postPresentation(
  phone: RawPhone,
  verification: string,
  presentation: object | string,
): Promise<Response> {
  const path = `/v1/requests/${verification}/presentation`;
  return phone.connection.send({ method: 'POST', path, body: presentation });
}

/** The body of an answer that is good. @throws Error with the code of one that is not */
export async function good(response: Response): Promise<unknown> {
  if (!response.ok) throw new Error(await codeOf(response));
  return response.json();
}

/** The stable code of a refusal. */
export async function codeOf(response: Response): Promise<string> {
  return parse(problemShape, await response.json()).code;
}
