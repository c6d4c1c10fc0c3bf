import { AkashiError, type Direction, type Transaction } from '@akashi/circuits';
import type { Issuer, SignedEvidence } from '@akashi/sdk/issuer';
import type { Customer } from './customers.ts';
import { PAYMENT } from './policies.ts';

export interface PaymentsOptions {
  readonly customers: readonly Customer[];
  readonly issuer: Issuer;
  /** Told when a payment is booked, or could not be. */
  readonly say: (line: string) => void;
  /** Ends the waiting for customers. */
  readonly closing: AbortSignal;
}

/** What the bank keeps of a payment: enough to show later what the customer agreed to, and that they did. */
interface Booking {
  readonly bill: Transaction;
  readonly evidence: SignedEvidence;
}

/**
 * Bills that customers pay on a call. The operator asks for it and hears that it is done; amount and payee go from the
 * bank's records to the phone. Nothing is booked but on evidence that is about this very bill.
 */
export class Payments {
  readonly #options: PaymentsOptions;
  readonly #booked = new Map<string, Booking>();

  constructor(options: PaymentsOptions) {
    this.#options = options;
  }

  /** Starts it for an operator; the id of the verification. @throws AkashiError `not_found`: nothing is owed */
  async start(customer: string, operator: string, direction: Direction): Promise<string> {
    const { customers, issuer } = this.#options;
    const bill = customers.find(({ reference }) => reference === customer)?.bill;
    if (bill === undefined || this.#booked.has(customer)) throw new AkashiError('not_found');
    const { verification } = await issuer.start({
      subject: customer,
      ...PAYMENT,
      mode: 'call',
      call: { direction },
      transaction: bill,
      operator,
    });
    this.#follow(customer, verification, bill).catch(() => {
      if (!this.#options.closing.aborted) this.#options.say('the bank could not book a payment');
    });
    return verification;
  }

  async #follow(customer: string, verification: string, bill: Transaction): Promise<void> {
    const { issuer, say, closing: signal } = this.#options;
    const { verdict } = await issuer.wait(verification, { signal });
    if (verdict !== 'passed') return;
    const evidence = await issuer.evidence(verification, { signal });
    await issuer.checkEvidence(evidence, { verification, transaction: bill, signal });
    // Two calls about one bill: the first to pass pays it.
    if (this.#booked.has(customer)) return;
    this.#booked.set(customer, { bill, evidence });
    say('the bank booked a payment, with the verifier’s evidence of it');
  }
}
