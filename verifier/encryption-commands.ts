import { withStore } from './admin-commands.ts';
import { type Flags, requiredFlag } from './configuration.ts';
import { readSecretFile, replaceSecretFile } from './key-file.ts';
import {
  addEncryptionKey,
  dropEncryptionKey,
  type KeysDocument,
  keyEncryptionOf,
  parseKeysDocument,
  useEncryptionKey,
} from './keys.ts';
import { countSealed, resealAll } from './reseal.ts';
import { systemClock } from './service.ts';
import type { CommandContext } from './start-command.ts';

// Rotation of the key-encryption key (docs/runbook.md, section 3). A key is first known to all verifiers and then in force:
// so none meets a value that it cannot open.

/** `akashi keys add-encryption --keys FILE`: one more key, that opens; prints its id. */
export async function addEncryptionCommand(flags: Flags, context: CommandContext): Promise<void> {
  const { document, id } = addEncryptionKey(await readKeys(flags), context.random);
  await replaceKeys(flags, document);
  context.out(id);
}

/** `akashi keys use-encryption KEY --keys FILE`: from now on this one seals. */
export async function useEncryptionCommand(
  flags: Flags,
  _context: CommandContext,
  [id = '']: readonly string[],
): Promise<void> {
  await replaceKeys(flags, useEncryptionKey(await readKeys(flags), id));
}

/** `akashi keys reseal --keys FILE`: seals everything under the key that seals now; prints what each other key still holds. */
export async function resealCommand(flags: Flags, context: CommandContext): Promise<void> {
  const keys = keyEncryptionOf(await readKeys(flags));
  await withStore(flags, context, async (store) => {
    const count = await resealAll(store, keys, systemClock, context.random);
    context.out(`${count} values sealed anew`);
    const left = await countSealed(store);
    for (const id of new Set([...keys.keys.keys(), ...left.keys()])) {
      if (id !== keys.current) context.out(`${id} ${left.get(id) ?? 0} left`);
    }
  });
}

/**
 * `akashi keys drop-encryption KEY --keys FILE`: takes the key out of the document.
 * @throws Error while the database holds a value that is sealed under it
 */
export async function dropEncryptionCommand(
  flags: Flags,
  context: CommandContext,
  [id = '']: readonly string[],
): Promise<void> {
  const without = dropEncryptionKey(await readKeys(flags), id);
  await withStore(flags, context, async (store) => {
    const left = (await countSealed(store)).get(id) ?? 0;
    if (left > 0) throw new Error(`${left} values are sealed under this key: "akashi keys reseal"`);
  });
  await replaceKeys(flags, without);
}

async function readKeys(flags: Flags): Promise<KeysDocument> {
  return parseKeysDocument(await readSecretFile(requiredFlag(flags, 'keys')));
}

function replaceKeys(flags: Flags, document: KeysDocument): Promise<void> {
  return replaceSecretFile(requiredFlag(flags, 'keys'), JSON.stringify(document));
}
