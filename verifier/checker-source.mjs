// Inside the repository only: a thread does not inherit the loader that runs TypeScript, so it asks for its own.
import { register } from 'tsx/esm/api';

register();
await import('./checker-worker.ts');
