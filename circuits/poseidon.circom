pragma circom 2.2.0;

include "poseidon-constants.circom";

// Poseidon (Grassi, Khovratovich, Rechberger, Roy, Schofnegger, USENIX Security 2021) over the BN254 scalar field,
// for two, three or twelve inputs. Constants, order of the state and choice of the output are circomlib's, so the hash is the
// one that every library calls Poseidon; the constants are made by poseidon-constants.ts.
//
// The plain form of the paper is used: all round constants, the whole matrix in each round. The usual sparse matrices
// save multiplications only; here every sum is linear, so the compiler folds it away and both forms end in the same
// constraints. What remains is three constraints for each S-box whose input is not constant.

// The S-box, x^5.
template FifthPower() {
    signal input in;
    signal output out;

    signal square <== in * in;
    signal fourth <== square * square;
    out <== fourth * in;
}

// in:  inputs field elements, of any value
// out: their hash
template Poseidon(inputs) {
    assert(inputs == 2 || inputs == 3 || inputs == 12);

    signal input in[inputs];
    signal output out;

    var width = inputs + 1;
    var fullRounds = POSEIDON_FULL_ROUNDS();
    var partialRounds = POSEIDON_PARTIAL_ROUNDS(width);
    var rounds = fullRounds + partialRounds;
    var roundConstants[rounds][width] = POSEIDON_ROUND_CONSTANTS(width);
    var mds[width][width] = POSEIDON_MDS(width);

    component power[fullRounds * width + partialRounds];
    var powers = 0;

    // The state is a var: what it holds is a sum of signals, not a signal of its own. Its first element is the
    // capacity. It starts at zero because the number of inputs is fixed by the template.
    var state[width];
    state[0] = 0;
    for (var i = 0; i < inputs; i++) {
        state[i + 1] = in[i];
    }

    for (var round = 0; round < rounds; round++) {
        var isFull = round < fullRounds / 2 || round >= fullRounds / 2 + partialRounds;
        var mixed[width];
        for (var i = 0; i < width; i++) {
            mixed[i] = 0;
        }
        for (var j = 0; j < width; j++) {
            var element = state[j] + roundConstants[round][j];
            if (isFull || j == 0) {
                power[powers] = FifthPower();
                power[powers].in <== element;
                element = power[powers].out;
                powers++;
            }
            for (var i = 0; i < width; i++) {
                mixed[i] += mds[i][j] * element;
            }
        }
        state = mixed;
    }

    out <== state[0];
}
