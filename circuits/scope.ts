import { fieldFromBytes } from './field.ts';

/** `scope` of the fact `account`: a constant of the tenant, so that references of two tenants cannot be joined. */
export async function tenantScope(tenant: string): Promise<bigint> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`akashi/scope/v1${tenant}`));
  return fieldFromBytes(new Uint8Array(digest));
}
