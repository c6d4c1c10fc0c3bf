import { setImmediate } from 'node:timers/promises';
import type { Database } from './database.ts';
import type { Scope, Verb } from './statement.ts';
import type { Store } from './store.ts';
import { byKey, forUpkeep, type OnVerdict, ofIts, ofTenant, type Writes, writesOn } from './store-writes.ts';
import * as audit from './stored-audit.ts';
import * as devices from './stored-devices.ts';
import * as epoch from './stored-epoch.ts';
import * as issuers from './stored-issuers.ts';
import * as operators from './stored-operators.ts';
import * as passkeys from './stored-passkeys.ts';
import * as requests from './stored-requests.ts';
import * as retention from './stored-retention.ts';
import * as sealed from './stored-sealed.ts';
import * as starts from './stored-starts.ts';
import * as tenants from './stored-tenants.ts';
import * as verifications from './stored-verifications.ts';

type Source = Omit<Database, 'write'>;

/** The store's verbs on a database. */
export function storeOn(db: Database, onVerdict?: OnVerdict): Store {
  return storeOf(db, writesOn(db, onVerdict));
}

/** The store whose verbs read here, and write there. */
export function storeOf(db: Source, writes: Writes): Store {
  const read = readerOn(db);
  return {
    ...writes,
    ...tenantVerbs(read, writes),
    ...deviceVerbs(read),
    ...verificationVerbs(read, writes),
    ...upkeepVerbs(db, read, writes),
  };
}

function tenantVerbs(read: Reader, { touchSession }: Writes) {
  const findSession = read(byKey, operators.findSession);
  return {
    tenant: read(ofTenant, tenants.findTenant),
    knowsOrigin: read(byKey, tenants.knowsOrigin),
    tenantByApiKey: read(byKey, tenants.tenantByApiKey),
    issuerKey: read(ofTenant, issuers.issuerKey),
    issuers: read(ofTenant, issuers.listIssuers),
    issuerSource: read(ofTenant, issuers.issuerSource),
    policies: read(ofTenant, tenants.listPolicies),
    operator: read(ofTenant, operators.findOperator),
    session: async (sessionHash, touch, now) => {
      const found = await findSession(sessionHash, now);
      if (found?.due && touch) await touchSession(sessionHash, now);
      return found && { operator: found.operator, tenant: found.tenant };
    },
    isSessionLive: read(byKey, operators.isSessionLive),
  } satisfies Partial<Store>;
}

function deviceVerbs(read: Reader) {
  return {
    enrolment: read(byKey, devices.findEnrolment),
    deviceByThumbprint: read(byKey, devices.deviceByThumbprint),
    devicesOfSubject: read(ofTenant, devices.devicesOfSubject),
    passkeys: read(ofTenant, passkeys.listPasskeys),
  } satisfies Partial<Store>;
}

function verificationVerbs(read: Reader, { settleAll, claim }: Writes) {
  const find = read(ofTenant, verifications.find);
  const operatorList = read(ofTenant, verifications.operatorList);
  const deviceList = read(ofTenant, requests.deviceList);
  const ofSubject = read(ofTenant, verifications.ofSubject);
  // A read becomes a write only when it meets something over its time.
  const settled = async (tenant: string, rows: readonly verifications.VerificationRecord[], now: number) => {
    const overdue = rows.some((row) => verifications.isOverdue(row, now));
    return (overdue ? await settleAll(tenant, rows, now) : rows).map(verifications.asRow);
  };
  return {
    reusablePasses: read(ofIts, starts.reusablePasses),
    failuresSince: read(ofTenant, starts.failuresSince),
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
    claim: async ({ matches, ...ask }, actor, now) => {
      const compared = (await ofSubject(ask.tenant, ask.subject))
        .filter(({ purpose, direction }) => purpose === ask.purpose && direction === ask.direction)
        .map(({ verification }) => verification);
      // Every one is asked, so that the time does not tell which one it was.
      return claim({ ...ask, compared, matching: compared.filter(matches) }, actor, now);
    },
  } satisfies Partial<Store>;
}

function upkeepVerbs(db: Source, read: Reader, { sweepVerifications, sweepRest, linkBatch }: Writes) {
  return {
    sweep: async (now, others = 'wait') => {
      let verdicts = 0;
      for (;;) {
        const batch = await sweepVerifications(now, others);
        verdicts += batch.verdicts;
        if (batch.handled < devices.SWEEP_BATCH) break;
        await setImmediate();
      }
      while (await sweepRest(now, others)) await setImmediate();
      return verdicts;
    },
    linkAudit: async (others = 'wait') => {
      let linked = 0;
      for (;;) {
        const batch = await linkBatch(others, db.gapless);
        linked += batch;
        if (batch < audit.LINK_BATCH) return linked;
        await setImmediate();
      }
    },
    retention: read(ofTenant, retention.findRetention),
    countOver: read(ofTenant, retention.countOver),
    auditStart: read(ofTenant, retention.findAuditStart),
    tenants: () => db.read(forUpkeep(), tenants.listTenants),
    sealedOfDevices: read(ofTenant, sealed.sealedOfDevices),
    sealedRequests: read(forUpkeep, sealed.sealedRequests),
    epoch: () => db.read(forUpkeep(), epoch.findEpoch),
    jtisUntil: () => db.read(forUpkeep(), devices.jtisUntil),
    auditHeads: () => db.read(forUpkeep(), audit.listAuditHeads),
    auditEntries: read(ofTenant, audit.listAuditEntries),
    subscribe: (topic, listener) => db.subscribe(topic, listener),
    ping: () => db.ping(),
    close: () => db.close(),
  } satisfies Partial<Store>;
}

/** Verbs are generators; this gives them their database and makes them promises. The first argument says the scope. */
function readerOn(db: Source) {
  return <F, A extends readonly unknown[], R>(
    scope: (first: NoInfer<F>) => Scope,
    verb: (first: F, ...rest: A) => Verb<R>,
  ) =>
    async (first: F, ...rest: A): Promise<R> =>
      db.read(scope(first), () => verb(first, ...rest));
}

type Reader = ReturnType<typeof readerOn>;
