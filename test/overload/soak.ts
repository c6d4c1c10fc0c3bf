import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { setup } from '../setup.ts';
import { measureDesks, WAYS } from './desks.ts';
import { measureOverload } from './load.ts';
import { measureSlow } from './slow.ts';
import { startCrowdedVerifier, startLoadedVerifier } from './verifier.ts';

const USAGE = `npm run soak:overload -- [--desks N] [--times N] [--seconds N]

One verifier in a process of its own: desks that wait, clients that send or read slowly, and more calls than it can do. The
last line on standard output is the result as JSON. Figures are of this machine and of what else runs on it: load
averages before and after are in the result.

  --desks    that wait at once (default: 5000)
  --times    of its capacity that are offered (default: 10)
  --seconds  for that long (default: 15)`;

const { values } = parseArgs({
  options: {
    desks: { type: 'string', default: '5000' },
    times: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '15' },
    help: { type: 'boolean', default: false },
  },
});

const VERDICTS = { verdicts: 100, perSecond: 5 };
/** Of verifications more than desks: those that were decided are waited for no more. */
const SPARE = 100;
const SLOW = { slowHeaders: 1000, slowBodies: 1000, stuck: 3, neverReading: 500, seconds: 75 };
const [TENANTS, CUSTOMERS_EACH] = [40, 10];

function count(text: string): number {
  if (!/^[1-9][0-9]{0,4}$/.test(text)) throw new Error('a number is needed');
  return Number(text);
}

async function run(desks: number, times: number, seconds: number): Promise<void> {
  const end = await setup();
  const [before] = loadavg();
  const result: Record<string, unknown> = {};
  try {
    for (const way of WAYS) {
      const verifier = await startCrowdedVerifier(desks + SPARE);
      result[way] = await measureDesks(verifier, way, { desks, ...VERDICTS });
      await verifier.kill();
      console.error(JSON.stringify(result[way]));
    }
    const crowded = await startCrowdedVerifier(SLOW.neverReading);
    result.slow = await measureSlow(crowded, SLOW);
    await crowded.kill();
    console.error(JSON.stringify(result.slow));
    const loaded = await startLoadedVerifier(TENANTS, CUSTOMERS_EACH);
    result.load = await measureOverload(loaded, { times, capacitySeconds: 5, seconds });
    await loaded.kill();
  } finally {
    await end();
  }
  console.log(JSON.stringify({ ...result, loadAverage: [before, loadavg()[0]] }));
}

if (values.help) console.log(USAGE);
else await run(count(values.desks), count(values.times), count(values.seconds));
