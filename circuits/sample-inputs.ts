import { type CircuitInputs, FACTS, type FactId } from './protocol.ts';

/** What a circuit takes only small values for: how many there are. */
const SMALL: Readonly<Record<string, bigint>> = { reveal: 2n, index: 16n };

/**
 * Inputs that the circuit of a fact accepts, for the build and the tests.
 * @param element draws a field element; a name tells for what
 */
export function sampleInputs<F extends FactId>(fact: F, element: (name: string) => bigint): CircuitInputs<F> {
  const draw = (name: string): bigint => {
    const values = SMALL[name];
    return values === undefined ? element(name) : element(name) % values;
  };
  const { inputs, privateInputs } = FACTS[fact];
  const lengths: readonly (readonly [name: string, length: number])[] = [
    ...inputs.map((name) => [name, 1] as const),
    ...Object.entries(privateInputs),
  ];
  return Object.fromEntries(
    lengths.map(([name, length]) => [
      name,
      length === 1 ? draw(name) : Array.from({ length }, (_, i) => draw(`${name}/${i}`)),
    ]),
  ) as unknown as CircuitInputs<F>;
}
