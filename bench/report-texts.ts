import type { Language } from '../examples/quick-start/readme-block.ts';
import type { Results } from './results.ts';

/** The words of the tables and charts. */
export interface ReportTexts {
  readonly measured: (results: Results) => string;
  readonly median: string;
  readonly verify: string;
  readonly verifyNote: (runs: number) => string;
  readonly inBatch: string;
  readonly overSnarkjs: string;
  readonly prove: string;
  readonly proveNote: (prove: Results['prove']) => string;
  readonly bind: string;
  readonly prepare: string;
  readonly bindSlow: string;
  readonly snarkjsSlow: string;
  readonly semaphore: string;
  readonly service: string;
  readonly serviceNote: (service: Results['service']) => string;
  readonly single: (runs: number) => string;
  readonly load: (phones: number) => string;
  readonly perSecond: string;
  readonly presentationsPerSecond: string;
  readonly sdk: string;
  readonly sdkNote: (runs: number) => string;
  readonly core: string;
  readonly firstProof: (fact: string) => string;
  readonly coldStart: string;
  readonly pinToSent: string;
  readonly bindPlain: string;
  readonly chartBatch: string;
  readonly chartSingle: string;
  readonly charts: { readonly verifying: string; readonly proving: string };
}

export const REPORT_TEXTS: Readonly<Record<Language, ReportTexts>> = {
  en: {
    measured: (results) =>
      `Measured on ${day(results)} (${sources(results, 'commit', 'no commit', 'with changes')}) by \`npm run bench\`: ${machine(results, 'cores')}.`,
    median: 'median',
    verify: 'one check in Node',
    verifyNote: (runs) =>
      `Medians of ${runs}, a proof of each fact by turns, parsing included, everyone in one process and in turn.`,
    inBatch: '`verifyBatch` of 64, per proof',
    overSnarkjs: 'snarkjs over it',
    prove: 'one proof in Chromium',
    proveNote: ({ runs, slow4x, semaphore }) =>
      `Medians of ${runs}, all on the page's main thread and in turn. \`bind\` makes the proof once the challenge is there, \`prepare\` is everything before it, snarkjs makes a full proof on one thread from the same circuit. Slowed: by the browser, 4× asked for, ${times(slow4x.slowDown)} found by a calibrating loop.${semaphore === null ? '' : ` Semaphore v4: the same call that its prover makes, on its own artifacts, a tree of depth 20, median of ${semaphore.runs}.`}`,
    bind: 'bind',
    prepare: 'prepare',
    bindSlow: 'bind, slowed',
    snarkjsSlow: 'snarkjs, slowed',
    semaphore: 'Semaphore v4',
    service: 'presentation posted → verdict read at the desk',
    serviceNote: ({ load }) =>
      `Two facts (\`pin\`, \`account\`) over HTTP on one machine, every device call signed, the verifier in a process of its own on SQLite that syncs every commit, the load beside it on the same cores; only \`passed\` verdicts that a watching desk has read count, over ${load.seconds} s. A verification is started, accepted, presented and read; presentations alone have start and accept done before. The load's phones prove ahead, and evaluate the PIN at enrolment only.`,
    single: (runs) => `one caller at a time (${runs} runs)`,
    load: (phones) => `${phones} phones at once`,
    perSecond: 'verifications a second',
    presentationsPerSecond: 'presentations alone',
    sdk: 'on the phone',
    sdkNote: (runs) =>
      `Core: \`@akashi/sdk/holder\` and what it does not load lazily. Before the first proof: all scripts that a browser loads from an empty cache through enrolment to the first presentation, and the key of that fact. Cold start: median of ${runs}, served from the same machine, until the holder is open and the worker has its key and begins to compute. PIN typed: two facts, request accepted, proofs prepared; one PIN evaluation over HTTP, two proofs bound.`,
    core: 'SDK core, gzip',
    firstProof: (fact) => `before the first \`${fact}\` proof, gzip`,
    coldStart: 'cold start',
    pinToSent: 'PIN typed → presentation sent, slowed',
    bindPlain: 'without WebAssembly, in Node',
    chartBatch: 'Akashi, batch of 64',
    chartSingle: 'Akashi, alone',
    charts: {
      verifying: 'Checking one proof',
      proving: 'From the challenge to the proof, processor slowed 4×',
    },
  },
  ja: {
    measured: (results) =>
      `${day(results)} に \`npm run bench\` で計測（${sources(results, 'コミット', 'コミットなし', '変更あり')}）。環境は ${machine(results, 'コア')}。`,
    median: '中央値',
    verify: 'Node での検証 1 件',
    verifyNote: (runs) =>
      `${runs} 回の中央値。各事実の証明を順に使い、構文解析も含め、すべて同じプロセスで交互に測っています。`,
    inBatch: '`verifyBatch`（64 件）、証明 1 件あたり',
    overSnarkjs: 'snarkjs との比',
    prove: 'Chromium での証明 1 件',
    proveNote: ({ runs, slow4x, semaphore }) =>
      `${runs} 回の中央値。すべてページのメインスレッドで交互に測っています。\`bind\` はチャレンジを受け取ってから証明ができるまで、\`prepare\` はその前に済ませておく計算すべて、snarkjs は同じ回路の証明を 1 スレッドで最初から作る時間です。減速はブラウザによるもので、4 倍を指定し、較正ループでの実測は ${times(slow4x.slowDown)} でした。${semaphore === null ? '' : `Semaphore v4 は、その証明器と同じ呼び出しを、公式のアーティファクト（深さ 20 の木）で行った ${semaphore.runs} 回の中央値です。`}`,
    bind: 'bind',
    prepare: 'prepare',
    bindSlow: 'bind、減速',
    snarkjsSlow: 'snarkjs、減速',
    semaphore: 'Semaphore v4',
    service: '提示の送信 → デスクが判定を読むまで',
    serviceNote: ({ load }) =>
      `二つの事実（\`pin\` と \`account\`）を一台のマシンの中の HTTP で送り、端末の呼び出しにはすべて署名を付けています。検証サーバーは別プロセスで、SQLite はコミットのたびにディスクへ同期します。負荷も同じコアの上で動きます。数えるのは、見守っているデスクが読んだ \`passed\` だけで、${load.seconds} 秒間です。検証は開始、承諾、提示、判定の読み取りまで。提示のみの値では、開始と承諾を先に済ませてあります。負荷側の端末は証明をあらかじめ準備し、PIN の評価は登録時だけ行います。`,
    single: (runs) => `一人ずつ（${runs} 回）`,
    load: (phones) => `スマートフォン ${phones} 台が同時`,
    perSecond: '1 秒あたりの検証数',
    presentationsPerSecond: '提示のみ',
    sdk: 'スマートフォンの側',
    sdkNote: (runs) =>
      `コアは \`@akashi/sdk/holder\` と、遅延読み込みされない部分です。最初の証明までのダウンロードは、空のキャッシュから登録を経て最初の提示を送るまでにブラウザが読み込むスクリプトすべてと、その事実の鍵です。コールドスタートは ${runs} 回の中央値で、同じマシンから配信し、ホルダーが開き、Worker が鍵を読み込んで計算を始めるまでの時間です。PIN の入力からの時間は、事実が二つで、承諾と証明の準備が済んだ状態から、HTTP 越しの PIN の評価 1 回と証明 2 件の bind を含みます。`,
    core: 'SDK のコア（gzip）',
    firstProof: (fact) => `最初の \`${fact}\` の証明まで（gzip）`,
    coldStart: 'コールドスタート',
    pinToSent: 'PIN の入力 → 提示の送信、減速',
    bindPlain: 'WebAssembly なし（Node）',
    chartBatch: 'Akashi（64 件まとめて）',
    chartSingle: 'Akashi（1 件）',
    charts: {
      verifying: '証明 1 件の検証',
      proving: 'チャレンジから証明まで（CPU を 4 倍減速）',
    },
  },
};

function times(ratio: number): string {
  return `${ratio.toFixed(1)}×`;
}

function day({ date }: Results): string {
  return date.slice(0, 10);
}

function sources({ commit, dirty }: Results, named: string, none: string, changed: string): string {
  if (commit === null) return none;
  return `${named} \`${commit.slice(0, 12)}\`${dirty ? `, ${changed}` : ''}`;
}

function machine({ machine: { cpu, cores, memoryGiB, os, node, chromium } }: Results, unit: string): string {
  return `${cpu}, ${cores} ${unit}, ${memoryGiB} GiB, ${os}, Node ${node}, Chromium ${chromium}`;
}
