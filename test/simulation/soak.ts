import { parseArgs } from 'node:util';
import { openMeans, Room } from './room.ts';
import { simulate } from './simulation.ts';

const USAGE = `npm run soak:simulation -- [--seeds N] [--from S]

Lives of verifications, each from one number, with messages lost, repeated and late, and verifiers that die. The last line
on standard output is the result as JSON; exits with 1 when anything was violated, after the trace of the first such seed.
A seed alone does the same again: --seeds 1 --from S.

  --seeds  how many (default: 1000)
  --from   the first (default: 0)
  --trace  prints what happened in every seed`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '0' },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const SAY_EVERY = 1000;

function count(text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new Error('a number is needed');
  return Number(text);
}

async function run(seeds: number, from: number): Promise<void> {
  const room = new Room(await openMeans());
  const began = performance.now();
  const violations: { readonly seed: number; readonly violation: string }[] = [];
  let steps = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const outcome = await simulate(room, seed);
    steps += outcome.steps;
    const { violation } = outcome;
    if (values.trace || (violation !== null && violations.length === 0)) {
      console.error(`seed ${seed}\n${outcome.trace.join('\n')}`);
    }
    if (violation !== null) violations.push({ seed, violation });
    if ((seed - from + 1) % SAY_EVERY === 0)
      console.error(`${seed - from + 1} seeds, ${violations.length} violations`);
  }
  await room.close();
  const seconds = Math.round((performance.now() - began) / 100) / 10;
  console.log(JSON.stringify({ from, seeds, steps, violations, seconds }));
  if (violations.length > 0) process.exitCode = 1;
}

if (values.help) console.log(USAGE);
else await run(count(values.seeds), count(values.from));
