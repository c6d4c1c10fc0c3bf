import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Secret, TOLD } from './run.ts';

// Looks for secrets in files, in every form in which one could have got there. All forms of all secrets are looked for
// in one pass over the bytes, so that a whole run can be searched in seconds.

/** Where a secret was found, and in which form. The secret itself is not repeated. */
export interface Find {
  readonly file: string;
  readonly offset: number;
  readonly kind: Secret['kind'];
  readonly form: string;
}

interface Needle {
  readonly bytes: Buffer;
  readonly secret: Secret;
  readonly form: string;
}

/** Shorter forms would be found in random bytes. */
const MIN_LENGTH = 5;

/** Every form of these secrets in every file below `folder`; of ids, in what is told only. */
export function searchFolder(folder: string, secrets: readonly Secret[]): readonly Find[] {
  const told = needlesOf(secrets);
  const kept = needlesOf(secrets.filter(({ kind }) => kind !== 'id'));
  return filesBelow(folder).flatMap((file) =>
    searchBytes(readFileSync(file), TOLD.test(file) ? told : kept, file),
  );
}

export function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

interface Needles {
  /** By their first four bytes. */
  readonly byStart: ReadonlyMap<number, readonly Needle[]>;
  /** Whether any begins with these three bytes: settles nearly every position by one look into an array. */
  readonly filter: Uint8Array;
}

export function needlesOf(secrets: readonly Secret[]): Needles {
  const byStart = new Map<number, Needle[]>();
  const filter = new Uint8Array(1 << 24);
  for (const secret of secrets) {
    for (const [form, bytes] of formsOf(secret)) {
      if (bytes.length < MIN_LENGTH) throw new TypeError(`a ${secret.kind} is too short to be looked for`);
      const start = bytes.readUInt32BE(0);
      filter[start >>> 8] = 1;
      byStart.set(start, [...(byStart.get(start) ?? []), { bytes, secret, form }]);
    }
  }
  return { byStart, filter };
}

export function searchBytes(bytes: Buffer, { byStart, filter }: Needles, file: string): readonly Find[] {
  const finds: Find[] = [];
  for (let i = 0; i + MIN_LENGTH <= bytes.length; i++) {
    const start = bytes.readUInt32BE(i);
    if (filter[start >>> 8] === 0) continue;
    for (const { bytes: needle, secret, form } of byStart.get(start) ?? []) {
      if (bytes.compare(needle, 0, needle.length, i, Math.min(i + needle.length, bytes.length)) !== 0)
        continue;
      if (WORDS.has(secret.kind) && !isAlone(bytes, i, needle.length)) continue;
      finds.push({ file, offset: i, kind: secret.kind, form });
    }
  }
  return finds;
}

/**
 * Six digits stand somewhere in any long number, so a code counts only where no digit or letter touches it: as a word
 * of a text, a JSON string, a cell of its own, and not as the places of a fraction. As an integer it is three bytes, which random bytes hit: not looked for.
 * An id may be a word that is part of another.
 */
const WORDS: ReadonlySet<Secret['kind']> = new Set(['code', 'id']);

function isAlone(bytes: Buffer, start: number, length: number): boolean {
  const touches = (byte: number | undefined) =>
    byte !== undefined && /[0-9A-Za-z]/.test(String.fromCharCode(byte));
  const isFraction = /^[0-9]\.[0-9]$/.test(bytes.toString('latin1', start - 2, start + 1));
  return !isFraction && !touches(bytes[start - 1]) && !touches(bytes[start + length]);
}

function formsOf({ kind, value }: Secret): ReadonlyMap<string, Buffer> {
  const forms = new Map<string, Buffer>();
  addText(forms, 'text', value);
  if (WORDS.has(kind)) return forms;
  if (kind === 'token') {
    // The prefix of an API key is no secret, and stands in front of the random part.
    const random = value.replace(/^ak_/, '');
    addBytes(forms, 'bytes', Buffer.from(random, 'base64url'));
    return forms;
  }
  if (kind === 'field') addBytes(forms, 'number', bigEndian(BigInt(value)));
  if (kind === 'digits') {
    addShortNumber(forms, BigInt(value));
    for (const name of ['sha1', 'sha256', 'sha512', 'md5']) {
      addBytes(forms, name, createHash(name).update(value).digest());
    }
  }
  return forms;
}

/** In widths in which numbers are kept. As few bytes as it needs are so few that others are the same by chance. */
function addShortNumber(forms: Map<string, Buffer>, value: bigint): void {
  const hex = value.toString(16);
  forms.set('number, hex', Buffer.from(hex));
  forms.set('number, HEX', Buffer.from(hex.toUpperCase()));
  for (const width of [6, 8])
    addBytes(forms, `number of ${width} bytes`, Buffer.from(hex.padStart(2 * width, '0'), 'hex'));
}

function addText(forms: Map<string, Buffer>, name: string, text: string): void {
  forms.set(name, Buffer.from(text, 'utf8'));
  forms.set(`${name}, utf-16`, Buffer.from(text, 'utf16le'));
  addEncodings(forms, name, Buffer.from(text, 'utf8'));
}

function addBytes(forms: Map<string, Buffer>, name: string, bytes: Buffer): void {
  const reversed = Buffer.from(bytes).reverse();
  forms.set(`${name}, big-endian`, bytes);
  forms.set(`${name}, little-endian`, reversed);
  addEncodings(forms, name, bytes);
  addEncodings(forms, `${name}, little-endian`, reversed);
  forms.set(`${name}, decimal`, Buffer.from(BigInt(`0x${bytes.toString('hex')}`).toString()));
}

function addEncodings(forms: Map<string, Buffer>, name: string, bytes: Buffer): void {
  const hex = bytes.toString('hex');
  forms.set(`${name}, hex`, Buffer.from(hex));
  forms.set(`${name}, HEX`, Buffer.from(hex.toUpperCase()));
  for (const shift of [0, 1, 2]) {
    const core = base64Core(bytes, shift);
    if (core.length < MIN_LENGTH) continue;
    forms.set(`${name}, base64 +${shift}`, Buffer.from(core));
    forms.set(`${name}, base64url +${shift}`, Buffer.from(core.replaceAll('+', '-').replaceAll('/', '_')));
  }
}

/** The characters of base64 that depend on these bytes alone, wherever they stand in a longer value. */
function base64Core(bytes: Buffer, shift: number): string {
  const text = Buffer.concat([Buffer.alloc(shift), bytes])
    .toString('base64')
    .replaceAll('=', '');
  const before = Math.ceil((shift * 8) / 6);
  const whole = Math.floor(((shift + bytes.length) * 8) / 6);
  return text.slice(before, whole);
}

function bigEndian(value: bigint): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
}
