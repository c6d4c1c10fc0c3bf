import {
  base64url32,
  origin,
  type PublicJwk,
  parse,
  publicJwkShape,
  reference,
  signJws,
  thumbprint,
  time,
  verifyJws,
} from '@akashi/circuits';
import { base64url } from 'jose';
import * as v from 'valibot';
import { AuditBroken, type AuditHead, equal } from './audit.ts';
import { signingKey } from './keys.ts';
import type { AuditEntry } from './records.ts';
import type { Verifier } from './verifier.ts';

// Heads of the audit's chains, signed, kept outside of the database (docs/protocol.md, section 7): whoever owns all of the
// database can make a whole new chain, and cannot make it lead to these.

const number = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const checkpointShape = v.strictObject({
  iss: origin,
  tenant: reference,
  seq: number,
  link: base64url32,
  /** Of the keys: the database cannot say that it was restored where it was not. */
  epoch: number,
  iat: time,
});
/** The head of a tenant's chain at a time. */
export type Checkpoint = v.InferOutput<typeof checkpointShape>;

/** Takes signed checkpoints to where the database cannot reach. May fail: they are handed over again. */
export type CheckpointSink = (checkpoints: readonly string[], signal: AbortSignal) => Promise<void>;

/**
 * Hands the heads that moved since the last time over to `sink`. Each verifier does so for itself, so that what each one
 * writes is whole.
 */
export function createCheckpoints(
  { store, keys, origin: iss, now }: Pick<Verifier, 'store' | 'keys' | 'origin' | 'now'>,
  sink: CheckpointSink,
): { write(signal: AbortSignal): Promise<void> } {
  const written = new Map<string, AuditHead>();
  return {
    /** @throws AuditBroken, when it is written, where a chain went back; what the sink throws */
    async write(signal) {
      const heads = (await store.auditHeads()).filter(({ tenant, seq, link }) => {
        const last = written.get(tenant);
        return last === undefined || last.seq !== seq || !equal(last.link, link);
      });
      if (heads.length === 0) return;
      const key = signingKey(keys, now());
      const signed = heads.map(({ tenant, seq, link }) => {
        const { epoch } = keys;
        const checkpoint = { iss, tenant, seq, link: base64url.encode(link), epoch, iat: now() };
        return signJws('checkpoint', checkpoint satisfies Checkpoint, key);
      });
      await sink(await Promise.all(signed), signal);
      const back = heads.find(({ tenant, seq }) => seq <= (written.get(tenant)?.seq ?? 0));
      for (const { tenant, ...head } of heads) written.set(tenant, head);
      if (back !== undefined) throw new AuditBroken('checkpoint', back.tenant, back.seq);
    },
  };
}

const keySetShape = v.object({
  keys: v.array(v.object({ ...publicJwkShape.entries, nbf: time, exp: time })),
});
type Dated = PublicJwk & { readonly nbf: number; readonly exp: number };

/** What a verifier publishes at `/v1/jwks`, by thumbprint. @throws AkashiError `malformed` */
async function openPublished(jwks: unknown): Promise<ReadonlyMap<string, Dated>> {
  const { keys } = parse(keySetShape, jwks);
  return new Map(await Promise.all(keys.map(async (key) => [await thumbprint(key), key] as const)));
}

/**
 * The checkpoints of a tenant in the lines that a sink wrote, each signed by a key of `jwks` in its time; and how many lines
 * are none: a crash may leave half a line, and nobody but the verifier can make a whole one.
 */
export async function readCheckpoints(
  lines: readonly string[],
  jwks: unknown,
  tenant: string,
): Promise<{ readonly checkpoints: readonly Checkpoint[]; readonly unreadable: number }> {
  const keys = await openPublished(jwks);
  const checkpoints: Checkpoint[] = [];
  let unreadable = 0;
  for (const line of lines) {
    const checkpoint = await readLine(line, keys).catch(() => undefined);
    if (checkpoint === undefined) unreadable += 1;
    else if (checkpoint.tenant === tenant) checkpoints.push(checkpoint);
  }
  return { checkpoints, unreadable };
}

async function readLine(line: string, keys: ReadonlyMap<string, Dated>): Promise<Checkpoint> {
  const { checkpoint: jws } = parse(v.strictObject({ checkpoint: v.string() }), JSON.parse(line));
  let key: Dated | undefined;
  const payload = await verifyJws('checkpoint', jws, (kid) => {
    key = keys.get(kid);
    return key && { kty: key.kty, crv: key.crv, x: key.x, y: key.y };
  });
  const checkpoint = parse(checkpointShape, payload);
  if (key === undefined || checkpoint.iat < key.nbf || checkpoint.iat >= key.exp) throw new TypeError();
  return checkpoint;
}

const restoredShape = v.object({ event: v.literal('database.restored'), epoch: number, after: v.number() });

/** What a chain that holds does not have, and why. */
export interface Lost {
  /** The last entry that was kept, and the last that is known to have been. */
  readonly after: number;
  readonly upTo: number;
  readonly epoch: number;
}

/** The checkpoints that are of this chain and not of what it lost. */
export function heldOf(checkpoints: readonly Checkpoint[], lost: readonly Lost[]): readonly Checkpoint[] {
  return checkpoints.filter(({ epoch, seq }) => !lost.some((one) => epoch < one.epoch && seq > one.after));
}

/**
 * Holds a chain against checkpoints, as its entries are read. What a restored copy never had is no fault if checkpoints are of
 * a later epoch: then the keys say that it was restored, and what these checkpoints lead to holds. The copy's last number
 * is told by the entry of the restoration; where retention has erased that, by the first checkpoint since.
 */
export function createCheckpointCheck(tenant: string, checkpoints: readonly Checkpoint[]) {
  const due = new Map<number, Checkpoint[]>();
  for (const checkpoint of checkpoints)
    due.set(checkpoint.seq, [...(due.get(checkpoint.seq) ?? []), checkpoint]);
  const lastEpoch = Math.max(0, ...checkpoints.map(({ epoch }) => epoch));
  const restorations: { readonly epoch: number; readonly after: number }[] = [];
  const unlike: Checkpoint[] = [];
  const meet = (seq: number, link: Uint8Array | null) => {
    const text = link && base64url.encode(link);
    unlike.push(...(due.get(seq) ?? []).filter((checkpoint) => checkpoint.link !== text));
    due.delete(seq);
  };
  return {
    /** What comes before the first entry. */
    start: ({ seq, link }: AuditHead) => meet(seq, link),
    entry({ seq, link, content }: AuditEntry) {
      if (seq !== null) meet(seq, link);
      const restored = v.safeParse(restoredShape, JSON.parse(content));
      if (restored.success) restorations.push(restored.output);
    },
    /**
     * @param start what came before the first entry: checkpoints of entries before it are not looked at
     * @throws AuditBroken at the first checkpoint that the chain does not lead to
     */
    end(start: AuditHead): readonly Lost[] {
      const beyond = [...due.values()].flat().filter(({ seq }) => seq > start.seq);
      const lost = [...unlike, ...beyond].sort((a, b) => a.seq - b.seq);
      const known = new Map<number, Lost>();
      for (const { seq, epoch } of lost) {
        const why =
          restorations.find((one) => one.epoch > epoch && one.epoch <= lastEpoch && seq > one.after) ??
          checkpoints
            .filter((one) => one.epoch > epoch && one.seq < seq)
            .map((one) => ({ epoch: one.epoch, after: one.seq }))
            .sort((a, b) => a.epoch - b.epoch || a.after - b.after)[0];
        if (why === undefined) throw new AuditBroken('checkpoint', tenant, seq);
        known.set(why.epoch, { after: why.after, epoch: why.epoch, upTo: seq });
      }
      return [...known.values()];
    },
  };
}
