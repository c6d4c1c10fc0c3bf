pragma circom 2.2.0;

include "hash.circom";

// The fact `pin`: "I know the PIN enrolled on this device."
//
// Public output:   commitment     what the device registered at enrolment; the verifier compares it with its record.
// Public input:    challenge      binds the proof to one request, fact, code and attempt.
// Private inputs:  pinKey         what the OPRF made of the PIN; to learn it takes the PIN and one counted evaluation.
//                  holderSecret   made on the device for this enrolment; never leaves it.
//
// The PIN is not an input. From a PIN of six digits anyone could try all; from `pinKey` nobody gets anywhere without
// the verifier's evaluation key, and the verifier counts.
template Pin() {
    signal input challenge;
    signal input pinKey;
    signal input holderSecret;
    signal output commitment;

    // Act one, and the only one: open the commitment. Whoever can, knows the key that the PIN unlocks and the secret
    // of the device at once; either alone is of no use. The holder secret also hides the commitment: two devices
    // with the same PIN show nothing in common, even to the verifier that evaluated both.
    commitment <== PinCommitment()(pinKey, holderSecret);

    // `challenge` is in no constraint, and needs none. The setup gives every public input a row of its own, so a proof
    // made under one challenge does not verify under another. Groth16 is weakly simulation-extractable: whoever sees a
    // proof can re-randomise it for the same public signals, but not move it to others.
}

component main {public [challenge]} = Pin();
