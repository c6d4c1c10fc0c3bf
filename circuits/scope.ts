import { sha256 } from '#es256';
import { fieldFromBytes } from './field.ts';

/** `scope` of the fact `account`: a constant of the tenant, so that references of two tenants cannot be joined. */
export async function tenantScope(tenant: string): Promise<bigint> {
  return fieldFromBytes(await sha256(new TextEncoder().encode(`akashi/scope/v1${tenant}`)));
}
