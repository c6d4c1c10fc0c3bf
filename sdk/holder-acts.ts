// What a holder does beyond opening, listening and answering, as one chunk: each of it needs nearly all of the rest.

export { listClaims } from './claims.ts';
export { enrol, refreshAccounts, refreshClaims } from './enrolment.ts';
export { changePin } from './pin-change.ts';
export { preparePin } from './pin-preparation.ts';
export { dropStalePreparations } from './preparation-store.ts';
export { prepareRecords } from './prepared-proof.ts';
export { present } from './presentation.ts';
export { openProverConversation } from './prover-conversation.ts';
export { rehearseBinding, rehearsePin } from './rehearsal.ts';
