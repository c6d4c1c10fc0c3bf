// Only whole modules are passed on: one that names what it passes on stands, for bundlers, in the way of every page that imports it,
// and code that is needed later comes at once (test/phone-bundle.test.ts).

export * from './base64url.ts';
export * from './challenge.ts';
export * from './claim-encoding.ts';
export * from './claims.ts';
export * from './credential.ts';
export * from './currency.ts';
export * from './digits.ts';
export * from './dpop.ts';
export * from './error.ts';
export * from './evidence.ts';
export * from './field.ts';
export * from './http.ts';
export * from './http-desk.ts';
export * from './http-enrolment.ts';
export * from './http-passkey.ts';
export * from './jws.ts';
export * from './key-statement.ts';
export * from './passkey.ts';
export * from './policy.ts';
export * from './policy-faults.ts';
export * from './presentation.ts';
export * from './protocol.ts';
export * from './proving-key.ts';
export * from './public-jwk.ts';
export * from './scope.ts';
export * from './shape.ts';
export * from './status-list.ts';
export * from './transaction.ts';
export * from './webauthn.ts';
export * from './wire.ts';
export * from './witness.ts';
