import { AkashiError } from '@akashi/circuits';
import { hasCode } from './connection.ts';
import { type Identity, type KeptRecord, loadIdentity } from './holder-record.ts';
import type { DeviceStorage } from './storage.ts';

/** The enrolment of this device, as an app may show it. */
export interface Enrolled {
  readonly device: string;
  readonly tenant: { readonly id: string; readonly name: string };
  /** UTC seconds. */
  readonly enrolledAt: number;
  readonly accounts: readonly { readonly label: string }[];
  /** UTC seconds by the verifier's time: from then on the fact `account` needs `refreshAccounts` first. */
  readonly accountsExpireAt: number;
  /** What proves lies under a passkey: should the phone lose that, only a new enrolment helps. */
  readonly secretsWrapped: boolean;
}

/** What storage says of this device. It is read again for each call, because another tab may have changed it. */
export interface EnrolledDevice {
  readonly enrolled: Enrolled | null;
  readonly storageLost: boolean;
  /** @throws AkashiError `storage_unavailable` when the storage cannot be opened at all */
  load(): Promise<Identity | null>;
  /** @throws AkashiError `not_enrolled` too */
  identity(): Promise<Identity>;
}

export function openEnrolledDevice(storage: DeviceStorage, verifier: string): EnrolledDevice {
  let enrolled: Enrolled | null = null;
  let storageLost = false;

  const load = async (): Promise<Identity | null> => {
    let identity: Identity | null = null;
    let lost = false;
    try {
      identity = await loadIdentity(storage, verifier);
      lost = identity === null && (await storage.wasKept());
    } catch (error) {
      // Unreadable is lost; a storage that cannot be opened at all throws here again.
      if (!hasCode(error, 'storage_unavailable')) throw error;
      lost = await storage.wasKept();
    }
    enrolled = identity && describe(identity.record);
    storageLost = lost;
    return identity;
  };

  return {
    get enrolled() {
      return enrolled;
    },
    get storageLost() {
      return storageLost;
    },
    load,
    async identity() {
      const identity = await load();
      if (identity === null) throw new AkashiError('not_enrolled');
      return identity;
    },
  };
}

function describe(record: KeptRecord): Enrolled {
  const { device, tenant, enrolledAt, issued, accountsExpireAt } = record;
  const accounts = issued.accounts.map(({ label }) => ({ label }));
  return { device, tenant, enrolledAt, accounts, accountsExpireAt, secretsWrapped: 'wrapped' in record };
}
