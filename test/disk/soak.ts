import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { setup } from '../setup.ts';
import { callFault, familyOf, HOW_TO_TRACE, mountSmallDisk, type SmallDisk } from './disk.ts';
import { type DiskServer, startDiskServer } from './postgres.ts';
import { type DiskPlace, type DiskResult, diskRounds } from './rounds.ts';

const USAGE = `npm run soak:disk -- [--rounds N] [--faults TEXT]

Lets the disk of a verifier fail under load, and that of its PostgreSQL server, and looks up everything that was
acknowledged. ${HOW_TO_TRACE}. The last line on standard output is the result as JSON; exits with 1 when anything was
lost, good twice, or answered while it could not be written.

  --rounds  for each fault (default: 10)
  --faults  those whose name holds this, as sqlite, sync or full (default: all)`;

const SYNCS = 'fsync,fdatasync';
const WRITES = 'pwrite64,pwritev,write';
/** In MiB: what the tables of many rounds take, and a little. */
const SQLITE_DISK = 32;
const POSTGRES_DISK = 96;

type Faults = Readonly<Record<string, (disk: SmallDisk, server: () => DiskServer) => DiskPlace>>;

const FAULTS: Faults = {
  'sqlite sync EIO': () => ({
    ...{ engine: 'sqlite', kills: true },
    fault: ({ pid }) => callFault(() => [pid], SYNCS, 'EIO'),
  }),
  'sqlite write EIO': () => ({
    ...{ engine: 'sqlite', kills: true },
    fault: ({ pid }) => callFault(() => [pid], 'pwrite64', 'EIO'),
  }),
  'sqlite write ENOSPC': () => ({
    ...{ engine: 'sqlite', kills: true },
    fault: ({ pid }) => callFault(() => [pid], 'pwrite64', 'ENOSPC'),
  }),
  // The log that begins anew has room for a small write.
  'sqlite disk full': ({ folder, full }) => ({
    ...{ engine: 'sqlite', kills: true, databaseFolder: folder, someMayPass: true },
    fault: () => full,
  }),
  'postgres sync EIO': (_disk, server) => ({
    engine: 'postgres',
    fault: () => callFault(() => familyOf(server().pid), SYNCS, 'EIO'),
  }),
  'postgres write EIO': (_disk, server) => ({
    engine: 'postgres',
    fault: () => callFault(() => familyOf(server().pid), WRITES, 'EIO'),
  }),
  'postgres disk full': ({ full }) => ({ engine: 'postgres', someMayPass: true, fault: () => full }),
};

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    faults: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});

async function run(rounds: number): Promise<void> {
  requireTools();
  const end = await setup();
  const results: DiskResult[] = [];
  try {
    for (const [name, placeOf] of Object.entries(FAULTS)) {
      if (!name.includes(values.faults)) continue;
      const postgres = name.startsWith('postgres');
      const disk = mountSmallDisk(postgres ? POSTGRES_DISK : SQLITE_DISK);
      let server: DiskServer | undefined;
      try {
        if (postgres) server = await startDiskServer(disk.folder);
        const place = placeOf(disk, () => server as DiskServer);
        results.push(await diskRounds(name, rounds, place, (line) => console.error(line)));
        console.error(JSON.stringify(results.at(-1)));
      } finally {
        await server?.stop();
        disk.remove();
      }
    }
  } finally {
    await end();
  }
  console.log(JSON.stringify(results));
  if (!results.every(holds)) process.exitCode = 1;
}

function holds({
  rounds,
  lost,
  doubleUses,
  auditOk,
  answeredOtherwise,
  wrongHealth,
  passedAfterwards,
}: DiskResult) {
  const wrong = lost + doubleUses + answeredOtherwise.length + wrongHealth;
  return wrong === 0 && auditOk && passedAfterwards === rounds;
}

/** @throws Error where disks cannot be made to fail */
function requireTools(): void {
  try {
    execFileSync('strace', ['-V'], { stdio: 'ignore' });
  } catch {
    throw new Error(HOW_TO_TRACE);
  }
  if (process.getuid?.() !== 0) throw new Error(HOW_TO_TRACE);
}

if (values.help) console.log(USAGE);
else {
  if (!/^[1-9][0-9]{0,3}$/.test(values.rounds)) throw new Error('a number is needed');
  await run(Number(values.rounds));
}
