import type { CheckedRequest } from '@akashi/sdk/holder';

/** What the customer is shown and asked: the app's own part. */
export interface Screen {
  newPin(): Promise<string>;
  /** Shows who asks, why and for what. */
  agreesTo(request: CheckedRequest): Promise<boolean>;
  /** The six digits that the operator speaks, and the PIN. */
  codeAndPin(): Promise<{ readonly code: string; readonly pin: string }>;
}
