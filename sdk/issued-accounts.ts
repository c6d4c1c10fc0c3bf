import { ACCOUNTS_DEPTH, ACCOUNTS_MAX, compactJws, fieldText, text } from '@akashi/circuits';
import * as v from 'valibot';

/** What an issuer gives to a device (docs/protocol.md, section 5). */
export const issuedAccountsShape = v.strictObject({
  credential: compactJws,
  accounts: v.pipe(
    v.array(
      v.strictObject({
        /** Shown to the customer only. */
        label: text,
        accountKey: fieldText,
        index: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(ACCOUNTS_MAX - 1)),
        siblings: v.pipe(v.array(fieldText), v.length(ACCOUNTS_DEPTH)),
      }),
    ),
    v.minLength(1),
    v.maxLength(ACCOUNTS_MAX),
  ),
});
/** The credential with its private parts: JSON as is. It goes to the device and nowhere else. */
export type IssuedAccounts = v.InferOutput<typeof issuedAccountsShape>;
