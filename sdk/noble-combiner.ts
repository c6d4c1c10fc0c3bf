import type { G1Point, G2Point } from '@akashi/circuits/bn254';
import { bn254 } from '@noble/curves/bn254.js';
import type { Combiner } from './groth16.ts';

const { G1, G2 } = bn254;

/**
 * Binding where there is no WebAssembly, as in React Native's Hermes: plain TypeScript on @noble/curves. The points
 * come from our own preparation, so they are not checked again.
 */
export const nobleCombiner: Combiner = {
  combineG1(points, scalars) {
    const sum = points.reduce(
      (total, [x, y], i) => total.add(G1.Point.fromAffine({ x, y }).multiplyUnsafe(scalars[i] ?? 0n)),
      G1.Point.ZERO,
    );
    if (sum.is0()) return undefined;
    const { x, y } = sum.toAffine();
    return [x, y] satisfies G1Point;
  },
  combineG2(points, scalars) {
    const sum = points.reduce((total, [x, y], i) => {
      const point = G2.Point.fromAffine({ x: { c0: x[0], c1: x[1] }, y: { c0: y[0], c1: y[1] } });
      return total.add(point.multiplyUnsafe(scalars[i] ?? 0n));
    }, G2.Point.ZERO);
    if (sum.is0()) return undefined;
    const { x, y } = sum.toAffine();
    return [
      [x.c0, x.c1],
      [y.c0, y.c1],
    ] satisfies G2Point;
  },
};
