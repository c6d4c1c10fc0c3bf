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
  readonly issuing: string;
  readonly issuingNote: (issuing: Results['issuing']) => string;
  readonly issueOne: string;
  readonly issueMany: (count: number) => string;
  readonly issueCpu: string;
  readonly issueMemory: string;
  readonly eachSecond: (count: number) => string;
  readonly listSign: (places: number) => string;
  readonly listSize: string;
  readonly listOpen: string;
  readonly listLookup: string;
  readonly listRevoke: string;
  readonly listMemory: string;
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
    issuing: 'at the issuer',
    issuingNote: ({ accountsEach }) =>
      `Account credentials with ${accountsEach} accounts each, receipt checked, root computed, signed, a place in a status list; the receipts that this takes are made by the bench, and their time is taken off. The list has half of its credentials revoked, in random places, which is when it is largest; the verifier's figures are of a list that it has just fetched, and of one that it has at hand.`,
    issueOne: 'a credential issued',
    issueMany: (count) => `${inGroups(count)} credentials, 16 under way`,
    issueCpu: 'processor time of one',
    issueMemory: 'memory of the process at its largest',
    eachSecond: (count) => `${inGroups(count)} a second`,
    listSign: (places) => `a status list of ${inGroups(places)} credentials signed`,
    listSize: 'its size',
    listOpen: 'fetched text → answer, at the verifier',
    listLookup: 'looked up at the verifier',
    listRevoke: 'revoked at the issuer',
    listMemory: 'what the issuer remembers of them',
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
    issuing: '発行者の側',
    issuingNote: ({ accountsEach }) =>
      `口座のクレデンシャルで、口座は ${accountsEach} 件ずつ。受領証の検証、根の計算、署名、ステータスリストの位置の割り当てを含みます。それに要る受領証はベンチが作り、その時間は差し引いてあります。リストは半分が無作為な位置で失効した、最も大きくなる状態です。検証サーバーの値は、取得したばかりのリストと、手元にあるリストについてのものです。`,
    issueOne: 'クレデンシャル 1 件の発行',
    issueMany: (count) => `${inGroups(count)} 件の発行（16 件ずつ並行）`,
    issueCpu: '1 件あたりの CPU 時間',
    issueMemory: 'プロセスの最大メモリー',
    eachSecond: (count) => `毎秒 ${inGroups(count)} 件`,
    listSign: (places) => `${inGroups(places)} 件のステータスリストの署名`,
    listSize: 'その大きさ',
    listOpen: '取得した本文 → 答え（検証サーバー）',
    listLookup: '照会（検証サーバー）',
    listRevoke: '失効（発行者）',
    listMemory: '発行者が覚えている量',
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

function inGroups(count: number): string {
  return count.toLocaleString('en');
}

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
