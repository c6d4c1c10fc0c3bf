import { parseArgs } from 'node:util';
import { setup } from '../setup.ts';
import { CRASH_STORES, type CrashResult, type CrashStore, crashRounds } from './rounds.ts';

const USAGE = `npm run soak:crash -- [--rounds N] [--stores LIST]

Kills a verifier under load (kill -9), starts it, and looks up everything that it had acknowledged. The last line on
standard output is the result for each store as JSON; exits with 1 when anything was lost or good twice.

  --rounds  for each store (default: 20)
  --stores  default: ${CRASH_STORES.join(',')}; PostgreSQL is started from this machine's binaries, or DATABASE_URL is used`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    stores: { type: 'string', default: CRASH_STORES.join(',') },
    help: { type: 'boolean', default: false },
  },
});

function storesIn(list: string): readonly CrashStore[] {
  return list.split(',').map((name) => {
    const store = CRASH_STORES.find((known) => known === name);
    if (store === undefined) throw new Error('a list of stores is needed');
    return store;
  });
}

async function run(rounds: number, stores: readonly CrashStore[]): Promise<void> {
  const end = await setup();
  const results: CrashResult[] = [];
  try {
    for (const store of stores) {
      results.push(await crashRounds(store, rounds, { say: (line) => console.error(line) }));
    }
  } finally {
    await end();
  }
  console.log(JSON.stringify(results));
  if (results.some(({ lost, doubleUses, auditOk }) => lost + doubleUses > 0 || !auditOk))
    process.exitCode = 1;
}

if (values.help) console.log(USAGE);
else {
  if (!/^[1-9][0-9]{0,4}$/.test(values.rounds)) throw new Error('a number is needed');
  await run(Number(values.rounds), storesIn(values.stores));
}
