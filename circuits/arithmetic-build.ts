import wabt from 'wabt';
import type { Wat } from './arithmetic-source.ts';

/** The text of a module that exports the assembled source, base64, under `name`. */
export async function assembled(name: string, from: string, source: Wat): Promise<string> {
  const { parseWat } = await wabt();
  const module = parseWat(from, source, { bulk_memory: true });
  module.validate();
  const { buffer } = module.toBinary({});
  const base64 = Buffer.from(buffer).toString('base64');
  return [
    `// Written by \`npm run build:arithmetic\` from ${from}.`,
    '',
    '/** The assembled arithmetic, base64. */',
    `export const ${name} =`,
    `  '${base64}';`,
    '',
  ].join('\n');
}
