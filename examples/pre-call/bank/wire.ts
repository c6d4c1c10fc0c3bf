import {
  AkashiError,
  base64url16,
  direction,
  isErrorCode,
  parse,
  reference,
  text,
  texts,
  time,
} from '@akashi/circuits';
import * as v from 'valibot';

// What the bank's own app and its back end say to each other. None of it is part of Akashi's protocol:
// every tenant has an app and a back end of its own, and this stands for them.

const bilingual = v.strictObject({ ja: text, en: text });

/** A customer as the log-in screen lists them. */
export const customerShape = v.strictObject({ reference, name: bilingual });
export type CustomerName = v.InferOutput<typeof customerShape>;
export const customersAnswer = v.strictObject({ customers: v.array(customerShape) });

export const loginBody = v.strictObject({ customer: reference });
export const loginAnswer = v.strictObject({ session: base64url16, customer: customerShape });

/** `fragment` is `#enrol=<token>.<root>` (docs/protocol.md, section 5). */
export const enrolmentAnswer = v.strictObject({
  fragment: v.pipe(v.string(), v.regex(/^#enrol=[A-Za-z0-9_.-]+$/)),
});

/** The receipt stays a string here: the issuer checks it. */
export const accountsBody = v.strictObject({ receipt: v.pipe(v.string(), v.maxLength(8192)) });

export const purposesAnswer = v.strictObject({
  purposes: v.array(v.strictObject({ id: reference, text: texts })),
});
export type Purposes = v.InferOutput<typeof purposesAnswer>['purposes'];

export const precallBody = v.strictObject({ purpose: reference });
export const precallAnswer = v.strictObject({ request: base64url16 });

/** From the desk: the customer on the line is to pay what they owe. What that is, is not for the desk. */
export const paymentBody = v.strictObject({ subject: reference, direction });
export const paymentAnswer = v.strictObject({ verification: base64url16 });

/** How many devices of the logged-in customer can answer requests. */
export const devicesAnswer = v.strictObject({ active: v.number() });

/** `number` counts up for each customer: the app asks for those after the last it saw. */
export const noticesAnswer = v.strictObject({
  notices: v.array(v.strictObject({ number: v.number(), request: base64url16, sentAt: time })),
});
export type Notice = v.InferOutput<typeof noticesAnswer>['notices'][number];

/** Every failure: a code of the union in `@akashi/circuits`, and nothing else. */
export const failureAnswer = v.strictObject({ code: v.string() });

/** What such an answer says went wrong. */
export function failureOf(json: unknown, status: number): AkashiError {
  try {
    const { code } = parse(failureAnswer, json);
    if (isErrorCode(code)) return new AkashiError(code, { status });
  } catch {
    // Not from the back end: a proxy's page, for instance.
  }
  return new AkashiError('unexpected_answer', { status });
}
