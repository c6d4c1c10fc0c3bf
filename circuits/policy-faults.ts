import * as v from 'valibot';
import { policyBody } from './policy.ts';

// What is wrong with a policy, for the person who wrote it: where, and in which way. Never what stands there.

export interface PolicyFault {
  /** Names and places from the top, as `stepUp.0.when.hours.from`; empty for the whole. */
  readonly path: string;
  /** `missing`; `unknown`: no such name is known here; `invalid`: not of the form that docs/protocol.md gives it. */
  readonly fault: 'missing' | 'unknown' | 'invalid';
}

/** Every fault that the shape of a policy tells; none: it is of that shape. */
export function policyFaults(input: unknown): readonly PolicyFault[] {
  const { issues = [] } = v.safeParse(policyBody, input);
  const found = issues.map((issue) => {
    const { path, fault } = deepest(issue, []);
    return { path: path.map(shownName).join('.'), fault };
  });
  // A check of the whole says nothing new where a part of it is at fault already.
  const wholes = new Set(found.flatMap(({ path }) => wholesOf(path)));
  return found.filter(({ path }) => !wholes.has(path));
}

/** What the value at a path is a part of. */
function wholesOf(path: string): string[] {
  return path === '' ? [] : path.split('.').map((_, i, names) => names.slice(0, i).join('.'));
}

type Located = { readonly path: readonly string[]; readonly fault: PolicyFault['fault'] };

/**
 * The place that an issue is about. Of a value that is none of several forms, the place furthest inside, at which most of the
 * forms stumble: that is the form that was meant. Where this tells nothing, the value itself.
 */
function deepest(issue: v.BaseIssue<unknown>, above: readonly string[]): Located {
  const path = [...above, ...(issue.path ?? []).map(({ key }) => String(key))];
  if (issue.type !== 'union') return { path, fault: faultOf(issue) };
  const inside = leavesOf(issue, above).filter(
    (leaf) => leaf.fault === 'invalid' && leaf.path.length > path.length,
  );
  const votes = new Map<string, number>();
  for (const leaf of inside) votes.set(leaf.path.join('\0'), (votes.get(leaf.path.join('\0')) ?? 0) + 1);
  const ranked = inside.toSorted(
    (one, other) =>
      other.path.length - one.path.length ||
      (votes.get(other.path.join('\0')) ?? 0) - (votes.get(one.path.join('\0')) ?? 0),
  );
  return ranked[0] ?? { path, fault: 'invalid' };
}

function leavesOf(issue: v.BaseIssue<unknown>, above: readonly string[]): readonly Located[] {
  const path = [...above, ...(issue.path ?? []).map(({ key }) => String(key))];
  if (issue.issues === undefined) return [{ path, fault: faultOf(issue) }];
  return [{ path, fault: 'invalid' }, ...issue.issues.flatMap((inner) => leavesOf(inner, path))];
}

function faultOf({ type, expected, received }: v.BaseIssue<unknown>): PolicyFault['fault'] {
  if (type !== 'strict_object') return 'invalid';
  if (expected === 'never') return 'unknown';
  return received === 'undefined' ? 'missing' : 'invalid';
}

/** A name that was made up by who wrote the policy could be anything. */
function shownName(name: string): string {
  return /^[A-Za-z0-9]{1,32}(?:-[A-Za-z]{2})?$/.test(name) ? name : '?';
}
