import {
  ACCOUNTS_SCHEMA,
  AkashiError,
  type Credential,
  challenge,
  challengeBytes,
  type Factor,
  isRequestedFact,
  needsCredential,
  type PasskeyAssertion,
  type Presentation,
  type RequestedFact,
  type RequestedPasskey,
  VOLATILE_SECONDS,
} from '@akashi/circuits';
import type { FactCheck } from './checker.ts';
import { isCode } from './codes.ts';
import { type CredentialRefusal, checkCredential, lapsed } from './credential.ts';
import type { DeviceCall } from './device-auth.ts';
import { expectedSignals } from './expected-signals.ts';
import { passkeyOrigins } from './origin.ts';
import { checkAssertion } from './passkey.ts';
import { factorsOf, isTwoFactor } from './policy.ts';
import { type ProofPoints, parsePoints } from './proof.ts';
import type { AttemptResult, PasskeyUse, VerificationRow } from './records.ts';
import { readRequest } from './requests.ts';
import { newToken } from './token.ts';
import { faultOf, type Verifier } from './verifier.ts';

// A presentation, in the order of docs/protocol.md, section 6. Size, signature and shape were checked before; the
// `jti` is consumed here, together with the attempt.

/** One fact of a presentation beside what the request asked for it. */
interface Claimed {
  /** Its place in the request's list. */
  readonly index: number;
  readonly entry: RequestedFact;
  readonly points: ProofPoints;
  readonly credential: string | null;
}

/** The passkey of a presentation beside what the request asked for it. */
interface ClaimedPasskey {
  readonly index: number;
  readonly entry: RequestedPasskey;
  readonly assertion: PasskeyAssertion;
}

/** An attempt that was opened for this device, and what was presented for it. */
interface OpenAttempt {
  readonly attempt: string;
  readonly nonce: Uint8Array;
  /** The request JWS as it was signed. */
  readonly request: string;
  readonly code: string | null;
  /** Places in the request's list: all of it, or the alternative that was presented. */
  readonly shown: readonly number[];
  readonly facts: readonly Claimed[];
  readonly passkey: ClaimedPasskey | null;
}

/**
 * Checks a presentation for a verification that this device is in the audience of, and records what came of it.
 * @returns the verification afterwards; when something else decided it in the meantime, that
 * @throws AkashiError `malformed` when it does not fit the request, `accepted_elsewhere`, `verification_over`,
 * `attempt_used`, `unauthorized` for a used `jti`, `use_dpop_nonce` for one that came too late, `busy`: none of these uses the attempt up
 */
export async function present(
  verifier: Verifier,
  call: DeviceCall,
  row: VerificationRow,
  presentation: Presentation,
): Promise<VerificationRow> {
  const open = openAttempt(verifier, call, row, presentation);
  // Before the queue: this may wait for a tenant's server, and no place in the queue waits with it.
  const { instruments } = verifier;
  const credentials = await instruments.phase('credentials', () =>
    checkCredentials(verifier, call, row, open.facts),
  );
  return verifier.queue.run(async () => {
    const { tenant, device } = call.device;
    const use = {
      tenant,
      verification: row.verification,
      device,
      attempt: open.attempt,
      jti: call.jti,
      jtiExpiresAt: call.jtiExpiresAt,
    };
    const consumed = await instruments.phase('consume', () =>
      verifier.store.consumeAttempt(use, verifier.now()),
    );
    if (consumed === 'unauthorized') throw await call.replayed();
    if (typeof consumed === 'string') throw new AkashiError(consumed);
    const outcome = await checkAttempt(verifier, call, row, { ...open, credentials }).catch(
      (error: unknown) => {
        // The attempt is used up; without a result none would open again before the verification ends.
        verifier.log({ level: 'error', event: 'presentation.fault', fault: faultOf(error) });
        return { reason: 'internal', provenCommitment: null, passkey: null } satisfies Outcome;
      },
    );
    const result: AttemptResult = {
      tenant,
      verification: row.verification,
      device,
      attempt: open.attempt,
      passed: outcome.reason === null,
      reason: outcome.reason,
      provenCommitment: outcome.provenCommitment,
      passkey: outcome.passkey,
      factors: shownFactors(open, call),
      shown: open.shown,
      next: { attempt: newToken(verifier.random), nonce: verifier.random(32) },
    };
    return instruments.phase('record', () => verifier.store.recordResult(result, verifier.now()));
  });
}

/** Holds a presentation against the verification's own record, before anything is used up. */
function openAttempt(
  verifier: Verifier,
  call: DeviceCall,
  row: VerificationRow,
  presentation: Presentation,
): OpenAttempt {
  if (row.state === 'done') throw new AkashiError('verification_over');
  if (row.device !== null && row.device !== call.device.device) throw new AkashiError('accepted_elsewhere');
  const facts: Pick<Claimed, 'index' | 'entry'>[] = [];
  let passkey: Pick<ClaimedPasskey, 'index' | 'entry'> | undefined;
  const shown = shownPlaces(row, presentation);
  for (const index of shown) {
    const entry = row.facts[index];
    if (entry === undefined) throw new TypeError('alternatives are places in the list');
    if (isRequestedFact(entry)) facts.push({ index, entry });
    else passkey = { index, entry };
  }
  const assertion = presentation.passkey;
  const fits =
    facts.length === presentation.facts.length &&
    (passkey === undefined) === (assertion === undefined) &&
    (row.mode === 'call') === (presentation.code !== undefined);
  if (!fits) throw new AkashiError('malformed');
  const claimed = facts.map(({ entry, index }, i) => claimedFact(entry, index, presentation.facts[i]));
  const { attempt } = row;
  if (attempt === null || attempt.attempt !== presentation.attempt) throw new AkashiError('attempt_used');
  return {
    ...attempt,
    request: readRequest(verifier, row),
    code: presentation.code ?? null,
    shown,
    facts: claimed,
    passkey: passkey === undefined || assertion === undefined ? null : { ...passkey, assertion },
  };
}

function claimedFact(
  entry: RequestedFact,
  index: number,
  given: Presentation['facts'][number] | undefined,
): Claimed {
  const fits =
    given?.fact === entry.fact &&
    given.version === entry.version &&
    (given.credential !== undefined) === needsCredential(entry.fact);
  if (!fits) throw new AkashiError('malformed');
  return { index, entry, points: parsePoints(given.proof), credential: given.credential ?? null };
}

/** What of the list is presented. @throws AkashiError `malformed` where that is not said just as the request wants it */
function shownPlaces(
  { facts, alternatives }: VerificationRow,
  { alternative }: Presentation,
): readonly number[] {
  if (alternatives === null && alternative === undefined) return [...facts.keys()];
  const places = alternatives?.[alternative ?? -1];
  if (places === undefined) throw new AkashiError('malformed');
  return places;
}

function shownFactors({ facts, passkey }: OpenAttempt, { tenant }: DeviceCall): readonly Factor[] {
  const shown = [...facts, ...(passkey === null ? [] : [passkey])];
  return factorsOf(
    shown.map(({ entry }) => entry.fact),
    tenant.passkeys,
  );
}

interface Outcome {
  /** Why it failed, for the audit; `null`: it holds. */
  readonly reason: string | null;
  /** The commitment for which a `pin` proof held. */
  readonly provenCommitment: string | null;
  /** The passkey whose assertion held. */
  readonly passkey: PasskeyUse | null;
}

/**
 * Credentials, then the passkey, then proofs, then the code. Every proof that can be checked is, whatever failed before
 * it: a valid `pin` proof gives the tries back even beside a wrong code, and the time tells less.
 */
async function checkAttempt(
  verifier: Verifier,
  call: DeviceCall,
  row: VerificationRow,
  open: OpenAttempt & { readonly credentials: readonly CheckedCredential[] },
): Promise<Outcome> {
  const reasons = open.credentials.flatMap((checked, i) => refusalReason(checked, open.facts[i]));
  const passkey = open.passkey && (await checkPasskey(verifier, call, open, open.passkey));
  if (typeof passkey === 'string') reasons.push(passkey);
  const checks: FactCheck[] = [];
  for (const [i, { index, entry, points }] of open.facts.entries()) {
    const { request, nonce, code } = open;
    const signals = expectedSignals(entry, {
      commitment: call.device.commitment,
      credential: credentialAt(open.credentials, i),
      challenge: challenge({ request, index, nonce, code }),
    });
    if (signals !== null) checks.push({ fact: entry.fact, signals, points });
  }
  const verdicts = await verifier.checker.check(checks);
  let provenCommitment: string | null = null;
  for (const [i, { fact }] of checks.entries()) {
    if (verdicts[i] !== true) reasons.push(`proof:${fact}`);
    else if (fact === 'pin') provenCommitment = call.device.commitment;
  }
  const { codeKey } = verifier.keys;
  // What became known while the proofs were checked.
  for (const [i] of open.facts.entries()) {
    const credential = credentialAt(open.credentials, i);
    const why =
      credential && lapsed(credential, { tenant: row.tenant, now: verifier.now() }, verifier.issuers);
    reasons.push(...refusalReason(why, open.facts[i]));
  }
  const codeHolds = open.code === null || isCode('transfer', codeKey, row.verification, open.code);
  if (!codeHolds) reasons.push('code');
  // No start leads here: alternatives show two factors each. What the tenant says of passkeys may have changed since.
  if (row.twoFactor && !isTwoFactor(shownFactors(open, call))) reasons.push('factors');
  return {
    reason: reasons[0] ?? null,
    provenCommitment,
    passkey: typeof passkey === 'string' ? null : passkey,
  };
}

/** What the assertion says of its passkey, or the reason why it does not hold. */
async function checkPasskey(
  { store }: Verifier,
  { tenant, device }: DeviceCall,
  { request, nonce, code }: OpenAttempt,
  { entry, index, assertion }: ClaimedPasskey,
): Promise<PasskeyUse | string> {
  const { rpId } = entry;
  // Turned off, or moved to another rpId, since the request was made.
  if (tenant.passkeys?.rpId !== rpId) return 'passkey:off';
  const passkeys = await store.passkeys(device.tenant, device.device);
  const checked = await checkAssertion(assertion, passkeys, {
    rpId,
    origins: passkeyOrigins(tenant.origins, rpId),
    challenge: challengeBytes({ request, index, nonce, code }),
  });
  return typeof checked === 'string' ? `passkey:${checked}` : checked;
}

/** A credential, why it is refused, or none because its fact has none. */
type CheckedCredential = Credential | CredentialRefusal | null;

function credentialAt(credentials: readonly CheckedCredential[], index: number): Credential | null {
  const checked = credentials[index] ?? null;
  return typeof checked === 'string' ? null : checked;
}

function refusalReason(checked: CheckedCredential, claimed: Claimed | undefined): readonly string[] {
  return typeof checked === 'string' ? [`credential:${claimed?.entry.fact}:${checked}`] : [];
}

/** The credentials of a presentation, at once: each may wait for the tenant's server. One that several facts rest on is checked once. */
function checkCredentials(
  verifier: Verifier,
  call: DeviceCall,
  row: VerificationRow,
  facts: readonly Claimed[],
): Promise<readonly CheckedCredential[]> {
  const expected = {
    audience: verifier.origin,
    tenant: row.tenant,
    subject: row.subject,
    thumbprint: call.thumbprint,
    now: verifier.now(),
  };
  const begun = new Map<string, Promise<CheckedCredential>>();
  return Promise.all(
    facts.map(({ entry, credential }) => {
      if (credential === null) return null;
      const about = {
        schema: 'schema' in entry ? entry.schema : ACCOUNTS_SCHEMA,
        lifetimeSeconds: 'schema' in entry && entry.volatile ? VOLATILE_SECONDS : null,
      };
      const what = JSON.stringify([credential, about]);
      const checked =
        begun.get(what) ?? checkCredential(credential, { ...expected, ...about }, verifier.issuers);
      begun.set(what, checked);
      return checked;
    }),
  );
}
