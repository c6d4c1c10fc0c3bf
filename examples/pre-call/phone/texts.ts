import type { Language } from '../language.ts';
import { en } from './texts-en.ts';
import { ja, type Texts } from './texts-ja.ts';

export type { Texts } from './texts-ja.ts';

export const TEXTS: Readonly<Record<Language, Texts>> = { ja, en };
