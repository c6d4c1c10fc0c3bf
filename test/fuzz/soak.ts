import { parseArgs } from 'node:util';
import { GROWTH_MAX, runCampaign } from './campaign.ts';

const USAGE = `npm run soak:fuzz -- [--inputs N] [--seed S]

Inputs for every route and every parser, made from the shapes of the wire and spoiled. The last line on standard output is the
result as JSON; exits with 1 when an answer was a fault, an input took too long each time, or memory grew (judged from 500000 inputs on). A violation names
target, seed and path, which try the same input again:

  npm run soak:fuzz -- --target 'POST /v1/claims' --seed S --path P

  --inputs  how many (default: 1000000)
  --seed    of the first round (default: 1)`;

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    target: { type: 'string' },
    path: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const PER_ROUND = 25_000;
const LINE_ROUNDS = 20;

function count(text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new Error('a number is needed');
  return Number(text);
}

async function run(inputs: number, seed: number): Promise<void> {
  const { target, path } = values;
  // A path is that of one input.
  const [tried, rounds] = path === undefined ? [inputs, Math.max(1, Math.round(inputs / PER_ROUND))] : [1, 1];
  let told = 0;
  const result = await runCampaign({
    ...{ seed, inputs: tried, rounds, target, path },
    onRound(round, { endpoints, parsers, violations, memory }) {
      console.error(`round ${round}: ${endpoints + parsers} inputs, ${memory.used.at(-1)} bytes`);
      for (const { target: name, seed: of, path: at, what } of violations.slice(told))
        console.error(`\n--target '${name}' --seed ${of} --path ${at}\n${what}\n`);
      told = violations.length;
    },
  });
  const violations = result.violations.map(({ target: name, seed: of, path: at }) => ({
    target: name,
    seed: of,
    path: at,
  }));
  console.log(JSON.stringify({ ...result, violations }));
  // A line through a few points says nothing of growth.
  const grows = rounds >= LINE_ROUNDS && result.memory.growthPerThousand > GROWTH_MAX;
  if (violations.length > 0 || grows) process.exitCode = 1;
}

if (values.help) console.log(USAGE);
else await run(count(values.inputs), count(values.seed));
