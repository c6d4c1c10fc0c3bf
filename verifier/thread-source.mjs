// Inside the repository only: a thread does not inherit the loader that runs TypeScript, so it asks for its own. Its first
// argument is the program.
import { register } from 'tsx/esm/api';

register();
await import(process.argv[2]);
