import { base64url16, base64url32, parse } from '@akashi/circuits';

export interface EnrolmentLink {
  readonly token: string;
  /** Thumbprint of the verifier's root key. */
  readonly root: string;
}

/**
 * Reads `#enrol=<token>.<root>`.
 * @param link the whole link, or its fragment with or without `#`
 * @throws AkashiError `malformed`
 */
export function parseEnrolmentLink(link: string): EnrolmentLink {
  const fragment = link.slice(link.indexOf('#') + 1);
  const [, token, root] = /^enrol=([^.]*)\.([^.]*)$/.exec(fragment) ?? [];
  return { token: parse(base64url16, token), root: parse(base64url32, root) };
}
