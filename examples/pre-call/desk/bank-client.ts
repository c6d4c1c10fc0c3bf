import { AkashiError, type Direction, parse } from '@akashi/circuits';
import { failureOf, paymentAnswer } from '../bank/wire.ts';

const TIMEOUT_SECONDS = 20;

/**
 * Has the bank start the payment of a customer's bill; the id of the verification, which is this operator's.
 * @throws AkashiError `not_found`: nothing is owed
 */
export async function startPayment(subject: string, direction: Direction): Promise<string> {
  const response = await fetch('/bank/payments', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ subject, direction }),
    signal: AbortSignal.timeout(TIMEOUT_SECONDS * 1000),
  }).catch((cause: unknown) => {
    throw new AkashiError('network', { cause });
  });
  const json: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw failureOf(json, response.status);
  return parse(paymentAnswer, json).verification;
}
