import { challenge } from '@akashi/circuits';
import type { G1Point, G2Point } from '@akashi/circuits/bn254';
import { pinCommitment } from '@akashi/circuits/poseidon';
import { bindProof } from './binding.ts';
import { loadOprf } from './chunk.ts';
import type { Preparation, Random } from './groth16.ts';

// What a presentation computes, computed once before on values that mean nothing: code runs several times faster once the
// browser has compiled it, and the constants of Poseidon are made only once. Nothing of it leaves the page.

/** The generators (EIP-197). */
const G1: G1Point = [1n, 2n];
const G2: G2Point = [
  [
    10857046999023057135944570762232829481370756359578518086990519993285655852781n,
    11559732032986387107991004021392285783925812861821192530917403151452391805634n,
  ],
  [
    8495653923123431417604973247489272438418190587263600148770280649306958101930n,
    4082367875863433681332203403145435568316851327593401208105741076214120093531n,
  ],
];
const PREPARATION: Preparation = { a: G1, b: G2, c: G1, h1: G1, challenge: G1, delta: G2 };

export async function rehearseBinding(random: Random): Promise<void> {
  // About as long as a request is.
  const request = '.'.repeat(1500);
  const bound = challenge({ request, index: 0, nonce: random(32), code: '000000' });
  await bindProof(PREPARATION, bound, random);
}

export async function rehearsePin(random: Random): Promise<void> {
  const { blindPin, pinKey } = await loadOprf();
  const blinded = blindPin('0000', random);
  // As if the verifier had the key 1.
  pinCommitment(pinKey(blinded, blinded.blinded), 1n);
}
