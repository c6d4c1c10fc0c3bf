import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runUnattended } from './auto.ts';
import { type Demo, startDemo } from './demo.ts';
import { PortInUse } from './site.ts';

const DEFAULT_PORT = 4300;

const HELP = `Akashi demo: a phone and a desk, a verifier between them, and a fictional bank

  npm run demo                 start everything, say where to look, and stay
  npm run demo -- --port N     listen on N (verifier), N+1 (bank and phone page), N+2 (desk), N+3 (partners); default ${DEFAULT_PORT}
  npm run demo -- --auto       run every flow in a headless Chromium, print a timeline, end with one line of JSON
  npm run demo -- --help       this text

Data is kept under out/demo (out/demo-N for another port), so that a second run finds its phones.
--auto uses out/demo-auto, made anew each time, and free ports. CHROMIUM_PATH names a browser to use.
`;

/** From the folder of this file: the same wherever the command was given. */
const OUT = fileURLToPath(new URL('../../out/', import.meta.url));

async function main(): Promise<number> {
  let options: ReturnType<typeof readOptions>;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : 'wrong arguments');
    console.error('npm run demo -- --help says what there is.');
    return 64;
  }
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  if (options.auto) return runUnattended({ out: OUT, chromium: process.env.CHROMIUM_PATH });
  return stay(options.port);
}

function readOptions(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      auto: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      port: { type: 'string', default: String(DEFAULT_PORT) },
    },
  });
  const port = /^[0-9]{4,5}$/.test(values.port) ? Number(values.port) : 0;
  if (port < 1024 || port > 65_532) throw new TypeError('--port wants a number from 1024 to 65532');
  return { ...values, port };
}

async function stay(port: number): Promise<number> {
  // The verifier's origin is in what phones keep and in its keys: another port is another installation.
  const folder = `${OUT}${port === DEFAULT_PORT ? 'demo' : `demo-${port}`}`;
  let demo: Demo;
  try {
    demo = await startDemo({ folder, port, say: (line) => console.log(`  ${line}`) });
  } catch (error) {
    if (!(error instanceof PortInUse)) throw error;
    console.error(`Port ${error.port} is in use. Stop what uses it, or choose other ports:`);
    console.error(`  npm run demo -- --port ${port + 100}`);
    return 1;
  }
  console.log(`
  Both side by side   ${demo.desk}/

  Phone               ${demo.bank}/
  Desk                ${demo.desk}/desk${await demo.signInFragment()}
                      (signs in once, within 10 minutes; the page with both gets its own)
  Verifier            ${demo.verifier}/v1/health

  This is a demonstration: keys made by itself, a bank that does not exist, data under ${folder}.
  Ctrl+C stops it.
`);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  await demo.close();
  return 0;
}

process.exitCode = await main();
