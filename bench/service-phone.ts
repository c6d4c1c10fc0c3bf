import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import {
  challenge,
  deviceAnswer,
  deviceStatus,
  FACTS,
  fieldFromBytes,
  needsCredential,
  oprfAnswer,
  parse,
  pendingRequest,
  problemShape,
  type WireProof,
} from '@akashi/circuits';
import type { G1Point } from '@akashi/circuits/bn254';
import { holderCommitment, pinCommitment } from '@akashi/circuits/poseidon';
import type { Prover } from '@akashi/sdk/holder';
import type { Issuer } from '@akashi/sdk/issuer';
import { heldAccount } from '../sdk/accounts.ts';
import type { Preparation } from '../sdk/groth16.ts';
import { blindPin, pinKey as unblindedKey } from '../sdk/oprf.ts';
import { ProverCurve } from '../sdk/prover-curve.ts';
import type { ServiceAnswer, ServiceCall, ServiceConnection } from './service-connection.ts';

// A customer's device as the verifier sees it, at the least cost to the machine that it shares with the verifier:
// enrolled in earnest, every call signed, every proof made for its challenge. What a real phone does on its own
// processor and the verifier never sees is left out or done beforehand:
//
// - its proofs are prepared, and sent unblinded: two points less to multiply, the same work to check;
// - `pinKey` comes from the one evaluation at enrolment; a phone asks for another one in each verification;
// - it does not check the request's signature.

/** The facts of each presentation. */
export const SERVICE_FACTS = ['pin', 'account'] as const;

const PIN = '948271';

export interface ServicePhone {
  readonly subject: string;
  /** Accepts, as the customer does; what is left then is the code. */
  accept(verification: string): Promise<AcceptedRequest>;
}

export interface AcceptedRequest {
  /** Proofs and signature, for the code that the operator spoke. */
  prepare(code: string): PreparedPresentation;
}

export interface PreparedPresentation {
  /** @throws Error unless the verifier answers that it passed */
  send(): Promise<void>;
}

export interface ServicePhoneOptions {
  readonly connection: ServiceConnection;
  readonly issuer: Issuer;
  readonly tenantScope: bigint;
  readonly subject: string;
  readonly prover: Prover;
}

/** Enrols a device and prepares its proofs. */
export async function enrolServicePhone(options: ServicePhoneOptions): Promise<ServicePhone> {
  const { connection, issuer, subject, prover, tenantScope: scope } = options;
  const sign = callSigner(connection);
  const send = async (method: Method, path: string, body?: object) => {
    const first = await sign(method, path, body)();
    return isNonceAsked(first) ? sign(method, path, body)() : first;
  };
  const { token } = await issuer.requestEnrolment(subject);
  parse(deviceAnswer, good(await send('POST', '/v1/devices', { token })));

  const blinded = blindPin(PIN, randomBytes);
  const oprf = await send('POST', '/v1/devices/current/oprf', { use: 'enrol', blinded: blinded.blinded });
  const pinKey = unblindedKey(blinded, parse(oprfAnswer, good(oprf)).evaluated);
  const holderSecret = fieldFromBytes(randomBytes(31));
  const registered = await send('PUT', '/v1/devices/current/pin', {
    holder: String(holderCommitment(holderSecret)),
    commitment: String(pinCommitment(pinKey, holderSecret)),
  });
  const { receipt = '' } = parse(deviceStatus, good(registered));
  const accounts = [{ number: subject, label: 'Account' }];
  const issued = await issuer.issueAccounts({ receipt, subject, accounts });

  const [account] = issued.accounts;
  if (account === undefined) throw new Error('no account was issued');
  const curve = await ProverCurve.load();
  const prove = {
    pin: unblinded(curve, await prover.prepare('pin', { pinKey, holderSecret })),
    account: unblinded(
      curve,
      await prover.prepare('account', { scope, reveal: 0n, holderSecret, ...heldAccount(account) }),
    ),
  };
  return {
    subject,
    async accept(verification) {
      const path = `/v1/requests/${verification}`;
      const { request = '', attempt } = parse(pendingRequest, good(await send('POST', `${path}/accept`)));
      if (attempt === undefined) throw new Error('no attempt is open');
      const nonce = Buffer.from(attempt.nonce, 'base64url');
      const factsFor = (code: string) =>
        SERVICE_FACTS.map((fact, index) => ({
          fact,
          version: FACTS[fact].version,
          proof: prove[fact](challenge({ request, index, nonce, code })),
          ...(needsCredential(fact) ? { credential: issued.credential } : {}),
        }));
      return {
        prepare(code) {
          const body = { attempt: attempt.attempt, code, facts: factsFor(code) };
          return posting(sign('POST', `${path}/presentation`, body));
        },
      };
    },
  };
}

function posting(post: () => Promise<ServiceAnswer>): PreparedPresentation {
  return {
    async send() {
      const { verdict } = parse(pendingRequest, good(await post()));
      if (verdict !== 'passed') throw new Error('the presentation did not pass');
    },
  };
}

/** The one proof of a preparation without blinding: `(a + t * challengePoint, b, c + t * h1)`, see sdk/groth16.ts. */
function unblinded(
  curve: ProverCurve,
  { a, b, c, h1, challenge: point }: Preparation,
): (bound: bigint) => WireProof {
  const wireB: WireProof['b'] = [pair(b[0]), pair(b[1])];
  const sum = (start: G1Point, step: G1Point, times: bigint) => {
    const result = curve.combineG1([start, step], [1n, times]);
    if (result === undefined) throw new Error('a proof at infinity');
    return pair(result);
  };
  return (bound) => ({ a: sum(a, point, bound), b: wireB, c: sum(c, h1, bound) });
}

function pair([x, y]: readonly [bigint, bigint]): [string, string] {
  return [x.toString(), y.toString()];
}

type Method = ServiceCall['method'];

/** Signs calls by a new device key (docs/protocol.md, section 4); what it gives sends the call. */
function callSigner(
  connection: ServiceConnection,
): (method: Method, path: string, body?: object) => () => Promise<ServiceAnswer> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
  const header = segment({ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } });
  let nonce: string | undefined;
  return (method, path, body) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const claims = segment({
      jti: randomBytes(16).toString('base64url'),
      htm: method,
      htu: `${connection.origin}${path}`,
      iat: Math.floor(Date.now() / 1000),
      bh: createHash('sha256').update(text).digest('base64url'),
      ...(nonce === undefined ? {} : { nonce }),
    });
    const signature = sign('sha256', Buffer.from(`${header}.${claims}`), {
      key: privateKey,
      dsaEncoding: 'ieee-p1363',
    });
    const headers = { DPoP: `${header}.${claims}.${signature.toString('base64url')}` };
    return async () => {
      const answer = await connection.send({ method, path, headers, ...(body && { body: text }) });
      nonce = answer.headers['dpop-nonce']?.toString() ?? nonce;
      return answer;
    };
  };
}

function segment(content: object): string {
  return Buffer.from(JSON.stringify(content)).toString('base64url');
}

function isNonceAsked({ status, body }: ServiceAnswer): boolean {
  return status === 401 && parse(problemShape, JSON.parse(body)).code === 'use_dpop_nonce';
}

/** The content of a good answer. @throws Error with the text of any other */
export function good({ status, body }: ServiceAnswer): unknown {
  if (status < 200 || status > 299) throw new Error(`${status}: ${body}`);
  return JSON.parse(body);
}
