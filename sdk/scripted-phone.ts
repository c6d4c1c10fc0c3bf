import type { FactId, WireProof } from '@akashi/circuits';
import {
  type DeviceStorage,
  type Holder,
  type HolderOptions,
  memoryStorage,
  openHolder,
  type Prover,
} from './holder.ts';
import { generateIssuerKeys, type Issuer, openIssuer } from './issuer.ts';
import { ORIGIN } from './scripted-keys.ts';
import { type ScriptedVerifier, SUBJECT, TENANT } from './scripted-verifier.ts';

// Test support: a phone against a scripted verifier. Its prover writes down what it is asked to prove.

export const PIN = '739105';
export const ACCOUNTS = [
  { number: '1234567', label: 'Ordinary' },
  { number: '7654321', label: 'Savings' },
];

export interface ProvingJob {
  readonly fact: FactId;
  readonly inputs: Readonly<Record<string, unknown>>;
}

export interface Phone {
  readonly holder: Holder;
  readonly storage: DeviceStorage;
  readonly issuer: Issuer;
  readonly jobs: readonly ProvingJob[];
}

const PROOF: WireProof = {
  a: ['1', '2'],
  b: [
    ['3', '4'],
    ['5', '6'],
  ],
  c: ['7', '8'],
};

export function recordingProver(jobs: ProvingJob[]): Prover {
  return {
    prove: async (fact, inputs) => {
      jobs.push({ fact, inputs });
      return PROOF;
    },
    close: () => undefined,
  };
}

export async function openTestIssuer(verifier: ScriptedVerifier): Promise<Issuer> {
  return openIssuer({
    verifier: ORIGIN,
    tenant: TENANT.id,
    apiKey: 'ak_test',
    fetch: verifier.fetch,
    now: () => verifier.now * 1000,
    ...(await generateIssuerKeys()),
  });
}

/** A phone that is not enrolled yet. Its own clock is years off. */
export async function openPhone(
  verifier: ScriptedVerifier,
  options: Partial<HolderOptions> = {},
): Promise<Phone> {
  const jobs: ProvingJob[] = [];
  const storage = options.storage ?? memoryStorage();
  const holder = await openHolder({
    verifier: ORIGIN,
    prover: recordingProver(jobs),
    fetch: verifier.fetch,
    now: () => 1_000_000_000_000,
    timeoutSeconds: 2,
    ...options,
    storage,
  });
  return { holder, storage, issuer: await openTestIssuer(verifier), jobs };
}

export async function enrolPhone(
  { holder, issuer }: Phone,
  verifier: ScriptedVerifier,
  pin = PIN,
): Promise<void> {
  await holder.enrol({
    link: verifier.link(),
    pin,
    exchange: (receipt) => issuer.issueAccounts({ receipt, subject: SUBJECT, accounts: ACCOUNTS }),
  });
}

export async function enrolledPhone(
  verifier: ScriptedVerifier,
  options: Partial<HolderOptions> = {},
): Promise<Phone> {
  const phone = await openPhone(verifier, options);
  await enrolPhone(phone, verifier);
  return phone;
}
