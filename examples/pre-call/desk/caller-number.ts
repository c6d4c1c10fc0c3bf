import type { RiskSignals } from '@akashi/circuits';
import { element } from '../element.ts';
import type { Texts } from './texts.ts';

const NUMBERS = ['unknown', 'known', 'other', 'withheld'] as const;

/** What the operator saw of the caller's number, as the verifier takes it: it asks for more where nobody said. */
const SIGNALS: Readonly<Record<(typeof NUMBERS)[number], RiskSignals>> = {
  unknown: {},
  known: { numberWithheld: false, numberNotOnFile: false },
  other: { numberWithheld: false, numberNotOnFile: true },
  withheld: { numberWithheld: true, numberNotOnFile: true },
};

/** Stands for what the telephony of a real contact center knows by itself. */
export class CallerNumber {
  // What was chosen outlives a change of language.
  readonly #select = element('select', { id: 'number' });

  draw(texts: Texts): Node[] {
    const chosen = this.#chosen();
    const options = NUMBERS.map((number) => element('option', { value: number }, texts.numbers[number]));
    this.#select.replaceChildren(...options);
    this.#select.value = chosen;
    return [element('label', { for: 'number' }, texts.number), this.#select];
  }

  /** For another call, whose number nobody has looked at yet. */
  clear(): void {
    this.#select.value = 'unknown';
  }

  signals(): RiskSignals {
    return SIGNALS[this.#chosen()];
  }

  #chosen(): (typeof NUMBERS)[number] {
    return NUMBERS.find((number) => number === this.#select.value) ?? 'unknown';
  }
}
