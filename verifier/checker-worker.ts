import { randomBytes } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { factId, parse } from '@akashi/circuits';
import * as v from 'valibot';
import { POINT_BYTES } from './equation.ts';
import { verifyBatch } from './proof.ts';
import { loadVerificationKeys } from './verification-keys.ts';

// The thread of a lane (checker-lane.ts): takes batches of proofs whose points were parsed by the same arithmetic in
// the main thread, and answers with verdicts. What is thrown here ends the thread, and the lane says so.

const batchShape = v.array(
  v.strictObject({
    fact: factId,
    signals: v.array(v.bigint()),
    points: v.strictObject({
      bytes: v.pipe(
        v.instance(Uint8Array),
        v.check((bytes) => bytes.length === POINT_BYTES),
      ),
    }),
  }),
);

const port = parentPort;
if (port === null) throw new TypeError('a thread of the verifier, not a program');
const keys = await loadVerificationKeys();

port.on('message', (message: unknown) => {
  const checks = parse(batchShape, message).map(({ fact, signals, points }) => ({
    key: keys[fact],
    signals,
    points,
  }));
  port.postMessage(verifyBatch(checks, randomBytes));
});
