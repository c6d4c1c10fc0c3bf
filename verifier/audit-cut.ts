import { base64url32 } from '@akashi/circuits';
import { base64url } from 'jose';
import * as v from 'valibot';
import { AuditBroken, type AuditHead } from './audit.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { AuditEntry } from './records.ts';

// A chain loses its beginning to its tenant's retention (docs/protocol.md, section 7), and says so itself: the entry that
// records the cut commits to what the first one left follows from, and stands under every later checkpoint.

const cutShape = v.object({
  event: v.literal('audit.cut'),
  seq: v.number(),
  link: base64url32,
  /** No entry that went is younger. */
  before: v.number(),
});

/** How late an entry may be linked: until then a checkpoint may be younger than what follows it. */
const LINKED_WITHIN = 86_400;
/** The least that a tenant keeps. */
const KEPT_SECONDS = 30 * 86_400;
/** Between the clocks of verifiers. */
const SKEW_SECONDS = 3_600;

/** Holds the cuts that a chain's entries tell of against where it begins, and against checkpoints. */
export function createCutCheck(tenant: string, { seq: start, link }: AuditHead) {
  const cuts: (v.InferOutput<typeof cutShape> & { readonly at: number; readonly entry: number })[] = [];
  return {
    entry({ content, at, seq }: AuditEntry) {
      const cut = v.safeParse(cutShape, JSON.parse(content));
      if (cut.success) cuts.push({ ...cut.output, at, entry: seq ?? 0 });
    },
    /**
     * @returns what was said of the cut that the chain begins after
     * @throws AuditBroken `cut`, where the chain does not say that it begins there, or where more went than it says, or may:
     * what follows a checkpoint's entry was written after it, and what comes before was written before
     */
    end(checkpoints: readonly Checkpoint[]): { readonly seq: number; readonly before: number } | undefined {
      const text = base64url.encode(link);
      const last = cuts.findLast((cut) => cut.seq === start && cut.link === text);
      if (start > 0 && last === undefined) throw new AuditBroken('cut', tenant, start);
      for (const { seq, before, at, entry } of cuts) {
        const younger = checkpoints.some((known) => known.seq < seq && known.iat > before + LINKED_WITHIN);
        const ahead = checkpoints.some((known) => known.seq >= entry && known.iat < at - SKEW_SECONDS);
        if (younger || ahead || at < before + KEPT_SECONDS) throw new AuditBroken('cut', tenant, seq);
      }
      return last;
    },
  };
}
