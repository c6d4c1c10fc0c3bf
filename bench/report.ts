import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { FACT_IDS } from '@akashi/circuits';
import { type Language, READMES, withBlock } from '../examples/quick-start/readme-block.ts';
import { type Bar, barChart } from './chart.ts';
import { REPORT_TEXTS, type ReportTexts } from './report-texts.ts';
import { type Results, readResults } from './results.ts';
import { writeScale } from './scale.ts';

// Tables and charts of the READMEs, from bench/results.json and nothing else. `npm run bench` calls this; run by itself
// it renders the committed results again.

const ROOT = new URL('../', import.meta.url);
const CHARTS = 'bench/charts/';

export const RESULTS_FILE = new URL('results.json', import.meta.url);

/** What stands between the `bench` markers of a README. */
export function renderResults(results: Results, language: Language): string {
  const texts = REPORT_TEXTS[language];
  const image = (name: ChartName) => `![${texts.charts[name]}](${chartPath(name, language)})`;
  return [
    texts.measured(results),
    image('verifying'),
    verifyTable(results, texts),
    texts.verifyNote(results.verify.runs),
    image('proving'),
    proveTable(results, texts),
    texts.proveNote(results.prove),
    serviceTable(results, texts),
    texts.serviceNote(results.service),
    issuingTable(results, texts),
    texts.issuingNote(results.issuing),
    sdkTable(results, texts),
    texts.sdkNote(results.sdk.runs),
  ].join('\n\n');
}

type ChartName = keyof ReportTexts['charts'];

function chartPath(name: ChartName, language: Language): string {
  return `${CHARTS}${name}.${language}.svg`;
}

/** Charts by path below the root of the repository. */
export function renderCharts(results: Results, language: Language): ReadonlyMap<string, string> {
  const texts = REPORT_TEXTS[language];
  const bar = (label: string, value: number, ours: boolean): Bar => ({ label, value, ours, text: ms(value) });
  const { verify, prove } = results;
  const verifying = [
    bar(texts.chartBatch, verify.batch64PerProofMs, true),
    bar(texts.chartSingle, verify.singleMs, true),
    bar('snarkjs', verify.snarkjsMs, false),
    bar('@zk-kit/groth16', verify.zkKitMs, false),
    bar('@noble/curves', verify.nobleMs, false),
  ];
  const { slow4x, semaphore } = prove;
  const proving = FACT_IDS.map((fact) => ({
    title: fact,
    bars: [
      bar('Akashi', slow4x[fact].bindMs, true),
      bar('snarkjs', slow4x[fact].snarkjsMs, false),
      ...(fact === 'account' && semaphore !== null ? [bar(texts.semaphore, semaphore.slow4xMs, false)] : []),
    ],
  }));
  return new Map([
    [chartPath('verifying', language), barChart(texts.charts.verifying, [{ title: '', bars: verifying }])],
    [chartPath('proving', language), barChart(texts.charts.proving, proving)],
  ]);
}

/** Writes the tables into both READMEs, the charts beside, and the figures of docs/scale.md. */
export async function writeReport(results: Results): Promise<void> {
  await mkdir(new URL(CHARTS, ROOT), { recursive: true });
  for (const language of Object.keys(READMES) as Language[]) {
    const file = new URL(READMES[language], ROOT);
    const markdown = await readFile(file, 'utf8');
    await writeFile(file, withBlock(markdown, 'bench', renderResults(results, language)));
    for (const [path, svg] of renderCharts(results, language)) await writeFile(new URL(path, ROOT), svg);
  }
  await writeScale(results);
}

function verifyTable({ verify }: Results, texts: ReportTexts): string {
  const { snarkjsMs, zkKitMs, nobleMs } = verify;
  return table(
    [texts.verify, texts.median, texts.overSnarkjs],
    [
      ['`verifyProof`', ms(verify.singleMs), times(verify.ratioSingle)],
      [texts.inBatch, ms(verify.batch64PerProofMs), times(verify.ratioBatch)],
      ['snarkjs', ms(snarkjsMs), ''],
      ['@zk-kit/groth16', ms(zkKitMs), times(snarkjsMs / zkKitMs)],
      ['@noble/curves', ms(nobleMs), times(snarkjsMs / nobleMs)],
    ],
  );
}

function proveTable({ prove }: Results, texts: ReportTexts): string {
  const { slow4x } = prove;
  const head = [texts.prove, texts.bind, texts.prepare, 'snarkjs', texts.bindSlow, texts.snarkjsSlow];
  const rows = FACT_IDS.map((fact) => {
    const [plain, slow] = [prove[fact], slow4x[fact]];
    return [
      `\`${fact}\``,
      ...[plain.bindMs, plain.prepareMs, plain.snarkjsMs, slow.bindMs, slow.snarkjsMs].map(ms),
    ];
  });
  const { semaphore } = prove;
  const peer =
    semaphore === null ? [] : [[texts.semaphore, '', '', ms(semaphore.plainMs), '', ms(semaphore.slow4xMs)]];
  const plain = [texts.bindPlain, ms(prove.bindPlainMs), '', '', '', ''];
  return table(head, [...rows, plain, ...peer]);
}

function serviceTable({ service }: Results, texts: ReportTexts): string {
  const { load } = service;
  return table(
    [texts.service, 'p50', 'p95', 'p99', texts.perSecond, texts.presentationsPerSecond],
    [
      [texts.single(service.runs), ms(service.p50Ms), ms(service.p95Ms), ms(service.p99Ms), '', ''],
      [
        texts.load(load.phones),
        ...[load.p50Ms, load.p95Ms, load.p99Ms].map(ms),
        service.perSecond.toFixed(0),
        service.presentationsPerSecond.toFixed(0),
      ],
    ],
  );
}

function issuingTable({ issuing }: Results, texts: ReportTexts): string {
  const { statusList } = issuing;
  return table(
    [texts.issuing, ''],
    [
      [texts.issueOne, ms(issuing.singleMs)],
      [texts.issueMany(issuing.credentials), texts.eachSecond(issuing.perSecond)],
      [texts.issueCpu, ms(issuing.cpuMs)],
      [texts.issueMemory, mebibytes(issuing.peakMiB)],
      [texts.listSign(statusList.places), ms(statusList.signMs)],
      [texts.listSize, kb(statusList.kB)],
      [texts.listOpen, ms(statusList.openMs)],
      [texts.listLookup, texts.eachSecond(statusList.lookupsPerSecond)],
      [texts.listRevoke, texts.eachSecond(statusList.revokedPerSecond)],
      [texts.listMemory, mebibytes(statusList.memoryMiB)],
    ],
  );
}

function mebibytes(value: number): string {
  return `${value} MiB`;
}

function sdkTable({ sdk }: Results, texts: ReportTexts): string {
  return table(
    [texts.sdk, ''],
    [
      [texts.core, kb(sdk.coreGzipKb)],
      ...FACT_IDS.map((fact) => [texts.firstProof(fact), kb(sdk.firstProofGzipKb[fact])]),
      [texts.coldStart, ms(sdk.coldStartMs)],
      [texts.pinToSent, ms(sdk.slow4x.pinToSentMs)],
    ],
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

function kb(value: number): string {
  return `${value < 100 ? value.toFixed(1) : value.toFixed(0)} kB`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeReport(await readResults(RESULTS_FILE));
