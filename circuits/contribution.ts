import { randomBytes } from 'node:crypto';
import { endSnarkjs, snarkjs } from './snarkjs.ts';

// One contribution to the phase 2 of one key, as a process of its own: its secret is drawn here from the operating
// system, is known to no other process, and is gone when this one ends. It is the one secret of the setup.

const [from, to, name] = process.argv.slice(2);
if (from === undefined || to === undefined || name === undefined) {
  throw new TypeError('contribution.ts FROM TO NAME');
}
const hash = await snarkjs.zKey.contribute(from, to, name, randomBytes(64).toString('hex'));
process.send?.(Buffer.from(hash).toString('hex'));
await endSnarkjs();
process.disconnect?.();
