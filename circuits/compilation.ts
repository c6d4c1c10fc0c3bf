import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify, stripVTControlCharacters } from 'node:util';
import { FACTS, type FactId, signalNames } from './protocol.ts';
import { type R1cs, readR1cs, readSymbols } from './r1cs.ts';

/** Rows of the phase 1 file, less the one that every setup needs: constraints plus public signals stay within. */
export const ROWS_MAX = 2 ** 11 - 1;

/** This folder. */
export const CIRCUITS = fileURLToPath(new URL('.', import.meta.url));

const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));
const CIRCOM = createRequire(import.meta.url).resolve('circom2/cli.js');

/** What the compiler wrote, read and as bytes. */
export interface Compilation {
  readonly r1cs: R1cs;
  /** The same as circom wrote it, for snarkjs. */
  readonly r1csFile: Uint8Array;
  readonly r1csSha256: string;
  readonly symbols: ReadonlyMap<string, number>;
  readonly wasm: Uint8Array;
  readonly warnings: readonly string[];
}

/**
 * Compiles one circom file with full simplification (`--O2`). The same sources give the same bytes anywhere.
 * @param source path of the file; includes are looked up beside it and in this folder
 * @param folder existing folder for the output
 * @throws Error with the compiler's words when it refuses the file
 */
export async function compile(source: string, folder: string): Promise<Compilation> {
  const options = ['--r1cs', '--wasm', '--sym', '--O2', '--inspect', '-l', 'circuits', '-o', folder];
  const run = promisify(execFile)(process.execPath, [CIRCOM, source, ...options], { cwd: REPOSITORY });
  const { stdout, stderr } = await run.catch((cause: { stdout?: string; stderr?: string }) => {
    const words = stripVTControlCharacters(`${cause.stdout ?? ''}${cause.stderr ?? ''}`);
    throw new Error(`circom refuses ${basename(source)}:\n${words}`, { cause });
  });
  const name = basename(source, '.circom');
  const r1csFile = await readFile(join(folder, `${name}.r1cs`));
  return {
    r1cs: readR1cs(r1csFile),
    r1csFile,
    r1csSha256: sha256(r1csFile),
    symbols: readSymbols(await readFile(join(folder, `${name}.sym`), 'utf8')),
    wasm: await readFile(join(folder, `${name}_js`, `${name}.wasm`)),
    warnings: stripVTControlCharacters(`${stdout}\n${stderr}`)
      .split('\n')
      .filter((line) => /^\s*(?:warning|error)/.test(line)),
  };
}

/**
 * Compiles the circuit of a fact and holds it against the registry; see {@link checkAgainstRegistry}.
 * @param sources folder of the circom files
 */
export async function compileFact(fact: FactId, folder: string, sources = CIRCUITS): Promise<Compilation> {
  const compilation = await compile(join(sources, `${fact}.circom`), folder);
  checkAgainstRegistry(fact, compilation);
  return compilation;
}

/**
 * Refuses a circuit that disagrees with the registry in number, name or order of its signals, that passes the bound,
 * or about which the compiler has anything to say but that `challenge` is in no constraint.
 */
export function checkAgainstRegistry(
  fact: FactId,
  circuit: Pick<Compilation, 'r1cs' | 'symbols' | 'warnings'>,
): void {
  const { outputs, inputs } = FACTS[fact];
  const privateInputs = privateNames(fact);
  const { r1cs, symbols, warnings } = circuit;
  const counts: readonly (readonly [what: string, compiled: number, registered: number])[] = [
    ['public outputs', r1cs.publicOutputs, outputs.length],
    ['public inputs', r1cs.publicInputs, inputs.length],
    ['private inputs', r1cs.privateInputs, privateInputs.length],
  ];
  for (const [what, compiled, registered] of counts) {
    if (compiled !== registered)
      throw new Error(`${fact}: ${compiled} ${what}, the registry has ${registered}`);
  }
  [...outputs, ...inputs, ...privateInputs].forEach((name, i) => {
    if (symbols.get(name) !== i + 1)
      throw new Error(`${fact}: signal ${i + 1} is not the registered ${name}`);
  });
  const rows = r1cs.constraints.length + signalNames(fact).length;
  if (rows > ROWS_MAX) throw new Error(`${fact}: ${rows} rows, at most ${ROWS_MAX} fit`);
  for (const warning of warnings) {
    if (!warning.endsWith('Local signal challenge does not appear in any constraint')) {
      throw new Error(`${fact}: circom says: ${warning}`);
    }
  }
}

/** Private inputs one by one: `siblings` of length 4 is `siblings[0]` to `siblings[3]`. */
function privateNames(fact: FactId): string[] {
  return Object.entries(FACTS[fact].privateInputs).flatMap(([name, length]) =>
    length === 1 ? [name] : Array.from({ length }, (_, i) => `${name}[${i}]`),
  );
}

/** Version of the compiler itself, not of the package that carries it. */
export async function circomVersion(): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [CIRCOM, '--version'], { cwd: REPOSITORY });
  const version = /^circom compiler (\S+)$/m.exec(stdout)?.[1];
  if (version === undefined) throw new Error('circom does not tell its version');
  return version;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
