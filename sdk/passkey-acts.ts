// What a holder does with passkeys, as one chunk: most phones never load it.

export { assertPasskey } from './passkey.ts';
export { addPasskey, keepWrappedAccounts, keepWrappedClaims, removePasskey } from './passkey-enrolment.ts';
export { openSecrets, openSecretsBy } from './secrets.ts';
