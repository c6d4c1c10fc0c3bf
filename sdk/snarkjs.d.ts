// snarkjs, the oracle of the tests here, comes without types: the call used, as the source of 0.7.6 has it.
declare module 'snarkjs' {
  export const groth16: {
    verify(
      key: unknown,
      signals: readonly string[],
      proof: {
        /** Projective coordinates, decimal. */
        readonly pi_a: readonly string[];
        readonly pi_b: readonly (readonly string[])[];
        readonly pi_c: readonly string[];
        readonly protocol: string;
        readonly curve: string;
      },
    ): Promise<boolean>;
  };
}
