import { type Address, EXTENSION_BYTES } from '@akashi/circuits/bn254';
import { type Curve, G2_BYTES } from './curve.ts';
import { CURVE_PARAMETER, createPsi, nonAdjacentForm } from './frobenius.ts';

// Whether a point of the twist is in G2, the subgroup of order r, by the endomorphism psi = (untwist, Frobenius, twist):
//
//   [x+1]Q + psi([x]Q) + psi^2([x]Q) = psi^3([2x]Q),    x the parameter of the curve (63 bits),
//
// after Scott, "A note on group membership tests" (2021), and Dai, Lin, Zhao, Zhou (2022). Why it is exact: on all of
// the twist psi^2 - [t]psi + [p] = 0, so the equation says (a + b psi)Q = 0 for known integers a and b, and then the
// norm N = a^2 + abt + b^2 p kills Q too. The order of the twist kills every point. subgroup.test.ts computes that
// the two have greatest common divisor r: so [r]Q = 0. The other way round, psi is multiplication by p in G2, and p
// is a root of the equation mod r. A third of the time of the multiplication by r.
//
// The multiplication is made of doublings and additions, whose formulas hold on the whole twist: equal and opposite points
// are told apart, and points of order two there are none, since the order of the twist is odd. (Libraries whose
// multiplication of G2 splits the scalar by this same endomorphism are of no use here: that is right only where the point
// is in the subgroup already.)
//
// Rejected: one check for a whole batch, of a random sum of its points. The cofactor has the factor 10069, so a point
// of that order would get through once in 10069 times.

/** @returns whether the affine point of the twist at `point` has order r */
export type SubgroupCheck = (point: Address) => boolean;

const JACOBIAN_BYTES = 3 * EXTENSION_BYTES;
/** Without the leading one, which is the point itself. */
const DIGITS = nonAdjacentForm(CURVE_PARAMETER).slice(1);

export function createSubgroupCheck(curve: Curve): SubgroupCheck {
  const { double, add, addAffine, negate } = curve.g2;
  const psi = createPsi(curve);
  const negative = curve.allocate(G2_BYTES);
  const [multiple, left, right] = [
    curve.allocate(JACOBIAN_BYTES),
    curve.allocate(JACOBIAN_BYTES),
    curve.allocate(JACOBIAN_BYTES),
  ];
  const infinity = curve.allocate(JACOBIAN_BYTES);

  return (point) => {
    curve.copy(negative, point, G2_BYTES);
    negate(negative);
    curve.copy(multiple, infinity, JACOBIAN_BYTES);
    addAffine(multiple, point);
    for (const digit of DIGITS) {
      double(multiple);
      if (digit === 1) addAffine(multiple, point);
      if (digit === -1) addAffine(multiple, negative);
    }
    curve.copy(left, multiple, JACOBIAN_BYTES);
    addAffine(left, point);
    curve.copy(right, multiple, JACOBIAN_BYTES);
    double(right);
    for (let power = 0; power < 2; power++) {
      psi(multiple, 3);
      add(left, multiple);
    }
    for (let power = 0; power < 3; power++) psi(right, 3);
    negate(right);
    add(left, right);
    return curve.isZero(left + 2 * EXTENSION_BYTES, EXTENSION_BYTES);
  };
}
