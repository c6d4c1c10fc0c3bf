import { FIELD_ORDER } from './field.ts';
import { type CircuitInputs, FACTS, type FactId, MEMBER_VALUES, RANGE_BITS } from './protocol.ts';

type Draw = (name: string) => bigint;
/** Inputs of a fact that its circuit takes only in certain values, from freely drawn ones. */
type Fitting<F extends FactId> = (drawn: CircuitInputs<F>, draw: Draw) => Partial<CircuitInputs<F>>;

const below = (values: bigint) => (drawn: bigint) => drawn % values;
const bits = below(2n ** BigInt(RANGE_BITS));
const modulo = (value: bigint) => (value + FIELD_ORDER) % FIELD_ORDER;

const FITTINGS: { readonly [F in FactId]: Fitting<F> } = {
  pin: () => ({}),
  account: ({ reveal, index }) => ({ reveal: reveal % 2n, index: index % 16n }),
  // The bounds stand around the claim at random distances, so that the bits of all three are drawn apart.
  range({ claims }, draw) {
    const place = draw('place') % 8n;
    const claim = bits(claims[Number(place)] ?? 0n);
    return {
      index: place,
      claims: claims.map(bits),
      lower: modulo(claim - bits(draw('below'))),
      upper: modulo(claim + bits(draw('above'))),
    };
  },
  member({ claims }, draw) {
    const place = draw('place') % 8n;
    const name = MEMBER_VALUES[Number(draw('met') % BigInt(MEMBER_VALUES.length))];
    return { index: place, ...(name && { [name]: claims[Number(place)] }) };
  },
};

/**
 * Inputs that the circuit of a fact accepts, for the build and the tests.
 * @param element draws a field element; a name tells for what
 */
export function sampleInputs<F extends FactId>(fact: F, element: Draw): CircuitInputs<F> {
  const { inputs, privateInputs } = FACTS[fact];
  const lengths: readonly (readonly [name: string, length: number])[] = [
    ...inputs.map((name) => [name, 1] as const),
    ...Object.entries(privateInputs),
  ];
  const drawn = Object.fromEntries(
    lengths.map(([name, length]) => [
      name,
      length === 1 ? element(name) : Array.from({ length }, (_, i) => element(`${name}/${i}`)),
    ]),
  ) as unknown as CircuitInputs<F>;
  return { ...drawn, ...FITTINGS[fact](drawn, element) };
}
