import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Language, READMES, withBlock } from '../examples/quick-start/readme-block.ts';
import { type Results, readResults } from './results.ts';

// The tables of the READMEs, from bench/results.json and nothing else. `npm run bench` calls this; run by itself it
// renders the committed results again.

const ROOT = new URL('../', import.meta.url);

export const RESULTS_FILE = new URL('results.json', import.meta.url);

interface Texts {
  readonly measured: (results: Results) => string;
  readonly path: string;
  readonly pathNote: string;
  readonly single: (runs: number) => string;
  readonly load: (phones: number, runs: number) => string;
  readonly perSecond: string;
  readonly proving: string;
  readonly provingNote: (results: Results) => string;
  readonly worker: string;
  readonly mainThread: string;
  readonly slowed: (reached: string) => string;
  readonly checking: string;
  readonly ratio: string;
  readonly peers: (runs: number) => string;
  readonly inBatch: string;
  readonly overSnarkjs: string;
  readonly size: string;
  readonly raw: string;
  readonly gzip: string;
}

const TEXTS: Readonly<Record<Language, Texts>> = {
  en: {
    measured: (results) =>
      `Measured on ${day(results)} (${sources(results, 'commit', 'no commit', 'with changes')}) by \`npm run bench\`: ${machine(results, 'cores')}.`,
    path: 'presentation posted → verdict at the desk',
    pathNote:
      'A proof of each fact, signed, over HTTP on one machine; the verifier in its own process, every commit synced to disk. Proofs made ahead.',
    single: (runs) => `one caller at a time (${runs} runs)`,
    load: (phones, runs) => `${phones} phones at once (${runs} runs)`,
    perSecond: 'verifications per second',
    proving: 'one proof in Chromium, median',
    provingNote: ({ proving }) =>
      `Medians of ${runsOf(proving)} proofs, artifacts loaded. Apps prove in the worker. Browsers can slow the main thread only, so the last two columns run the same code there; asked for ${proving.calibration.asked}×, a calibrating loop found ${times(proving.calibration.reached)}.`,
    worker: 'worker',
    mainThread: 'main thread',
    slowed: (reached) => `main thread, slowed ${reached}`,
    checking: 'one check, median',
    ratio: 'ratio',
    peers: (runs) => `one check beside the other verifiers, median of ${runs}`,
    inBatch: '`verifyBatch` of 64, per proof',
    overSnarkjs: 'snarkjs over it',
    size: 'download',
    raw: 'raw',
    gzip: 'gzip',
  },
  ja: {
    measured: (results) =>
      `${day(results)} に \`npm run bench\` で計測（${sources(results, 'コミット', 'コミットなし', '変更あり')}）。環境は ${machine(results, 'コア')}。`,
    path: '提示の送信 → デスクに判定が届くまで',
    pathNote:
      '事実ごとの証明に端末の署名を付けて、一台のマシンの中の HTTP で送っています。検証サーバーは別プロセスで、コミットのたびにディスクへ同期します。証明は前もって作ってあります。',
    single: (runs) => `一人ずつ（${runs} 回）`,
    load: (phones, runs) => `スマートフォン ${phones} 台が同時（${runs} 回）`,
    perSecond: '1 秒あたりの検証数',
    proving: 'Chromium での証明 1 件、中央値',
    provingNote: ({ proving }) =>
      `証明 ${runsOf(proving)} 件の中央値で、アーティファクトは読み込み済みです。アプリでは Worker で証明します。ブラウザが減速できるのはメインスレッドだけなので、右の二列は同じコードをそこで動かした値です。${proving.calibration.asked} 倍の減速を指定し、較正ループでの実測は ${times(proving.calibration.reached)} でした。`,
    worker: 'Worker',
    mainThread: 'メインスレッド',
    slowed: (reached) => `メインスレッド、${reached} 減速`,
    checking: '検証 1 件、中央値',
    ratio: '比',
    peers: (runs) => `検証 1 件、ほかの検証器と並べて、${runs} 回の中央値`,
    inBatch: '`verifyBatch`（64 件）、証明 1 件あたり',
    overSnarkjs: 'snarkjs との比',
    size: 'ダウンロード',
    raw: 'そのまま',
    gzip: 'gzip',
  },
};

/** What stands between the `bench` markers of a README. */
export function renderResults(results: Results, language: Language): string {
  const texts = TEXTS[language];
  return [
    texts.measured(results),
    verifyPathTable(results, texts),
    texts.pathNote,
    provingTable(results, texts),
    texts.provingNote(results),
    checkingTable(results, texts),
    ...peersTable(results, texts),
    sizesTable(results, texts),
  ].join('\n\n');
}

/** Writes the tables into both READMEs. */
export async function writeReport(results: Results): Promise<void> {
  for (const language of ['en', 'ja'] as const) {
    const file = new URL(READMES[language], ROOT);
    const markdown = await readFile(file, 'utf8');
    await writeFile(file, withBlock(markdown, 'bench', renderResults(results, language)));
  }
}

function verifyPathTable({ verifyPath: { single, load } }: Results, texts: Texts): string {
  return table(
    [texts.path, 'p50', 'p95', 'p99', texts.perSecond],
    [
      [texts.single(single.runs), ms(single.p50), ms(single.p95), ms(single.p99), ''],
      [
        texts.load(load.phones, load.runs),
        ms(load.p50),
        ms(load.p95),
        ms(load.p99),
        load.perSecond.toFixed(0),
      ],
    ],
  );
}

function provingTable({ proving: { calibration, facts } }: Results, texts: Texts): string {
  return table(
    [texts.proving, texts.worker, texts.mainThread, texts.slowed(times(calibration.reached))],
    facts.map(({ fact, worker, mainThread, mainThreadSlowed }) => [
      `\`${fact}\``,
      ms(worker),
      ms(mainThread),
      ms(mainThreadSlowed),
    ]),
  );
}

function checkingTable({ checking }: Results, texts: Texts): string {
  return table(
    [texts.checking, '`verifyProof`', 'snarkjs', texts.ratio],
    checking.map(({ fact, verifyProof, snarkjs }) => [
      `\`${fact}\``,
      ms(verifyProof),
      ms(snarkjs),
      times(snarkjs / verifyProof),
    ]),
  );
}

/** None for results from before it was measured. */
function peersTable({ verify }: Results, texts: Texts): readonly string[] {
  if (verify === undefined) return [];
  const { runs, singleMs, batch64PerProofMs, snarkjsMs, zkKitMs, nobleMs, ratioSingle, ratioBatch } = verify;
  return [
    table(
      [texts.peers(runs), 'ms', texts.overSnarkjs],
      [
        ['`verifyProof`', ms(singleMs), times(ratioSingle)],
        [texts.inBatch, ms(batch64PerProofMs), times(ratioBatch)],
        ['snarkjs', ms(snarkjsMs), ''],
        ['@zk-kit/groth16', ms(zkKitMs), times(snarkjsMs / zkKitMs)],
        ['@noble/curves', ms(nobleMs), times(snarkjsMs / nobleMs)],
      ],
    ),
  ];
}

function sizesTable({ sizes }: Results, texts: Texts): string {
  return table(
    [texts.size, texts.raw, texts.gzip],
    sizes.map(({ what, bytes, gzip }) => [`\`${what}\``, sizeText(bytes), sizeText(gzip)]),
  );
}

/** The first column is text, the others are figures. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, i) => (i === 0 ? '---' : '---:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

function times(ratio: number): string {
  return `${ratio.toFixed(1)}×`;
}

function sizeText(bytes: number): string {
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0)} kB`;
}

function day({ date }: Results): string {
  return date.slice(0, 10);
}

function runsOf({ facts }: Results['proving']): number {
  return Math.min(...facts.map(({ runs }) => runs));
}

function sources({ commit, dirty }: Results, named: string, none: string, changed: string): string {
  if (commit === null) return none;
  return `${named} \`${commit.slice(0, 12)}\`${dirty ? `, ${changed}` : ''}`;
}

function machine({ machine: { cpu, cores, memoryGiB, os, node, chromium } }: Results, unit: string): string {
  return `${cpu}, ${cores} ${unit}, ${memoryGiB} GiB, ${os}, Node ${node}, Chromium ${chromium}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeReport(await readResults(RESULTS_FILE));
