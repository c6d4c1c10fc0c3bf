pragma circom 2.2.0;

include "hash.circom";

// What `range` and `member` have in common: a claim that an issuer vouched for, chosen by its place in the schema.

// A number of 64 bits, and nothing else: 2^64 - 1 passes, 2^64 and every negative number (the field's upper end) do not.
// (The bits are computed outside the constraints; the two lines that follow constrain all of what was computed.)
template SixtyFourBits() {
    signal input in;

    signal bits[64];
    var sum = 0;
    for (var i = 0; i < 64; i++) {
        bits[i] <-- (in >> i) & 1;
        bits[i] * (bits[i] - 1) === 0;
        sum += bits[i] * 2 ** i;
    }
    sum === in;
}

// Opens the credential of this holder and picks one of its eight claims.
template HeldClaim() {
    signal input schema;
    signal input index;
    signal input claims[8];
    signal input salt;
    signal input holderSecret;
    signal output credential;
    signal output claim;

    // The issuer computed the credential over `holder` itself: a device can neither put in a claim of its own nor use
    // a credential that was copied from another device.
    signal holder <== HolderCommitment()(holderSecret);
    credential <== ClaimsCredential()(schema, holder, salt, claims);

    // Eight bits, of which exactly one is 1, at the place that `index` names: each a bit, their sum 1, their weighted
    // sum the index. For 0 to 7 there is one such choice, for any other field element none. Comparing the index with
    // each place instead, as circomlib's IsEqual does, leaves an inverse free where the difference is zero.
    // (Computed outside the constraints; each line that follows constrains what was computed.)
    signal chosen[8];
    signal picked[8];
    var ones = 0;
    var place = 0;
    var sum = 0;
    for (var i = 0; i < 8; i++) {
        chosen[i] <-- index == i ? 1 : 0;
        chosen[i] * (chosen[i] - 1) === 0;
        picked[i] <== chosen[i] * claims[i];
        ones += chosen[i];
        place += chosen[i] * i;
        sum += picked[i];
    }
    ones === 1;
    place === index;
    claim <== sum;
}
