pragma circom 2.2.0;

include "poseidon.circom";

// Every hash of the facts, each under a domain tag of its own as first input: a value made for one use can never be
// passed off as a value made for another (a tree node is no leaf, a PIN commitment is no holder). The same formulas
// stand in poseidon.ts for those who compute in the clear; tests hold both together.
//
// Inputs here are keys, secrets, salts, claims and hashes. For a hash they need no range check: two different field
// elements are two different inputs, whatever their size. A claim that is also compared is checked where it is compared.

// A tag is the ASCII text of its name, read as a big-endian number (TAGS in protocol.ts).
function TAG_HOLDER() { return 0x616b617368692f686f6c6465722f7631; } // "akashi/holder/v1"
function TAG_PIN() { return 0x616b617368692f70696e2f7631; } // "akashi/pin/v1"
function TAG_LEAF() { return 0x616b617368692f6c6561662f7631; } // "akashi/leaf/v1"
function TAG_NODE() { return 0x616b617368692f6e6f64652f7631; } // "akashi/node/v1"
function TAG_REF() { return 0x616b617368692f7265662f7631; } // "akashi/ref/v1"
function TAG_CREDENTIAL() { return 0x616b617368692f63726564656e7469616c2f7631; } // "akashi/credential/v1"

// The public commitment to a holder secret. Issuers sign over `holder` and so bind what they vouch for to one device.
template HolderCommitment() {
    signal input holderSecret;
    signal output holder;

    holder <== Poseidon(2)([TAG_HOLDER(), holderSecret]);
}

// What the verifier keeps of a PIN. `pinKey` is the output of the OPRF, so the PIN cannot be searched for from here.
template PinCommitment() {
    signal input pinKey;
    signal input holderSecret;
    signal output commitment;

    commitment <== Poseidon(3)([TAG_PIN(), pinKey, holderSecret]);
}

// One account of one holder.
template AccountLeaf() {
    signal input accountKey;
    signal input holder;
    signal output leaf;

    leaf <== Poseidon(3)([TAG_LEAF(), accountKey, holder]);
}

// An inner node of the accounts tree.
template TreeNode() {
    signal input left;
    signal input right;
    signal output node;

    node <== Poseidon(3)([TAG_NODE(), left, right]);
}

// A name for an account that only those who know its key can compute, and that differs from tenant to tenant.
template AccountReference() {
    signal input accountKey;
    signal input scope;
    signal output reference;

    reference <== Poseidon(3)([TAG_REF(), accountKey, scope]);
}

// What an issuer vouches for: the claims of one schema about one holder. All eight are hashed at once, so there is one
// credential for a list of claims and no way to open a part of it with another part left out. `salt` keeps claims of
// few possible values from being searched for.
template ClaimsCredential() {
    signal input schema;
    signal input holder;
    signal input salt;
    signal input claims[8];
    signal output credential;

    component hash = Poseidon(12);
    hash.in[0] <== TAG_CREDENTIAL();
    hash.in[1] <== schema;
    hash.in[2] <== holder;
    hash.in[3] <== salt;
    for (var i = 0; i < 8; i++) {
        hash.in[4 + i] <== claims[i];
    }
    credential <== hash.out;
}
