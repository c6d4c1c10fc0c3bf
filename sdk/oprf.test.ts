import { bytesToInteger, decodeBase64url, encodeBase64url, FIELD_ORDER } from '@akashi/circuits';
import { ristretto255_oprf } from '@noble/curves/ed25519.js';
import { describe, expect, test } from 'vitest';
import { blindPin, pinKey } from './oprf.ts';

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));

// RFC 9497, appendix A.1.1.1: ristretto255-SHA512, mode OPRF.
const VECTORS = [
  {
    input: '\x00',
    blind: '64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706',
    evaluated: '7ec6578ae5120958eb2db1745758ff379e77cb64fe77b0b2d8cc917ea0869c7e',
    output:
      '527759c3d9366f277d8c6020418d96bb393ba2afb20ff90df23fb7708264e2f3ab9135e3bd69955851de4b1f9fe8a0973396719b7912ba9ee8aa7d0b5e24bcf6',
  },
  {
    input: 'Z'.repeat(17),
    blind: '64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706',
    evaluated: 'b4cbf5a4f1eeda5a63ce7b77c7d23f461db3fcab0dd28e4e17cecb5c90d02c25',
    output:
      'f4a74c9c592497375e796aa837e907b1a045d34306a749db9f34221f7e750cb4f2a6413a6bf6fa5e19ba6348eb673934a722a7ede2e7621306d18951e7cf2c73',
  },
];

describe('the device’s side of the OPRF', () => {
  test.each(VECTORS)('agrees with RFC 9497 on $input', ({ input, blind, evaluated, output }) => {
    const blinded = { pin: input, blind: hex(blind), blinded: '' };
    const key = pinKey(blinded, encodeBase64url(hex(evaluated)));
    expect(key).toBe(bytesToInteger(hex(output)) % FIELD_ORDER);
  });

  test('gives one key for one PIN, whatever the blind', () => {
    const { secretKey } = ristretto255_oprf.oprf.generateKeyPair();
    const evaluate = (blinded: string) =>
      encodeBase64url(ristretto255_oprf.oprf.blindEvaluate(secretKey, decodeBase64url(blinded)));
    const [first, second, other] = ['739105', '739105', '739106'].map((pin) => blindPin(pin, random));
    if (!first || !second || !other) throw new TypeError();
    expect(first.blinded).not.toBe(second.blinded);
    expect(pinKey(first, evaluate(first.blinded))).toBe(pinKey(second, evaluate(second.blinded)));
    expect(pinKey(first, evaluate(first.blinded))).not.toBe(pinKey(other, evaluate(other.blinded)));
  });

  test.each([
    ['the identity', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['no element of the group', 'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['bytes above the field', '__________________________________________8'],
  ])('refuses %s as an evaluation', (_, evaluated) => {
    const blinded = blindPin('739105', random);
    expect(() => pinKey(blinded, evaluated)).toThrow(expect.objectContaining({ code: 'unexpected_answer' }));
  });
});
