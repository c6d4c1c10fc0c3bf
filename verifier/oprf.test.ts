import { randomBytes } from 'node:crypto';
import { ristretto255_oprf } from '@noble/curves/ed25519.js';
import { base64url } from 'jose';
import { expect, test } from 'vitest';
import { evaluate, newEvaluationKey, parseBlinded } from './oprf.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

// RFC 9497, appendix A.1.1: ristretto255-SHA512, mode OPRF.
const SECRET_KEY = '5ebcea5ee37023ccb9fc2d2019f9d7737be85591ae8652ffa9ef0f4d37063b0e';
const VECTORS = [
  {
    input: '00',
    blind: '64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706',
    blinded: '609a0ae68c15a3cf6903766461307e5c8bb2f95e7e6550e1ffa2dc99e412803c',
    evaluated: '7ec6578ae5120958eb2db1745758ff379e77cb64fe77b0b2d8cc917ea0869c7e',
    output:
      '527759c3d9366f277d8c6020418d96bb393ba2afb20ff90df23fb7708264e2f3ab9135e3bd69955851de4b1f9fe8a0973396719b7912ba9ee8aa7d0b5e24bcf6',
  },
  {
    input: '5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a',
    blind: '64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706',
    blinded: 'da27ef466870f5f15296299850aa088629945a17d1f5b7f5ff043f76b3c06418',
    evaluated: 'b4cbf5a4f1eeda5a63ce7b77c7d23f461db3fcab0dd28e4e17cecb5c90d02c25',
    output:
      'f4a74c9c592497375e796aa837e907b1a045d34306a749db9f34221f7e750cb4f2a6413a6bf6fa5e19ba6348eb673934a722a7ede2e7621306d18951e7cf2c73',
  },
];

test('evaluates as the vectors of RFC 9497 say, and the client ends with their output', () => {
  for (const vector of VECTORS) {
    const blinded = parseBlinded(base64url.encode(hex(vector.blinded)));
    const evaluated = base64url.decode(evaluate(hex(SECRET_KEY), blinded));
    expect(Buffer.from(evaluated).toString('hex')).toBe(vector.evaluated);
    const output = ristretto255_oprf.oprf.finalize(hex(vector.input), hex(vector.blind), evaluated);
    expect(Buffer.from(output).toString('hex')).toBe(vector.output);
  }
});

test('refuses what is not the one encoding of a point other than the identity', () => {
  const order = 'edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010';
  for (const wrong of [
    '00'.repeat(32), // the identity
    'ff'.repeat(32), // above the field
    `01${'00'.repeat(31)}`, // odd, so negative
    order,
    '00'.repeat(31),
    '00'.repeat(33),
    '',
  ]) {
    expect(() => parseBlinded(base64url.encode(hex(wrong)))).toThrow('malformed');
  }
  expect(() => parseBlinded('not base64url!')).toThrow('malformed');
});

test('evaluation keys are fresh, and another key gives another output', () => {
  const keys = [newEvaluationKey(randomBytes), newEvaluationKey(randomBytes)];
  const { blinded } = ristretto255_oprf.oprf.blind(randomBytes(8));
  expect(new Set(keys.map((key) => evaluate(key, blinded))).size).toBe(2);
});
