import { parentPort, workerData } from 'node:worker_threads';
import { serveWrites } from './sqlite-writer.ts';

// The thread that sqlite-thread.ts starts.

if (parentPort === null) throw new TypeError('a thread of the verifier, not a program');
serveWrites(parentPort, (workerData as { readonly file: string }).file);
