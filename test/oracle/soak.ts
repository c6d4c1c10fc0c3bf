import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { FACT_IDS, type FactId } from '@akashi/circuits';
import { endSnarkjs } from '../../circuits/snarkjs.ts';
import { compareProvers, compareVerifiers } from './oracle.ts';

const USAGE = `npm run soak:oracle -- [--seed TEXT] [--cases N] [--witnesses N] [--facts LIST]

Holds the verification engine against snarkjs and @noble/curves, and our prover against snarkjs's. The last line on
standard output is the result as JSON; exits with 1 when anything disagrees.

  --seed       makes the cases (default: akashi)
  --cases      valid, mutated and malformed proofs together (default: 10002)
  --witnesses  random witnesses of each fact for the provers (default: 2000)
  --facts      facts for the provers (default: ${FACT_IDS.join(',')})`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: 'akashi' },
    cases: { type: 'string', default: '10002' },
    witnesses: { type: 'string', default: '2000' },
    facts: { type: 'string', default: FACT_IDS.join(',') },
    help: { type: 'boolean', default: false },
  },
});

function count(text: string): number {
  if (!/^[0-9]{1,7}$/.test(text)) throw new Error('a number is needed');
  return Number(text);
}

function factsIn(list: string): readonly FactId[] {
  return list.split(',').map((name) => {
    const fact = FACT_IDS.find((id) => id === name);
    if (fact === undefined) throw new Error('a list of facts is needed');
    return fact;
  });
}

try {
  if (values.help) console.log(USAGE);
  else {
    const say = (line: string) => console.error(line);
    const { seed } = values;
    const perClass = Math.ceil(count(values.cases) / 3);
    const verifiers = await compareVerifiers(seed, perClass, { random: randomBytes, say });
    const provers = await compareProvers(seed, count(values.witnesses), {
      facts: factsIn(values.facts),
      say,
    });
    console.log(JSON.stringify({ seed, verifiers, provers }));
    if (verifiers.disagreements.length + provers.disagreements.length > 0) process.exitCode = 1;
  }
} finally {
  await endSnarkjs();
}
