pragma circom 2.2.0;

include "claim.circom";

// The fact `member`: "a claim that my issuer vouched for is one of up to eight values": prefecture, plan, status.
//
// Public output:   credential     commitment to the claims, as the issuer signed it; the verifier takes it from the
//                                 checked credential and compares.
// Public inputs:   challenge      binds the proof to one request, fact, code and attempt.
//                  schema         which claims these are, and how they are encoded.
//                  index          place of the claim in the schema, 0 to 7.
//                  value0 to 7    the values. Where fewer are asked for, the last one is repeated: any constant, zero
//                                 above all, would be a value of its own that somebody's claim could have.
// Private inputs:  claims         all claims of the credential; unused ones are 0.
//                  salt           random, drawn by the issuer.
//                  holderSecret   made on the device for this enrolment; never leaves it.
template Member() {
    signal input challenge;
    signal input schema;
    signal input index;
    signal input value0;
    signal input value1;
    signal input value2;
    signal input value3;
    signal input value4;
    signal input value5;
    signal input value6;
    signal input value7;
    signal input claims[8];
    signal input salt;
    signal input holderSecret;
    signal output credential;

    // Act one: the claim, and whose it is.
    signal claim;
    (credential, claim) <== HeldClaim()(schema, index, claims, salt, holderSecret);

    // Act two: the values. In a field a product is zero exactly if one of its factors is, so the claim equals one of the
    // values, and which one does not show. Equality is exact whatever the size, so there is no range to check: texts
    // stand here as hashes of 248 bits.
    signal misses[7];
    misses[0] <== (claim - value0) * (claim - value1);
    misses[1] <== misses[0] * (claim - value2);
    misses[2] <== misses[1] * (claim - value3);
    misses[3] <== misses[2] * (claim - value4);
    misses[4] <== misses[3] * (claim - value5);
    misses[5] <== misses[4] * (claim - value6);
    misses[6] <== misses[5] * (claim - value7);
    misses[6] === 0;

    // `challenge` is in no constraint, and needs none. The setup gives every public input a row of its own, so a proof
    // made under one challenge does not verify under another. Groth16 is weakly simulation-extractable: whoever sees a
    // proof can re-randomise it for the same public signals, but not move it to others.
}

component main {public [challenge, schema, index, value0, value1, value2, value3, value4, value5, value6, value7]} = Member();
