pragma circom 2.2.0;

include "hash.circom";

// The fact `account`: "I own an account here" or "I own this account here", out of up to sixteen of the subject.
//
// Public outputs:  accountsRoot   root of the subject's accounts, as the issuer signed it; the verifier takes it from
//                                 the credential and compares.
//                  accountRef     with `reveal` 1, the reference of the account proven; with `reveal` 0, zero.
// Public inputs:   challenge      binds the proof to one request, fact, code and attempt.
//                  scope          a constant of the tenant, so that references of two tenants cannot be joined.
//                  reveal         1 to name the account, 0 to show only that there is one.
// Private inputs:  accountKey     the issuer's keyed hash of the account number.
//                  holderSecret   made on the device for this enrolment; never leaves it.
//                  index          place of the account in the tree, 0 to 15.
//                  siblings       from leaf to root, what the path does not contain itself.
template Account() {
    signal input challenge;
    signal input scope;
    signal input reveal;
    signal input accountKey;
    signal input holderSecret;
    signal input index;
    signal input siblings[4];
    signal output accountsRoot;
    signal output accountRef;

    // Act one: the holder. The issuer computed each leaf over `holder`, the commitment to this device's secret, and
    // not over anything the device sent for the purpose. So the leaf can be opened on this device only, and a
    // credential copied to another device proves nothing there.
    signal holder <== HolderCommitment()(holderSecret);
    signal leaf <== AccountLeaf()(accountKey, holder);

    // Act two: the place in the tree. The index selects, so it is range-checked: four bits, each of them 0 or 1, whose
    // weighted sum is the index. 0 to 15 have exactly one such decomposition and every other field element has none.
    // (The bits are computed outside the constraints; the two lines that follow constrain all of what was computed.)
    signal bits[4];
    var sum = 0;
    for (var level = 0; level < 4; level++) {
        bits[level] <-- (index >> level) & 1;
        bits[level] * (bits[level] - 1) === 0;
        sum += bits[level] * 2 ** level;
    }
    sum === index;

    // Act three: the path. A bit of 1 says that the node is a right child. The two children of the level above are
    // then swapped by one multiplication: `swap` is their difference or zero, added to the one and taken from the
    // other. Leaves and nodes are hashed under different tags, so the path cannot end early or begin at a node; it
    // has four levels in the constraints, so it cannot be longer. An unused leaf is a constant that no key opens.
    signal nodes[5];
    signal swap[4];
    nodes[0] <== leaf;
    for (var level = 0; level < 4; level++) {
        swap[level] <== bits[level] * (siblings[level] - nodes[level]);
        nodes[level + 1] <== TreeNode()(nodes[level] + swap[level], siblings[level] - swap[level]);
    }
    accountsRoot <== nodes[4];

    // Act four: the name, if it is asked for. The reference is always computed, and multiplied by a bit: were `reveal`
    // any field element, a prover could show a multiple of the reference. The verifier supplies `reveal` itself, but a
    // circuit should not have to rely on it.
    reveal * (reveal - 1) === 0;
    signal reference <== AccountReference()(accountKey, scope);
    accountRef <== reveal * reference;

    // `challenge` is in no constraint, and needs none. The setup gives every public input a row of its own, so a proof
    // made under one challenge does not verify under another. Groth16 is weakly simulation-extractable: whoever sees a
    // proof can re-randomise it for the same public signals, but not move it to others.
}

component main {public [challenge, scope, reveal]} = Account();
