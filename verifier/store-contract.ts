import { afterEach, beforeEach, describe } from 'vitest';
import { attemptContract } from './store-contract-attempts.ts';
import { auditContract } from './store-contract-audit.ts';
import { claimContract } from './store-contract-claims.ts';
import { crowdContract } from './store-contract-crowd.ts';
import { deviceContract } from './store-contract-devices.ts';
import { epochContract } from './store-contract-epoch.ts';
import { issuerContract } from './store-contract-issuers.ts';
import { passkeyContract } from './store-contract-passkeys.ts';
import { pinContract } from './store-contract-pins.ts';
import { raceContract } from './store-contract-races.ts';
import { requestContract } from './store-contract-requests.ts';
import { retentionContract } from './store-contract-retention.ts';
import { reuseContract } from './store-contract-reuse.ts';
import { sealedContract } from './store-contract-sealed.ts';
import { tenantContract } from './store-contract-tenants.ts';
import { verificationContract } from './store-contract-verifications.ts';
import { addTenants, type StoreHarness } from './store-fixtures.ts';

/**
 * What every store must do, whatever is under it: each verb, each refusal, other tenants' ids, races between
 * processes, kills. `open` gives an empty store; it is called before each test.
 */
export function storeContract(name: string, open: () => Promise<StoreHarness>): void {
  describe(`${name} keeps the contract of a store`, () => {
    let harness: StoreHarness | undefined;
    const current = (): StoreHarness => {
      if (harness === undefined) throw new Error('no store is open');
      return harness;
    };
    const store = () => current().store;

    beforeEach(async () => {
      harness = await open();
      await addTenants(harness.store);
    });
    afterEach(async () => {
      await harness?.dispose();
      harness = undefined;
    });

    tenantContract(store);
    issuerContract(store);
    deviceContract(store);
    pinContract(store);
    passkeyContract(store);
    verificationContract(store);
    requestContract(store);
    attemptContract(store);
    reuseContract(store);
    claimContract(store);
    sealedContract(store);
    retentionContract(current);
    epochContract(store);
    auditContract(store);
    raceContract(current);
    crowdContract(current);
  });
}
