import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import * as attempts from './sqlite-attempts.ts';
import * as audit from './sqlite-audit.ts';
import * as claims from './sqlite-claims.ts';
import {
  type Query,
  SqliteDatabase,
  type SqliteOptions,
  SWEEP_BATCH,
  type Transaction,
} from './sqlite-database.ts';
import * as devices from './sqlite-devices.ts';
import * as issuers from './sqlite-issuers.ts';
import * as operators from './sqlite-operators.ts';
import * as passkeys from './sqlite-passkeys.ts';
import * as pins from './sqlite-pins.ts';
import * as requests from './sqlite-requests.ts';
import * as tenants from './sqlite-tenants.ts';
import * as upkeep from './sqlite-upkeep.ts';
import type { VerificationRecord } from './sqlite-verifications.ts';
import * as verifications from './sqlite-verifications.ts';
import type { Store } from './store.ts';

/**
 * The store on one SQLite file, for one machine: several processes may open it, but `subscribe` hears only changes
 * made through the same store.
 * @throws Error when the file cannot be opened, is of another version, or does not hold WAL with `synchronous=FULL`
 */
export function openSqliteStore({
  file,
  random = randomBytes,
}: Pick<SqliteOptions, 'file'> & Partial<SqliteOptions>): Store {
  const db = new SqliteDatabase({ file, random });
  return { ...tenantVerbs(db), ...deviceVerbs(db), ...verificationVerbs(db), ...upkeepVerbs(db) };
}

function tenantVerbs(db: SqliteDatabase) {
  const { read, write } = binders(db);
  const findSession = read(operators.findSession);
  const touchSession = write(operators.touchSession);
  return {
    createTenant: write(tenants.createTenant),
    setOrigins: write(tenants.setOrigins),
    setPasskeySettings: write(tenants.setPasskeySettings),
    tenant: read(tenants.findTenant),
    knowsOrigin: read(tenants.knowsOrigin),
    addApiKey: write(tenants.addApiKey),
    tenantByApiKey: read(tenants.tenantByApiKey),
    addIssuer: write(issuers.addIssuer),
    removeIssuer: write(issuers.removeIssuer),
    issuerKey: read(issuers.issuerKey),
    issuers: read(issuers.listIssuers),
    setIssuerSource: write(issuers.setIssuerSource),
    issuerSource: read(issuers.issuerSource),
    putPolicy: write(tenants.putPolicy),
    policies: read(tenants.listPolicies),
    addOperator: write(operators.addOperator),
    operator: read(operators.findOperator),
    addSignInLink: write(operators.addSignInLink),
    openSession: write(operators.openSession),
    session: async (sessionHash, touch, now) => {
      const found = await findSession(sessionHash, now);
      if (found?.due && touch) await touchSession(sessionHash, now);
      return found?.operator;
    },
    closeSession: write(operators.closeSession),
    takeLimits: write(tenants.takeLimits),
  } satisfies Partial<Store>;
}

function deviceVerbs(db: SqliteDatabase) {
  const { read, write } = binders(db);
  return {
    createEnrolment: write(devices.createEnrolment),
    enrolment: read(devices.findEnrolment),
    redeemEnrolment: write(devices.redeemEnrolment),
    deviceByThumbprint: read(devices.deviceByThumbprint),
    devicesOfSubject: read(devices.devicesOfSubject),
    consumeJti: write(devices.consumeJti),
    countEvaluation: write(pins.countEvaluation),
    registerPin: write(pins.registerPin),
    beginPinChange: write(pins.beginPinChange),
    takePinChange: write(pins.takePinChange),
    completePinChange: write(pins.completePinChange),
    beginPasskey: write(passkeys.beginPasskey),
    takePasskeyChallenge: write(passkeys.takePasskeyChallenge),
    addPasskey: write(passkeys.addPasskey),
    passkeys: read(passkeys.listPasskeys),
    removePasskey: write(passkeys.removePasskey),
    revokeDevice: write(devices.revokeDevice),
    stopDevice: write(devices.stopDevice),
  } satisfies Partial<Store>;
}

function verificationVerbs(db: SqliteDatabase) {
  const { read, write } = binders(db);
  const find = read(verifications.find);
  const operatorList = read(verifications.operatorList);
  const deviceList = read(requests.deviceList);
  const settleAll = write(verifications.settleAll);
  // A read takes the write lock only when it meets something over its time.
  const settled = async (rows: readonly VerificationRecord[], now: number) => {
    const overdue = rows.some((row) => verifications.isOverdue(row, now));
    return (overdue ? await settleAll(rows, now) : rows).map(verifications.asRow);
  };
  return {
    createVerification: write(verifications.createVerification),
    recordRefusedStart: write(verifications.recordRefusedStart),
    reusablePasses: read(verifications.reusablePasses),
    failuresSince: read(verifications.failuresSince),
    verification: async (tenant, verification, now) => {
      const found = await find(tenant, verification);
      const [row] = await settled(found === undefined ? [] : [found], now);
      return row;
    },
    verificationsOfOperator: async (tenant, operator, now) =>
      settled(await operatorList(tenant, operator, now), now),
    verificationsOfDevice: async (tenant, device, thumbprint, now) => {
      const rows = await settled(await deviceList(tenant, device, thumbprint, now), now);
      return rows.filter((row) => row.state !== 'done' || row.claim === 'open');
    },
    accept: write(requests.accept),
    later: write(requests.later),
    decline: write(requests.decline),
    report: write(requests.report),
    cancel: write(verifications.cancel),
    consumeAttempt: write(attempts.consumeAttempt),
    recordResult: write(attempts.recordResult),
    claim: write(claims.claim),
    recordSeen: write(verifications.recordSeen),
  } satisfies Partial<Store>;
}

function upkeepVerbs(db: SqliteDatabase) {
  const { read, write } = binders(db);
  const sweepVerifications = write(upkeep.sweepVerifications);
  const sweepRest = write(upkeep.sweepRest);
  const linkBatch = write(audit.linkAuditBatch);
  return {
    sweep: async (now) => {
      let verdicts = 0;
      for (;;) {
        const batch = await sweepVerifications(now);
        verdicts += batch.verdicts;
        if (batch.handled < SWEEP_BATCH) break;
        await setImmediate();
      }
      await sweepRest(now);
      return verdicts;
    },
    linkAudit: async () => {
      let linked = 0;
      for (;;) {
        const batch = await linkBatch();
        linked += batch;
        if (batch < audit.LINK_BATCH) return linked;
        await setImmediate();
      }
    },
    auditEntries: read(audit.listAuditEntries),
    subscribe: (topic, listener) => db.subscribe(topic, listener),
    ping: read((query) => void query.get(sql`SELECT 1`)),
    close: async () => db.close(),
  } satisfies Partial<Store>;
}

/** Verbs are plain synchronous functions; these give them their database and make them promises. */
function binders(db: SqliteDatabase) {
  return {
    read:
      <A extends readonly unknown[], R>(verb: (query: Query, ...args: A) => R) =>
      async (...args: A): Promise<R> =>
        db.read((query) => verb(query, ...args)),
    write:
      <A extends readonly unknown[], R>(verb: (tx: Transaction, ...args: A) => R) =>
      (...args: A): Promise<R> =>
        db.write((tx) => verb(tx, ...args)),
  };
}
