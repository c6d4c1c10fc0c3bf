import * as v from 'valibot';
import { tenantName } from './http.ts';
import { proofShape } from './presentation.ts';
import { base64url16, base64url32, fieldText } from './shape.ts';
import { askedClaim } from './wire.ts';

// Bodies and answers of the routes by which a device is enrolled, its PIN evaluated, and told what it may be asked
// (docs/protocol.md, section 5).

export const deviceBody = v.strictObject({ token: base64url16 });
export const deviceAnswer = v.strictObject({ device: base64url16, tenant: tenantName });

/** What an evaluation is for; each has its own bound (docs/protocol.md, section 5). */
export const oprfBody = v.union([
  v.strictObject({ use: v.literal('enrol'), blinded: base64url32 }),
  v.strictObject({ use: v.literal('verification'), blinded: base64url32, verification: base64url16 }),
  v.strictObject({ use: v.literal('current'), blinded: base64url32 }),
  v.strictObject({ use: v.literal('new'), blinded: base64url32 }),
]);
export const oprfAnswer = v.strictObject({
  evaluated: base64url32,
  /** Counted evaluations only: how many are left before the fact `pin` is locked. */
  triesLeft: v.optional(v.number()),
  /** `use: "new"` only: goes into the challenge of the change. */
  nonce: v.optional(base64url32),
});

export const pinBody = v.union([
  v.strictObject({ holder: fieldText, commitment: fieldText }),
  v.strictObject({ commitment: fieldText, proof: proofShape }),
]);

/** What this device may be asked about its claims today and tomorrow, so that it can prepare. Not signed: it proves nothing. */
export const askableFactsAnswer = v.strictObject({ facts: v.pipe(v.array(askedClaim), v.maxLength(64)) });
