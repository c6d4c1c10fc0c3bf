export {
  createApiKey,
  createOperator,
  createSignInLink,
  createTenant,
  type NewTenant,
  pinIssuer,
  setIssuerSource,
  setOrigins,
  setPasskeySettings,
  setRetention,
  unpinIssuer,
} from './admin.ts';
export { createApp } from './app.ts';
export { AuditBroken, type AuditFault, type AuditHead, auditOrigin, verifyAudit } from './audit.ts';
export { type FactCheck, inlineChecker, type ProofChecker } from './checker.ts';
export { workerChecker } from './checker-lane.ts';
export type { CheckpointSink } from './checkpoint.ts';
export { addressSink, checkpointSink, fileSink } from './checkpoint-sink.ts';
export { type Issuers, type IssuersOptions, openIssuers } from './issuers.ts';
export { createSecretFile, KeyFileError, readSecretFile, replaceSecretFile } from './key-file.ts';
export {
  type Certification,
  certificationOf,
  certifyKeys,
  createDevelopmentKeys,
  createKeysDocument,
  createRootDocument,
  installStatement,
  type Keys,
  type KeysDocument,
  openKeys,
  parseCertification,
  parseKeysDocument,
  parseRootDocument,
  type RootDocument,
  rootThumbprint,
  rotateSigningKey,
} from './keys.ts';
export { openPostgresStore } from './postgres-store.ts';
export {
  loadKey,
  type ProofCheck,
  type ProofPoints,
  parsePoints,
  type VerificationKey,
  verifyBatch,
  verifyPoints,
  verifyProof,
} from './proof.ts';
export type { AuditEntry, IssuerSource, Operator, PasskeySettings, Retention, Tenant } from './records.ts';
export type { ReadDocument, RemoteDocument } from './remote-document.ts';
export { type Service, type ServiceOptions, startVerifier } from './service.ts';
export { openSqliteStore } from './sqlite-store.ts';
export type { Store } from './store.ts';
export type { StoreLocation } from './stores.ts';
export type { Random } from './token.ts';
export { loadVerificationKeys, type VerificationKeys } from './verification-keys.ts';
export type { Alert, LogEntry, Notice, VerifierOptions } from './verifier.ts';
