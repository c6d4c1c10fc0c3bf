pragma circom 2.2.0;

include "claim.circom";

// The fact `range`: "a claim that my issuer vouched for lies between two bounds": age, balance, months as a customer.
//
// Public output:   credential     commitment to the claims, as the issuer signed it; the verifier takes it from the
//                                 checked credential and compares.
// Public inputs:   challenge      binds the proof to one request, fact, code and attempt.
//                  schema         which claims these are, and how they are encoded.
//                  index          place of the claim in the schema, 0 to 7.
//                  lower, upper   the bounds, both included.
// Private inputs:  claims         all claims of the credential; unused ones are 0.
//                  salt           random, drawn by the issuer.
//                  holderSecret   made on the device for this enrolment; never leaves it.
template Range() {
    signal input challenge;
    signal input schema;
    signal input index;
    signal input lower;
    signal input upper;
    signal input claims[8];
    signal input salt;
    signal input holderSecret;
    signal output credential;

    // Act one: the claim, and whose it is.
    signal claim;
    (credential, claim) <== HeldClaim()(schema, index, claims, salt, holderSecret);

    // Act two: the bounds. In a field there is no order, only distances: going up from `lower` to the claim, and from the
    // claim to `upper`, takes less than 2^64 steps each. With the claim itself below 2^64 nothing can wrap around: a
    // claim one below `lower` is r - 1 steps above it. The verifier holds both bounds below 2^64; were they not, the
    // statement would still be about a claim of 64 bits. If `lower` is above `upper`, no claim fits.
    SixtyFourBits()(claim);
    SixtyFourBits()(claim - lower);
    SixtyFourBits()(upper - claim);

    // `challenge` is in no constraint, and needs none. The setup gives every public input a row of its own, so a proof
    // made under one challenge does not verify under another. Groth16 is weakly simulation-extractable: whoever sees a
    // proof can re-randomise it for the same public signals, but not move it to others.
}

component main {public [challenge, schema, index, lower, upper]} = Range();
