import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  CLAIMS,
  type ClaimCircuit,
  CREDENTIAL,
  HOLDER_SECRET,
  LIMIT,
  memberInputs,
  openClaimCircuit,
  rangeInputs,
  SALT,
  SCHEMA,
  setBounds,
} from './claim-circuit.ts';
import { allWires, violated } from './constraints.ts';
import { FIELD_ORDER } from './field.ts';
import type { CircuitInputs } from './protocol.ts';

// What `range` and `member` share: the credential that they open, and the claim that they pick from it.

const GOLDEN = 18522194003015413874764710243312479832270359366793833608154442346586923883699n;

type Inputs = CircuitInputs<'range'>;

let range: ClaimCircuit<'range'>;
let member: ClaimCircuit<'member'>;

beforeAll(async () => {
  // snarkjs prints a failed assertion before it throws it.
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  range = await openClaimCircuit('range', rangeInputs(0, { lower: 38_000n, upper: 40_000n }));
  member = await openClaimCircuit('member', memberInputs(2));
});

afterAll(async () => {
  await range.circuit.close();
  await member.circuit.close();
  vi.restoreAllMocks();
});

async function credentialOf(inputs: Inputs): Promise<bigint | undefined> {
  return (await range.circuit.witness(inputs))[range.wire('credential')];
}

describe('the credential', () => {
  test('is golden, and the same in both circuits and outside', async () => {
    expect(CREDENTIAL).toBe(GOLDEN);
    expect(range.good[range.wire('credential')]).toBe(GOLDEN);
    expect(member.good[member.wire('credential')]).toBe(GOLDEN);
  });

  test('comes out for each of the eight places', async () => {
    for (const index of CLAIMS.keys()) {
      expect(await credentialOf(rangeInputs(index))).toBe(GOLDEN);
      expect((await member.circuit.witness(memberInputs(index)))[member.wire('credential')]).toBe(GOLDEN);
    }
  });

  test.each<[string, Partial<Inputs>]>([
    ['another schema', { schema: SCHEMA + 1n }],
    ['another salt', { salt: SALT + 1n }],
    ['another device', { holderSecret: HOLDER_SECRET + 1n }],
    ['two claims the other way round', { claims: CLAIMS.with(2, 1n).with(5, 13n) }],
    ...CLAIMS.map((_, i): [string, Partial<Inputs>] => [
      `another claim ${i}`,
      { claims: CLAIMS.with(i, (CLAIMS[i] ?? 0n) ^ 1n) },
    ]),
  ])('is another for %s', async (_, changes) => {
    const inputs = { ...rangeInputs(0), ...changes };
    const claim = inputs.claims[0] ?? 0n;
    expect(await credentialOf({ ...inputs, lower: claim, upper: claim })).not.toBe(GOLDEN);
  });
});

describe.each(['range', 'member'] as const)('the index of %s', (fact) => {
  const picker = () => (fact === 'range' ? range : member);

  test.each([
    ['8', 8n],
    ['9', 9n],
    ['-1', -1n],
    ['r - 1', FIELD_ORDER - 1n],
    ['r + 8', FIELD_ORDER + 8n],
    ['2^64', LIMIT],
    ['half of r', (FIELD_ORDER + 1n) / 2n],
  ])('is refused at %s', async (_, index) => {
    const refused =
      fact === 'range'
        ? range.circuit.witness(rangeInputs(7, { index }))
        : member.circuit.witness(memberInputs(7, { index }));
    await expect(refused).rejects.toThrow('Assert Failed');
  });

  test('is taken at 0 and at 7, and as r + 7', async () => {
    for (const index of [0, 7]) {
      await expect(range.circuit.witness(rangeInputs(index))).resolves.toBeDefined();
      await expect(member.circuit.witness(memberInputs(index))).resolves.toBeDefined();
    }
    const wrapped = rangeInputs(7, { index: FIELD_ORDER + 7n });
    expect(await range.circuit.witness(wrapped)).toEqual(await range.circuit.witness(rangeInputs(7)));
  });

  test('has one choice of places for 0 to 7, and none for any other value', () => {
    const { r1cs } = picker().circuit.compilation;
    // The last two follow from the others, by the sum and the weighted sum.
    const [wires, checks] = [picker().places.filter((wire) => wire > 0), new Set(picker().rangeChecks())];
    const only = { ...r1cs, constraints: r1cs.constraints.filter((_, i) => checks.has(i)) };
    // The checks on the places alone: whatever else is checked has wires of its own.
    const places = only.constraints.filter((constraint) =>
      [...constraint.a.keys()].some((wire) => wires.includes(wire)),
    );
    expect(places).toHaveLength(8);
    for (const index of [-1n, 0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, LIMIT, FIELD_ORDER - 2n]) {
      let choices = 0;
      for (let bits = 0; bits < 2 ** wires.length; bits++) {
        const values = new Map(allWires(picker().good));
        values.set(picker().wire('index'), (index + FIELD_ORDER) % FIELD_ORDER);
        wires.forEach((wire, i) => {
          values.set(wire, BigInt((bits >> i) & 1));
        });
        if (violated({ ...r1cs, constraints: places }, values).length === 0) choices++;
      }
      expect(choices, `index ${index}`).toBe(index >= 0n && index <= 7n ? 1 : 0);
    }
  });

  test('has a check on every place that refuses what the others let pass', () => {
    // Two places chosen and a third one taken back: the sum is 1, and one place alone is no bit.
    const wires = picker().places;
    const refused = new Set<number>();
    for (const back of wires.keys()) {
      const [a = 0, b = 0] = [...wires.keys()].filter((place) => place !== back);
      const place = (i: number) => (i === a || i === b ? 1n : i === back ? FIELD_ORDER - 1n : 0n);
      const index = BigInt(a + b - back);
      const claim = CLAIMS.reduce((sum, value, i) => sum + value * place(i), 0n) % FIELD_ORDER;
      const changes = new Map(wires.flatMap((wire, i) => (wire > 0 ? [[wire, place(i)] as const] : [])));
      changes.set(picker().wire('index'), (index + FIELD_ORDER) % FIELD_ORDER);
      // The claim that comes out of it fits: for `range` it is kept small, for `member` it is a value.
      if (fact === 'member') changes.set(member.wire('value0'), claim);
      else setSmallClaims(changes, wires, place);
      const broken = picker().violatedBy(changes);
      expect(broken).toHaveLength(1);
      refused.add(broken[0] ?? -1);
    }
    expect(refused.size).toBe(8);
  });

  /** All claims 0 but the two that are added: what is compared is small, and its bits are set to it. */
  function setSmallClaims(
    changes: Map<number, bigint>,
    wires: readonly number[],
    place: (i: number) => bigint,
  ) {
    wires.forEach((_, i) => {
      changes.set(range.wire(`claims[${i}]`), place(i) === 1n ? 1n : 0n);
    });
    setBounds(range, changes, 2n, 0n, 0n);
  }
});
