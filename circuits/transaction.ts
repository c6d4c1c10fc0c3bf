import * as v from 'valibot';
import { isCurrency } from './currency.ts';
import { text } from './shape.ts';

// A payment or an order: what a request carries, the phone shows, and a verdict names by hash (docs/protocol.md, section 6).

/** Lines that an order can have: as many as someone reads through on a phone during a call. */
export const LINES_MAX = 16;

export const transactionLine = v.strictObject({
  text,
  /** Of what the text names. */
  quantity: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(999_999)),
  /** Minor units of the whole line, all of its quantity; below zero for a discount. */
  amount: v.pipe(v.string(), v.regex(/^(?:0|-?[1-9][0-9]{0,17})$/)),
});
export type TransactionLine = v.InferOutput<typeof transactionLine>;

export const transaction = v.pipe(
  v.strictObject({
    /** Minor units (yen, cents) as a decimal integer. */
    amount: v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,17})$/)),
    /** ISO 4217. */
    currency: v.pipe(v.string(), v.check(isCurrency)),
    payee: text,
    lines: v.optional(v.pipe(v.array(transactionLine), v.minLength(1), v.maxLength(LINES_MAX))),
  }),
  v.check(({ amount, lines }) => lines === undefined || total(lines) === BigInt(amount)),
);
export type Transaction = v.InferOutput<typeof transaction>;

function total(lines: readonly TransactionLine[]): bigint {
  return lines.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
}
