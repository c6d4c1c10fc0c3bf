import {
  AkashiError,
  type Direction,
  factOf,
  leavesOf,
  type Policy,
  parseCode,
  type Start,
} from '@akashi/circuits';
import { element } from '../element.ts';
import { inLanguage } from '../language.ts';
import { startPayment } from './bank-client.ts';
import { CallerNumber } from './caller-number.ts';
import type { Desk } from './desk.ts';
import { isBanks, TransactionFields } from './transaction-fields.ts';

/** Stands for the customer list of a real contact center, which would fill the field by itself. */
const EXAMPLES = ['C-48201', 'C-51764', 'C-60938'];

/** What can be done about the call in hand: start a verification, or take a pre-call code. */
export class CallForms {
  readonly section = element('div', { class: 'forms' });
  readonly #desk: Desk;
  // What was entered outlives a change of language.
  #subject = '';
  #purpose = '';
  #direction: Direction = 'inbound';
  readonly #number = new CallerNumber();
  readonly #transaction = new TransactionFields();
  readonly #transactionArea = element('div', { class: 'transaction' });
  #sent: { readonly body: string; readonly key: string } | null = null;
  /** Opaque id of the call: the same as long as the operator speaks with the same customer. */
  #call = { subject: '', id: '' };

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  draw(): void {
    const { texts } = this.#desk;
    this.section.replaceChildren(
      element(
        'section',
        { 'aria-labelledby': 'start-title' },
        heading('start-title', texts.startTitle),
        this.#startForm(),
      ),
      element(
        'section',
        { 'aria-labelledby': 'claim-title' },
        heading('claim-title', texts.claimTitle),
        this.#claimForm(),
      ),
    );
  }

  #startForm(): HTMLFormElement {
    const { texts } = this.#desk;
    const problem = problemLine('start-problem');
    const submit = element('button', { id: 'start', class: 'primary', type: 'submit' }, texts.start);
    return element(
      'form',
      {
        id: 'start-form',
        onsubmit: (event: Event) => this.#submit(event, submit, problem, () => this.#start()),
      },
      ...this.#subjectField(),
      ...this.#purposeField('start-purpose'),
      this.#directionField(),
      ...this.#number.draw(texts),
      this.#transactionArea,
      problem,
      submit,
    );
  }

  #claimForm(): HTMLFormElement {
    const { texts } = this.#desk;
    const problem = problemLine('claim-problem');
    const code = element('input', {
      id: 'claim-code',
      class: 'field',
      type: 'text',
      inputmode: 'numeric',
      autocomplete: 'off',
      required: true,
      maxlength: 12,
      'aria-describedby': 'claim-problem',
    });
    const submit = element('button', { id: 'claim', type: 'submit' }, texts.claim);
    return element(
      'form',
      {
        id: 'claim-form',
        onsubmit: (event: Event) => this.#submit(event, submit, problem, () => this.#claim(code)),
      },
      element('p', { class: 'soft small' }, texts.claimText),
      element('label', { for: 'claim-code' }, texts.claimCode),
      element('div', { class: 'inline' }, code, submit),
      problem,
    );
  }

  #subjectField(): Node[] {
    const { texts } = this.#desk;
    const input = element('input', {
      id: 'subject',
      class: 'field',
      type: 'text',
      autocomplete: 'off',
      spellcheck: 'false',
      required: true,
      pattern: '[A-Za-z0-9._:\\-]{1,64}',
      value: this.#subject,
      oninput: () => this.#changeSubject(input.value),
    });
    const examples = EXAMPLES.map((reference) =>
      element(
        'button',
        {
          class: 'plain example',
          type: 'button',
          onclick: () => {
            input.value = reference;
            this.#changeSubject(reference);
          },
        },
        reference,
      ),
    );
    return [
      element('label', { for: 'subject' }, texts.subject),
      input,
      element('p', { class: 'examples small soft' }, texts.subjectHint, ...examples),
    ];
  }

  /** Purposes by policy: choosing one chooses both, and nothing that does not fit together can be chosen. */
  #purposeField(id: string): Node[] {
    const { texts, language, policies } = this.#desk;
    const select = element('select', {
      id,
      onchange: () => {
        this.#purpose = select.value;
        this.#drawTransaction();
      },
    });
    for (const { policy, facts, purposes } of policies) {
      const options = purposes.map((purpose) =>
        element('option', { value: `${policy} ${purpose.id}` }, inLanguage(purpose.text, language)),
      );
      const proven = [...new Set(facts.flatMap(leavesOf).map((asked) => texts.facts[factOf(asked)]))].join(
        ' + ',
      );
      select.append(element('optgroup', { label: `${policy}: ${proven}` }, ...options));
    }
    if (this.#purpose === '') this.#purpose = select.value;
    select.value = this.#purpose;
    this.#drawTransaction();
    return [element('label', { for: id }, texts.purpose), select];
  }

  #directionField(): HTMLFieldSetElement {
    const { texts } = this.#desk;
    const option = (direction: Direction): HTMLElement =>
      element(
        'label',
        {},
        element('input', {
          type: 'radio',
          name: 'direction',
          value: direction,
          checked: this.#direction === direction,
          onchange: () => {
            this.#direction = direction;
          },
        }),
        texts[direction],
      );
    return element(
      'fieldset',
      { class: 'choice' },
      element('legend', {}, texts.direction),
      option('inbound'),
      option('outbound'),
    );
  }

  /** Another customer is another call, whose number nobody has looked at yet. */
  #changeSubject(subject: string): void {
    if (subject !== this.#subject) this.#number.clear();
    this.#subject = subject;
  }

  async #start(): Promise<void> {
    const { policy, purpose } = this.#chosen();
    if (isBanks(policy)) return this.#startAtBank();
    const transaction = this.#transaction.entered(policy);
    const start: Start = {
      subject: this.#subject,
      policy: policy?.policy ?? '',
      purpose,
      mode: 'call',
      call: { direction: this.#direction, id: this.#callId() },
      signals: this.#number.signals(),
      ...(transaction === undefined ? {} : { transaction }),
    };
    // The same again after a lost answer is the same start, not a second one.
    const body = JSON.stringify(start);
    if (this.#sent?.body !== body) this.#sent = { body, key: crypto.randomUUID() };
    const verification = await this.#desk.agent.start(start, { idempotencyKey: this.#sent.key });
    this.#sent = null;
    this.#transaction.clear();
    this.draw();
    this.#desk.takeStarted(verification);
  }

  /** The bank starts it with its own figures; all that comes back is which verification it is. */
  async #startAtBank(): Promise<void> {
    const id = await startPayment(this.#subject, this.#direction);
    this.#desk.takeStarted(await this.#desk.agent.verification(id));
  }

  #drawTransaction(): void {
    const drawn = this.#transaction.draw(this.#desk.texts, this.#chosen().policy);
    this.#transactionArea.replaceChildren(...(drawn === null ? [] : [drawn]));
  }

  async #claim(code: HTMLInputElement): Promise<void> {
    const verification = await this.#desk.agent.claim({
      subject: this.#subject,
      purpose: this.#chosen().purpose,
      direction: this.#direction,
      call: this.#callId(),
      code: parseCode(code.value),
    });
    code.value = '';
    this.#desk.take(verification);
  }

  #chosen(): { readonly policy: Policy | undefined; readonly purpose: string } {
    const [name, purpose = ''] = this.#purpose.split(' ');
    return { policy: this.#desk.policies.find(({ policy }) => policy === name), purpose };
  }

  #callId(): string {
    if (this.#call.subject !== this.#subject)
      this.#call = { subject: this.#subject, id: crypto.randomUUID() };
    return this.#call.id;
  }

  async #submit(
    event: Event,
    button: HTMLButtonElement,
    problem: HTMLElement,
    send: () => Promise<void>,
  ): Promise<void> {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    problem.textContent = '';
    try {
      await send();
    } catch (error) {
      const { texts } = this.#desk;
      const code = error instanceof AkashiError ? error.code : '';
      const refusals: Readonly<Record<string, string>> = {
        claim_refused: texts.claimRefused,
        not_found: texts.nothingOwed,
      };
      problem.textContent = refusals[code] ?? this.#desk.failure(error);
    } finally {
      button.disabled = false;
    }
  }
}

function heading(id: string, text: string): HTMLElement {
  return element('h2', { id }, text);
}

function problemLine(id: string): HTMLElement {
  return element('p', { id, class: 'problem', role: 'alert' });
}
