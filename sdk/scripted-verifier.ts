import {
  AkashiError,
  type Attempt,
  decodeBase64url,
  type ErrorCode,
  encodeBase64url,
  type PendingRequest,
  parse,
  parsePresentation,
  passkeyBody,
  type Request as SignedRequest,
  type SigningKey,
  signJws,
  tenantScope,
  verifyDpop,
  type WirePresentation,
} from '@akashi/circuits';
import { ristretto255_oprf } from '@noble/curves/ed25519.js';
import { newId, newSigner, ORIGIN, type Signer, statementOf } from './scripted-keys.ts';

// Test support: the device routes of a verifier as far as a phone can tell, behind a `fetch`, with faults on demand. It
// checks signatures and evaluates PINs for real; whether a presentation passes is scripted. The real verifier is tried in test/.

export const TENANT = { id: 'aoba', name: 'Aoba Bank' };
export const SUBJECT = 'customer-1';
export const RP_ID = 'bank.example';

/** What happens to a call: it does not arrive, or its answer does not. */
export type Fault = 'lostCall' | 'lostAnswer';

export interface ScriptedCall {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly body: unknown;
  readonly jti: string;
}

interface ScriptedDevice {
  readonly device: string;
  readonly jkt: string;
  evaluationKey: Uint8Array;
  pendingKey: Uint8Array | null;
  state: 'enrolling' | 'active' | 'revoked';
  holder: string | null;
  commitment: string | null;
  tries: number;
  lastCounted: string;
  pinChangedAt: number | null;
  passkeys: { readonly passkey: string; readonly id: string }[];
}

interface ScriptedVerification {
  readonly request: string;
  readonly exp: number;
  answer: PendingRequest;
}

export class ScriptedVerifier {
  /** UTC seconds: far from the real time, as a phone's clock may be wrong. */
  now = 1_900_000_000;
  readonly root: Signer;
  readonly signing: Signer;
  readonly calls: ScriptedCall[] = [];
  readonly devices: ScriptedDevice[] = [];
  readonly presentations: WirePresentation[] = [];
  /** Whether the next presentations hold; the last one stays. */
  verdicts: boolean[] = [true];
  /** What it says may be asked about claims. */
  askable: readonly unknown[] = [];
  statement = '';
  nonce = 'nonce-1';
  /** Decides the fate of calls, by method and path; `undefined`: nothing happens to it. */
  fault: (method: string, path: string) => Fault | undefined = () => undefined;
  private readonly tokens = new Set<string>();
  private readonly verifications = new Map<string, ScriptedVerification>();
  private readonly jtis = new Set<string>();

  constructor(root: Signer, signing: Signer) {
    this.root = root;
    this.signing = signing;
  }

  static async open(): Promise<ScriptedVerifier> {
    const verifier = new ScriptedVerifier(await newSigner(), await newSigner());
    verifier.statement = await statementOf(verifier.root, verifier.signing, verifier.now);
    return verifier;
  }

  get signingKey(): SigningKey {
    return { kid: this.signing.kid, privateKey: this.signing.privateKey };
  }

  link(): string {
    const token = newId();
    this.tokens.add(token);
    return `https://phone.example/#enrol=${token}.${this.root.kid}`;
  }

  /** A request to all active devices. */
  async ask(rest: Partial<SignedRequest> = {}): Promise<string> {
    const id = newId();
    const request: SignedRequest = {
      iss: ORIGIN,
      jti: id,
      aud: this.devices.filter(({ state }) => state === 'active').map(({ jkt }) => jkt),
      tenant: TENANT,
      operator: 'Sato',
      mode: 'call',
      direction: 'inbound',
      purpose: { id: 'identify', text: { en: 'Making sure it is you' } },
      facts: [
        { fact: 'pin', version: 1 },
        { fact: 'account', version: 1, scope: String(await tenantScope(TENANT.id)), accountRef: '0' },
      ],
      nonce: newId(32),
      iat: this.now,
      exp: this.now + 120,
      ...rest,
    };
    const jws = await signJws('request', request, this.signingKey);
    this.verifications.set(id, {
      request: jws,
      exp: request.exp,
      answer: { verification: id, state: 'pending', later: false, expiresAt: request.exp, request: jws },
    });
    return id;
  }

  /** Puts another answer in place of what the verifier would say. */
  say(id: string, change: (answer: PendingRequest) => PendingRequest): void {
    const verification = this.verification(id);
    verification.answer = change(verification.answer);
  }

  callsTo(method: string, path: RegExp): readonly ScriptedCall[] {
    return this.calls.filter((call) => call.method === method && path.test(call.path));
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const call = new Request(input, init);
    const { pathname, search } = new URL(call.url);
    const fault = this.fault(call.method, pathname);
    if (fault === 'lostCall') throw new TypeError('connection reset');
    const answer = await this.handle(call, pathname, search).catch((error: unknown) => {
      if (error instanceof AkashiError) return problem(error);
      throw error;
    });
    if (fault === 'lostAnswer') throw new TypeError('connection reset');
    const headers = new Headers(answer.headers);
    headers.set('Date', new Date(this.now * 1000).toUTCString());
    headers.set('DPoP-Nonce', this.nonce);
    if (this.statement) headers.set('Akashi-Keys', this.statement);
    return new Response(answer.body, { status: answer.status, headers });
  };

  private async handle(call: Request, path: string, query: string): Promise<Response> {
    if (path === '/v1/jwks') {
      const { jwk, kid } = this.signing;
      const life = { nbf: this.now - 60, exp: this.now + 86_400 };
      return Response.json({ keys: [{ ...jwk, ...life, kid, use: 'sig', alg: 'ES256' }] });
    }
    const text = await call.text();
    const { method } = call;
    if (method !== 'GET' && method !== 'POST' && method !== 'PUT' && method !== 'DELETE')
      throw refused('not_found', 404);
    const proof = await verifyDpop(call.headers.get('DPoP') ?? '', {
      method,
      url: `${ORIGIN}${path}`,
      body: new TextEncoder().encode(text),
    });
    if (proof.nonce !== this.nonce) throw refused('use_dpop_nonce', 401);
    if (this.jtis.has(proof.jti)) throw refused('unauthorized', 401);
    this.jtis.add(proof.jti);
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    this.calls.push({ method, path, query, body, jti: proof.jti });
    if (method === 'POST' && path === '/v1/devices') return this.redeem(proof.thumbprint, body);
    const device = this.devices.find(({ jkt }) => jkt === proof.thumbprint);
    if (!device) throw refused('unauthorized', 401);
    if (device.state === 'revoked') throw refused('device_revoked', 403);
    return this.route(device, `${method} ${path}`, { body, etag: call.headers.get('If-None-Match') });
  }

  private async route(
    device: ScriptedDevice,
    route: string,
    { body, etag }: { body: unknown; etag: string | null },
  ): Promise<Response> {
    if (route === 'POST /v1/devices/current/oprf') return this.evaluate(device, body);
    if (route === 'PUT /v1/devices/current/pin') return this.registerPin(device, body);
    if (route === 'GET /v1/devices/current') return this.status(device);
    if (route === 'GET /v1/devices/current/facts') return Response.json({ facts: this.askable });
    if (route === 'DELETE /v1/devices/current') {
      device.state = 'revoked';
      return new Response(null, { status: 204 });
    }
    if (route.includes(' /v1/devices/current/passkeys')) return this.passkeys(device, route, body);
    if (route === 'GET /v1/requests') {
      const requests = [...this.verifications.values()].map(({ answer }) => answer);
      const tag = `"${encodeBase64url(new TextEncoder().encode(JSON.stringify(requests))).slice(-40)}"`;
      if (etag === tag) return new Response(null, { status: 304 });
      return Response.json({ requests }, { headers: { ETag: tag } });
    }
    const [, id = '', verb] = /^(?:GET|POST) \/v1\/requests\/([^/]+)(?:\/(\w+))?$/.exec(route) ?? [];
    return Response.json(this.react(id, verb, body));
  }

  private redeem(jkt: string, body: unknown): Response {
    if (this.devices.some((known) => known.jkt === jkt)) throw refused('device_exists', 409);
    const { token } = body as { token: string };
    if (!this.tokens.delete(token)) throw refused('enrolment_refused', 403);
    const device: ScriptedDevice = {
      device: newId(),
      jkt,
      evaluationKey: ristretto255_oprf.oprf.generateKeyPair().secretKey,
      pendingKey: null,
      state: 'enrolling',
      holder: null,
      commitment: null,
      tries: 0,
      lastCounted: '',
      pinChangedAt: null,
      passkeys: [],
    };
    this.devices.push(device);
    return Response.json({ device: device.device, tenant: TENANT }, { status: 201 });
  }

  private evaluate(device: ScriptedDevice, body: unknown): Response {
    const { use, blinded, verification } = body as { use: string; blinded: string; verification?: string };
    const evaluateWith = (key: Uint8Array) =>
      encodeBase64url(ristretto255_oprf.oprf.blindEvaluate(key, decodeBase64url(blinded)));
    if (use === 'new') {
      device.pendingKey = ristretto255_oprf.oprf.generateKeyPair().secretKey;
      return Response.json({ evaluated: evaluateWith(device.pendingKey), nonce: newId(32) });
    }
    if (use === 'enrol') return Response.json({ evaluated: evaluateWith(device.evaluationKey) });
    if (verification !== undefined && this.verification(verification).answer.state !== 'accepted') {
      throw refused('evaluation_refused', 403);
    }
    const counted = `${verification ?? use} ${blinded}`;
    if (counted !== device.lastCounted) {
      if (device.tries >= 5) throw refused('pin_locked', 403);
      device.tries += 1;
      device.lastCounted = counted;
    }
    return Response.json({ evaluated: evaluateWith(device.evaluationKey), triesLeft: 5 - device.tries });
  }

  private async registerPin(device: ScriptedDevice, body: unknown): Promise<Response> {
    const { holder, commitment } = body as { holder?: string; commitment: string };
    if (holder !== undefined) device.holder = holder;
    else if (device.pendingKey) device.evaluationKey = device.pendingKey;
    device.commitment = commitment;
    device.state = 'active';
    device.pinChangedAt = (device.pinChangedAt ?? this.now) + 1;
    return this.status(device);
  }

  private passkeys(device: ScriptedDevice, route: string, body: unknown): Response {
    if (route.endsWith('/options')) {
      const exclude = device.passkeys.map(({ id }) => id);
      return Response.json({ challenge: newId(32), rpId: RP_ID, exclude, expiresAt: this.now + 300 });
    }
    if (route.startsWith('POST')) {
      const { registration } = parse(passkeyBody, body);
      const passkey = newId();
      device.passkeys.push({ passkey, id: registration.id });
      device.tries = 0;
      return Response.json({ passkey }, { status: 201 });
    }
    const known = device.passkeys.findIndex(({ passkey }) => route.endsWith(`/${passkey}`));
    if (known < 0) throw refused('not_found', 404);
    device.passkeys.splice(known, 1);
    return new Response(null, { status: 204 });
  }

  private async status(device: ScriptedDevice): Promise<Response> {
    const { state, jkt, holder, tries, pinChangedAt } = device;
    const claims = {
      iss: ORIGIN,
      tenant: TENANT.id,
      sub: SUBJECT,
      jkt,
      holder,
      iat: this.now,
      exp: this.now + 600,
    };
    return Response.json({
      device: device.device,
      tenant: TENANT,
      state,
      enrolledAt: this.now,
      pinChangedAt,
      triesLeft: 5 - tries,
      rpId: RP_ID,
      passkeys: device.passkeys.map(({ passkey }) => ({ passkey, createdAt: this.now })),
      ...(holder === null ? {} : { receipt: await signJws('receipt', claims, this.signingKey) }),
      newer: [],
    });
  }

  private react(id: string, verb: string | undefined, body: unknown): PendingRequest {
    const verification = this.verification(id);
    const { answer } = verification;
    if (verb === undefined) return answer;
    if (answer.state === 'done' && verb !== 'presentation') throw refused('verification_over', 409);
    if (verb === 'accept' && answer.state === 'pending') {
      verification.answer = { ...answer, state: 'accepted', attempt: newAttempt(3) };
    } else if (verb === 'later') {
      verification.answer = { ...answer, later: true };
    } else if (verb === 'decline' || verb === 'report') {
      verification.answer = over(answer, verb === 'decline' ? 'declined' : 'reported');
    } else if (verb === 'presentation') {
      verification.answer = this.judge(answer, body as WirePresentation);
    }
    return verification.answer;
  }

  private judge(answer: PendingRequest, presentation: WirePresentation): PendingRequest {
    parsePresentation(presentation);
    if (answer.attempt?.attempt !== presentation.attempt) throw refused('attempt_used', 409);
    this.presentations.push(presentation);
    const [passed, ...later] = this.verdicts;
    if (later.length > 0) this.verdicts = later;
    if (passed) return over(answer, 'passed');
    const left = answer.attempt.left - 1;
    return left === 0 ? over(answer, 'failed') : { ...answer, attempt: newAttempt(left) };
  }

  private verification(id: string): ScriptedVerification {
    const verification = this.verifications.get(id);
    if (!verification) throw refused('not_found', 404);
    return verification;
  }
}

function newAttempt(left: number): Attempt {
  return { attempt: newId(), nonce: newId(32), left };
}

function over(
  answer: PendingRequest,
  verdict: 'passed' | 'failed' | 'declined' | 'reported',
): PendingRequest {
  const { verification, later, expiresAt } = answer;
  return { verification, later, expiresAt, state: 'done', verdict };
}

function refused(code: ErrorCode, status: number): AkashiError {
  return new AkashiError(code, { status });
}

export function problem({ code, status = 401 }: AkashiError): Response {
  const body = { type: 'about:blank', title: code, status, code };
  return Response.json(body, { status, headers: { 'Content-Type': 'application/problem+json' } });
}
