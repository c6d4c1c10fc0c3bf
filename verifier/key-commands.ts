import { writeFile } from 'node:fs/promises';
import { ConfigurationError, checkedOrigin, type Flags, requiredFlag } from './configuration.ts';
import { createSecretFile, readPublicFile, readSecretFile, replaceSecretFile } from './key-file.ts';
import {
  certificationOf,
  certifyKeys,
  createKeysDocument,
  createRootDocument,
  installStatement,
  type KeysDocument,
  parseCertification,
  parseKeysDocument,
  parseRootDocument,
  rootThumbprint,
  rotateSigningKey,
  SIGNING_LEAD_SECONDS,
} from './keys.ts';
import { systemClock } from './service.ts';
import type { CommandContext } from './start-command.ts';

// Making and certifying keys. `root` and `certify` need nothing but their files: they can run on a machine that was
// never on a network. What travels between the two machines is public.

/** `akashi keys root --root FILE`: the root key; prints its thumbprint. */
export async function rootCommand(flags: Flags, context: CommandContext): Promise<void> {
  const root = await createRootDocument();
  await createSecretFile(requiredFlag(flags, 'root'), JSON.stringify(root));
  context.out(await rootThumbprint(root));
}

/** `akashi keys create --keys FILE --public FILE`: the verifier's keys, and what the root key is to certify. */
export async function createCommand(flags: Flags, context: CommandContext): Promise<void> {
  const document = await createKeysDocument(systemClock(), context.random);
  await createSecretFile(requiredFlag(flags, 'keys'), JSON.stringify(document));
  await writeCertification(flags, document);
}

/**
 * `akashi keys rotate --keys FILE --public FILE [--lead SECONDS]`: one more signing key, to be certified like the first,
 * that signs once `lead` is over.
 */
export async function rotateCommand(flags: Flags): Promise<void> {
  const keys = requiredFlag(flags, 'keys');
  const { lead = String(SIGNING_LEAD_SECONDS) } = flags;
  if (typeof lead !== 'string' || !/^[0-9]{1,7}$/.test(lead))
    throw new ConfigurationError('--lead are seconds, up to 9999999');
  const before = parseKeysDocument(await readSecretFile(keys));
  const document = await rotateSigningKey(before, systemClock(), Number(lead));
  await writeCertification(flags, document);
  await replaceSecretFile(keys, JSON.stringify(document));
}

/** `akashi keys certify --root FILE --public FILE --origin URL --statement FILE`: the root key's word, offline. */
export async function certifyCommand(flags: Flags): Promise<void> {
  const root = parseRootDocument(await readSecretFile(requiredFlag(flags, 'root')));
  const certification = parseCertification(await readPublicFile(requiredFlag(flags, 'public')));
  const origin = checkedOrigin(requiredFlag(flags, 'origin'));
  const statement = await certifyKeys(root, certification, origin, systemClock());
  await writeFile(requiredFlag(flags, 'statement'), `${await rootThumbprint(root)} ${statement}\n`);
}

/**
 * `akashi keys install --keys FILE --statement FILE --thumbprint T`: puts the statement into the keys. The thumbprint
 * is typed from where `keys root` printed it, so that nobody can slip in a statement of another root.
 */
export async function installCommand(flags: Flags): Promise<void> {
  const keys = requiredFlag(flags, 'keys');
  const thumbprint = requiredFlag(flags, 'thumbprint');
  const [root, statement] = (await readPublicFile(requiredFlag(flags, 'statement'))).trim().split(' ');
  if (root !== thumbprint || statement === undefined) {
    throw new ConfigurationError('--statement is not one of the root key with this --thumbprint');
  }
  const document = parseKeysDocument(await readSecretFile(keys));
  await replaceSecretFile(keys, JSON.stringify(await installStatement(document, root, statement)));
}

async function writeCertification(flags: Flags, document: KeysDocument): Promise<void> {
  await writeFile(requiredFlag(flags, 'public'), `${JSON.stringify(await certificationOf(document))}\n`);
}
