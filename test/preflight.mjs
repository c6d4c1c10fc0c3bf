// Runs before the tests, in plain JavaScript so that it works where nothing is installed: says in the first second
// what is missing and the one command that gets it.
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const [major, minor] = process.versions.node.split('.').map(Number);
const missing = [];

if (major < 20 || (major === 20 && minor < 19)) {
  missing.push(`Node 20.19 or newer (this is ${process.versions.node})`);
}
if (!existsSync(new URL('../node_modules/vitest', import.meta.url))) missing.push('packages: npm ci');
if (
  !existsSync(new URL('../node_modules/better-sqlite3/build/Release/better_sqlite3.node', import.meta.url))
) {
  missing.push('the built better-sqlite3: npm ci');
}
const folders = (process.env.PATH ?? '').split(delimiter);
const isInstalled = (...names) =>
  names.some((name) => folders.some((folder) => existsSync(join(folder, name))));
if (
  !isInstalled('chromium', 'chromium-browser', 'google-chrome') &&
  !existsSync(process.env.CHROMIUM_PATH ?? '')
) {
  missing.push('chromium: bash .ci/prepare');
}
if (!isInstalled('firefox-esr', 'firefox') && !existsSync(process.env.FIREFOX_PATH ?? '')) {
  missing.push('firefox: bash .ci/prepare (elsewhere: FIREFOX_PATH=/path/to/firefox)');
}
if (!isInstalled('prlimit'))
  missing.push('prlimit, which limits the files of a process (Debian: util-linux)');
const debian = '/usr/lib/postgresql';
const versions = existsSync(debian) ? readdirSync(debian) : [];
if (
  !process.env.DATABASE_URL &&
  !isInstalled('initdb') &&
  !versions.some((version) => existsSync(join(debian, version, 'bin', 'initdb')))
) {
  missing.push(
    'a PostgreSQL server: bash .ci/prepare (elsewhere: DATABASE_URL=postgres://superuser@host/database)',
  );
}

if (missing.length > 0) {
  console.error(`The tests cannot run. Missing:\n${missing.map((line) => `- ${line}`).join('\n')}`);
  process.exit(2);
}
