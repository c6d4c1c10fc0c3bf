import { type CheckedRequest, claimText, type HeldCredential } from '@akashi/sdk/holder';
import { element } from '../element.ts';
import { dateOnly, unbroken } from '../language.ts';
import type { Screen } from './frame.ts';
import type { Phone } from './phone.ts';
import { reopen } from './request.ts';
import { settingsScreen } from './settings.ts';

/** What others vouch for about this customer, on this device only: what it says, and the way to have it anew. */
export async function showCertificates(phone: Phone, notice = ''): Promise<void> {
  const { frame, holder } = phone;
  try {
    const held = await frame.during(holder.claims());
    phone.go(() => {
      const { texts } = frame;
      const list = held.map((credential) => certificate(phone, credential));
      return {
        title: texts.certificates,
        content: [
          notice === '' ? null : element('p', { class: 'notice', role: 'status' }, notice),
          element(
            'p',
            { class: 'soft' },
            held.length === 0 ? texts.certificatesNone : texts.certificatesText,
          ),
          ...list,
        ],
        actions: [
          fetchButton(phone, held.length > 0, () => showCertificates(phone, texts.certificatesFetched)),
        ],
        back: () => phone.go(settingsScreen(phone)),
      };
    });
  } catch (error) {
    phone.fail(error, () => void showCertificates(phone));
  }
}

/** A request asks about what this device has no certificate of: it can be had now, and nothing was used up. */
export function certificatesNeededScreen(phone: Phone, request: CheckedRequest): Screen {
  return () => {
    const { texts } = phone.frame;
    const back = (): void => void reopen(phone, request.id);
    return {
      title: texts.certificatesNeededTitle,
      mark: 'wait',
      content: [element('p', { 'data-failure': 'claim_unknown' }, texts.certificatesNeededText)],
      actions: [
        fetchButton(phone, false, () => reopen(phone, request.id)),
        element('button', { class: 'plain', type: 'button', onclick: back }, texts.back),
      ],
    };
  };
}

function certificate(phone: Phone, { schema, claims, expiresAt }: HeldCredential): HTMLElement {
  const { texts, language } = phone.frame;
  const { schema: id, version, volatile } = schema;
  const lines = schema.claims.map((claim, index) => {
    const value = claims[claim.name] ?? '';
    const entry = {
      fact: 'member',
      version: 1,
      schema: id,
      volatile,
      index,
      claim,
      values: [value],
    } as const;
    return element('li', {}, unbroken(claimText({ ...entry, values: [value] }, language)));
  });
  return element(
    'section',
    { class: 'certificate' },
    element('h2', {}, texts.certificateNames[id] ?? `${id} ${version}`),
    element('ul', {}, ...lines),
    element('p', { class: 'soft small' }, texts.certificateUntil(dateOnly(expiresAt, language))),
  );
}

function fetchButton(phone: Phone, again: boolean, then: () => Promise<void>): HTMLElement {
  const { texts } = phone.frame;
  const button = element(
    'button',
    { id: 'fetch-certificates', class: again ? '' : 'primary', type: 'button' },
    again ? texts.certificatesRenew : texts.certificatesFetch,
  );
  const fetchAll = async (): Promise<void> => {
    try {
      await phone.frame.during(phone.holder.refreshClaims(phone.bank.claims), button);
      await then();
    } catch (error) {
      phone.fail(error, () => void fetchAll());
    }
  };
  button.addEventListener('click', () => void fetchAll());
  return button;
}
