import { setImmediate } from 'node:timers/promises';
import type { Database } from './database.ts';
import type { SetVerdict } from './instruments.ts';
import type { Scope, Transaction, Verb } from './statement.ts';
import type { Store } from './store.ts';
import * as attempts from './stored-attempts.ts';
import * as audit from './stored-audit.ts';
import * as claims from './stored-claims.ts';
import * as devices from './stored-devices.ts';
import * as epoch from './stored-epoch.ts';
import * as issuers from './stored-issuers.ts';
import * as operators from './stored-operators.ts';
import * as passkeys from './stored-passkeys.ts';
import * as pins from './stored-pins.ts';
import * as requests from './stored-requests.ts';
import * as retention from './stored-retention.ts';
import * as sealed from './stored-sealed.ts';
import * as tenants from './stored-tenants.ts';
import * as upkeep from './stored-upkeep.ts';
import * as verifications from './stored-verifications.ts';

/** Told of each verdict once, after its commit, by the process that set it. */
export type OnVerdict = (verdict: SetVerdict) => void;

/** The store's verbs on a database, each with the scope that it begins in. */
export function storeOn(db: Database, onVerdict: OnVerdict = () => {}): Store {
  const bound = binders(db, onVerdict);
  return {
    ...tenantVerbs(bound),
    ...deviceVerbs(bound),
    ...verificationVerbs(bound),
    ...upkeepVerbs(db, bound),
  };
}

const ofTenant = (tenant: string): Scope => ({ tenant });
const ofIts = ({ tenant }: { readonly tenant: string }): Scope => ({ tenant });
const byKey = (key: Uint8Array | string): Scope => ({ key });
const byToken = ({ tokenHash }: { readonly tokenHash: Uint8Array }): Scope => ({ key: tokenHash });
const forUpkeep = (): Scope => 'upkeep';

function tenantVerbs({ read, write }: Binders) {
  const findSession = read(byKey, operators.findSession);
  const touchSession = write(byKey, operators.touchSession);
  return {
    createTenant: write(ofIts, tenants.createTenant),
    setOrigins: write(ofTenant, tenants.setOrigins),
    setPasskeySettings: write(ofTenant, tenants.setPasskeySettings),
    tenant: read(ofTenant, tenants.findTenant),
    knowsOrigin: read(byKey, tenants.knowsOrigin),
    addApiKey: write(ofTenant, tenants.addApiKey),
    tenantByApiKey: read(byKey, tenants.tenantByApiKey),
    addIssuer: write(ofTenant, issuers.addIssuer),
    removeIssuer: write(ofTenant, issuers.removeIssuer),
    issuerKey: read(ofTenant, issuers.issuerKey),
    issuers: read(ofTenant, issuers.listIssuers),
    setIssuerSource: write(ofTenant, issuers.setIssuerSource),
    issuerSource: read(ofTenant, issuers.issuerSource),
    putPolicy: write(ofTenant, tenants.putPolicy),
    policies: read(ofTenant, tenants.listPolicies),
    addOperator: write(ofIts, operators.addOperator),
    operator: read(ofTenant, operators.findOperator),
    addSignInLink: write(ofTenant, operators.addSignInLink),
    openSession: write(byToken, operators.openSession),
    session: async (sessionHash, touch, now) => {
      const found = await findSession(sessionHash, now);
      if (found?.due && touch) await touchSession(sessionHash, now);
      return found?.operator;
    },
    closeSession: write(byKey, operators.closeSession),
    takeLimits: write(([first]) => ofTenant(first?.tenant ?? ''), tenants.takeLimits),
  } satisfies Partial<Store>;
}

function deviceVerbs({ read, write }: Binders) {
  return {
    createEnrolment: write(ofIts, devices.createEnrolment),
    enrolment: read(byKey, devices.findEnrolment),
    redeemEnrolment: write(({ thumbprint }) => byKey(thumbprint), devices.redeemEnrolment),
    deviceByThumbprint: read(byKey, devices.deviceByThumbprint),
    devicesOfSubject: read(ofTenant, devices.devicesOfSubject),
    consumeJti: write(ofTenant, devices.consumeJti),
    countEvaluation: write(ofIts, pins.countEvaluation),
    registerPin: write(ofTenant, pins.registerPin),
    beginPinChange: write(ofTenant, pins.beginPinChange),
    takePinChange: write(ofTenant, pins.takePinChange),
    completePinChange: write(ofIts, pins.completePinChange),
    beginPasskey: write(ofTenant, passkeys.beginPasskey),
    takePasskeyChallenge: write(ofTenant, passkeys.takePasskeyChallenge),
    addPasskey: write(ofIts, passkeys.addPasskey),
    passkeys: read(ofTenant, passkeys.listPasskeys),
    removePasskey: write(ofTenant, passkeys.removePasskey),
    revokeDevice: write(ofTenant, devices.revokeDevice),
    stopDevice: write(ofTenant, devices.stopDevice),
  } satisfies Partial<Store>;
}

function verificationVerbs({ read, write }: Binders) {
  const find = read(ofTenant, verifications.find);
  const operatorList = read(ofTenant, verifications.operatorList);
  const deviceList = read(ofTenant, requests.deviceList);
  const settleAll = write(ofTenant, verifications.settleAll);
  // A read becomes a write only when it meets something over its time.
  const settled = async (tenant: string, rows: readonly verifications.VerificationRecord[], now: number) => {
    const overdue = rows.some((row) => verifications.isOverdue(row, now));
    return (overdue ? await settleAll(tenant, rows, now) : rows).map(verifications.asRow);
  };
  return {
    createVerification: write(ofIts, verifications.createVerification),
    recordRefusedStart: write(ofIts, verifications.recordRefusedStart),
    reusablePasses: read(ofIts, verifications.reusablePasses),
    failuresSince: read(ofTenant, verifications.failuresSince),
    verification: async (tenant, verification, now) => {
      const found = await find(tenant, verification);
      const [row] = await settled(tenant, found === undefined ? [] : [found], now);
      return row;
    },
    verificationsOfOperator: async (tenant, operator, now) =>
      settled(tenant, await operatorList(tenant, operator, now), now),
    verificationsOfDevice: async (tenant, device, thumbprint, now) => {
      const rows = await settled(tenant, await deviceList(tenant, device, thumbprint, now), now);
      return rows.filter((row) => row.state !== 'done' || row.claim === 'open');
    },
    accept: write(ofTenant, requests.accept),
    later: write(ofTenant, requests.later),
    decline: write(ofTenant, requests.decline),
    report: write(ofTenant, requests.report),
    cancel: write(ofTenant, verifications.cancel),
    consumeAttempt: write(ofIts, attempts.consumeAttempt),
    recordResult: write(ofIts, attempts.recordResult),
    claim: write(ofIts, claims.claim),
    recordSeen: write(ofTenant, verifications.recordSeen),
  } satisfies Partial<Store>;
}

function upkeepVerbs(db: Database, { read, write }: Binders) {
  const sweepVerifications = write(forUpkeep, upkeep.sweepVerifications);
  const sweepRest = write(forUpkeep, upkeep.sweepRest);
  const linkBatch = write(forUpkeep, audit.linkAuditBatch);
  return {
    sweep: async (now) => {
      let verdicts = 0;
      for (;;) {
        const batch = await sweepVerifications(now);
        verdicts += batch.verdicts;
        if (batch.handled < devices.SWEEP_BATCH) break;
        await setImmediate();
      }
      while (await sweepRest(now)) await setImmediate();
      return verdicts;
    },
    linkAudit: async () => {
      let linked = 0;
      for (;;) {
        const batch = await linkBatch(db.gapless);
        linked += batch;
        if (batch < audit.LINK_BATCH) return linked;
        await setImmediate();
      }
    },
    retention: read(ofTenant, retention.findRetention),
    setRetention: write(ofTenant, retention.setRetention),
    countOver: read(ofTenant, retention.countOver),
    erase: write(ofTenant, retention.erase),
    auditStart: read(ofTenant, retention.findAuditStart),
    tenants: () => db.read(forUpkeep(), tenants.listTenants),
    sealedOfDevices: read(ofTenant, sealed.sealedOfDevices),
    sealedRequests: read(forUpkeep, sealed.sealedRequests),
    reseal: write(ofTenant, sealed.reseal),
    epoch: () => db.read(forUpkeep(), epoch.findEpoch),
    beginEpoch: write(forUpkeep, epoch.beginEpoch),
    auditHeads: () => db.read(forUpkeep(), audit.listAuditHeads),
    auditEntries: read(ofTenant, audit.listAuditEntries),
    subscribe: (topic, listener) => db.subscribe(topic, listener),
    ping: () => db.ping(),
    close: () => db.close(),
  } satisfies Partial<Store>;
}

/** Verbs are generators; these give them their database and make them promises. The first argument says the scope. */
function binders(db: Database, onVerdict: OnVerdict) {
  return {
    read:
      <F, A extends readonly unknown[], R>(
        scope: (first: NoInfer<F>) => Scope,
        verb: (first: F, ...rest: A) => Verb<R>,
      ) =>
      async (first: F, ...rest: A): Promise<R> =>
        db.read(scope(first), () => verb(first, ...rest)),
    write:
      <F, A extends readonly unknown[], R>(
        scope: (first: NoInfer<F>) => Scope,
        verb: (tx: Transaction, first: F, ...rest: A) => Verb<R>,
      ) =>
      async (first: F, ...rest: A): Promise<R> => {
        let verdicts: SetVerdict[] = [];
        const result = await db.write(scope(first), (writing) => {
          // A verb may be run again from its beginning.
          const decisions: SetVerdict[] = [];
          verdicts = decisions;
          return verb({ ...writing, decided: (verdict) => void decisions.push(verdict) }, first, ...rest);
        });
        for (const verdict of verdicts) onVerdict(verdict);
        return result;
      },
  };
}

type Binders = ReturnType<typeof binders>;
