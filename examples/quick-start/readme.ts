import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Language, READMES, withBlock } from './readme-block.ts';

// The quick start of the READMEs is these very files, which are compiled and run by a test.
// `npx tsx examples/quick-start/readme.ts` puts them there.

const ROOT = new URL('../../', import.meta.url);

interface Step {
  readonly file: string;
  readonly text: Readonly<Record<Language, string>>;
}

const STEPS: readonly Step[] = [
  {
    file: 'verifier.sh',
    text: {
      en: 'A verifier on this machine, a tenant, an operator:',
      ja: '手元のマシンに検証サーバーを立て、テナントとオペレーターを作ります。',
    },
  },
  {
    file: 'issuer.ts',
    text: {
      en: "The tenant's back end. `options` hold the verifier's address, the API key, the tenant's id and the keys that `generateIssuerKeys()` made once. With `publication: { url, credentials }` beside them, credentials can be taken back (`issuer.revoke({ subject })`) and keys rotate: the back end then answers what is asked below `url` with `issuer.answer(path)`; `credentials` is a table of its own (`CredentialStore`) or `await fileCredentials(file)`:",
      ja: 'テナントのバックエンド。`options` には検証サーバーのアドレス、API キー、テナントの ID と、`generateIssuerKeys()` で一度だけ作った鍵を渡します。`publication: { url, credentials }` も渡すと、資格証明の取り消し（`issuer.revoke({ subject })`）と鍵の交代ができます。`url` 以下への問い合わせには `issuer.answer(path)` で答えます。`credentials` は自前のテーブル（`CredentialStore`）か `await fileCredentials(file)` です。',
    },
  },
  {
    file: 'claims.ts',
    text: {
      en: 'It vouches for claims as well, and asks about them: here that an income is at least 4,000,000 yen, which the phone then proves without telling it. The phone gets them by `holder.refreshClaims((receipt) => ...)`:',
      ja: '本人についての項目を保証し、それについて尋ねることもできます。ここでは年収が 400 万円以上であることを尋ね、端末は金額を明かさずにそれを証明します。端末は `holder.refreshClaims((receipt) => ...)` で受け取ります。',
    },
  },
  {
    file: 'phone.ts',
    text: {
      en: "The customer's phone. In a page, `options` are `{ verifier, storage: indexedDbStorage({ name: 'bank' }), prover: workerProver() }`; `exchange` carries the receipt to `issue` above and the answer back; `screen` is the app's own:",
      ja: "お客さまのスマートフォン。ページの中では `options` は `{ verifier, storage: indexedDbStorage({ name: 'bank' }), prover: workerProver() }` です。`exchange` は受領書を上の `issue` に届けて答えを持ち帰り、`screen` はアプリ自身の画面です。",
    },
  },
  {
    file: 'desk.ts',
    text: {
      en: "The operator's desk. `verdict` becomes `passed`; `factors` are `possession` and `knowledge`:",
      ja: 'オペレーターのデスク。`verdict` は `passed`、`factors` は `possession` と `knowledge` になります。',
    },
  },
];

/** What stands between the `quick-start` markers of a README. */
export async function renderQuickStart(language: Language): Promise<string> {
  const parts = STEPS.map(async ({ file, text }) => {
    const code = await readFile(new URL(file, import.meta.url), 'utf8');
    return `${text[language]}\n\n\`\`\`${file.split('.').at(-1)}\n${code}\`\`\``;
  });
  return (await Promise.all(parts)).join('\n\n');
}

async function writeQuickStarts(): Promise<void> {
  for (const language of ['en', 'ja'] as const) {
    const file = new URL(READMES[language], ROOT);
    const markdown = await readFile(file, 'utf8');
    await writeFile(file, withBlock(markdown, 'quick-start', await renderQuickStart(language)));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeQuickStarts();
