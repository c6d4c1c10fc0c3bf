import { text } from 'node:stream/consumers';
import { createRemoteJWKSet, jwtVerify } from 'jose';

// Somebody who was handed evidence years later and has nothing of Akashi: jose, and the address of a key set.

const keys = createRemoteJWKSet(new URL(process.argv[2]), { timeoutDuration: 60_000 });
const { payload, protectedHeader } = await jwtVerify(await text(process.stdin), keys, {
  algorithms: ['ES256'],
  typ: 'akashi-evidence+jwt',
});
console.log(JSON.stringify({ payload, kid: protectedHeader.kid }));
