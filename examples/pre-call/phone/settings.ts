import type { HolderStatus } from '@akashi/sdk/holder';
import { element, icon } from '../element.ts';
import { dateAndTime } from '../language.ts';
import { showCertificates } from './certificates.ts';
import { showNewerDevices } from './devices.ts';
import { reenrolScreen } from './enrolment.ts';
import type { Screen } from './frame.ts';
import { showHistory } from './history.ts';
import { showPasskeys } from './passkeys.ts';
import type { Phone } from './phone.ts';
import { changePin } from './pin-change.ts';

/** What this device is, and what can be done with it. */
export function settingsScreen(phone: Phone, notice = ''): Screen {
  let status: HolderStatus | null = null;
  let kept: boolean | null = null;
  const screen: Screen = () => {
    const { texts } = phone.frame;
    return {
      title: texts.settingsTitle,
      content: [
        notice === '' ? null : element('p', { class: 'notice', role: 'status' }, notice),
        element('h2', {}, texts.settingsDevice),
        about(phone, status, kept),
        kept === false ? askToKeep(phone) : null,
        menu(phone),
      ],
      back: () => phone.home(),
    };
  };
  // Each when it comes: what cannot be read stays a dash, and the other settings work without it.
  const loaded = (): void => {
    if (phone.frame.isShowing(screen)) phone.frame.refresh();
  };
  const load = async (): Promise<void> => {
    status = await phone.holder.status();
    loaded();
  };
  const loadKept = async (): Promise<void> => {
    kept = (await navigator.storage?.persisted()) ?? false;
    loaded();
  };
  void load().catch(() => undefined);
  void loadKept().catch(() => undefined);
  return screen;
}

function about(phone: Phone, status: HolderStatus | null, kept: boolean | null): HTMLElement {
  const { texts, language } = phone.frame;
  const row = (name: string, ...value: (Node | string)[]): HTMLElement =>
    element('div', {}, element('dt', {}, name), element('dd', {}, ...value));
  const accounts = phone.holder.enrolled?.accounts ?? [];
  const names = accounts.map(({ label }) => element('li', {}, texts.accountNames[label] ?? label));
  const pinChangedAt = status?.pinChangedAt ?? null;
  return element(
    'dl',
    { class: 'details' },
    row(texts.settingsEnrolledAt, status === null ? '–' : dateAndTime(status.enrolledAt, language)),
    row(texts.settingsPinChangedAt, pinChangedAt === null ? '–' : dateAndTime(pinChangedAt, language)),
    row(texts.settingsTriesLeft, status === null ? '–' : texts.settingsTries(status.triesLeft)),
    row(texts.settingsAccounts, element('ul', {}, ...names)),
    row(texts.settingsStorage, kept === null ? '–' : kept ? texts.storageKept : texts.storageMayGo),
  );
}

function askToKeep(phone: Phone): HTMLElement {
  const { texts } = phone.frame;
  const ask = async (): Promise<void> => {
    const granted = await navigator.storage.persist();
    phone.go(settingsScreen(phone, granted ? texts.storageKept : texts.storageRefused));
  };
  return element(
    'button',
    { id: 'ask-to-keep', type: 'button', onclick: () => void ask() },
    texts.storageAsk,
  );
}

function menu(phone: Phone): HTMLElement {
  const { texts } = phone.frame;
  const entry = (text: string, id: string, onclick: () => void, danger = false): HTMLElement =>
    element(
      'li',
      {},
      element(
        'button',
        { id, type: 'button', class: danger ? 'row danger' : 'row', onclick },
        text,
        icon('chevron'),
      ),
    );
  return element(
    'ul',
    { class: 'rows' },
    entry(texts.changePin, 'change-pin', () => changePin(phone)),
    entry(texts.certificates, 'certificates', () => void showCertificates(phone)),
    entry(texts.passkeys, 'passkeys', () => void showPasskeys(phone)),
    entry(texts.history, 'history', () => void showHistory(phone)),
    entry(texts.devices, 'devices', () => void showNewerDevices(phone)),
    entry(texts.refreshAccounts, 'refresh-accounts', () => void refreshAccounts(phone)),
    entry(texts.pinForgotten, 'forgot', () => phone.go(reenrolScreen(phone, 'forgot'))),
    entry(texts.logout, 'logout', () => void logOut(phone)),
    entry(texts.removeDevice, 'remove', () => confirmRemoval(phone), true),
  );
}

async function refreshAccounts(phone: Phone): Promise<void> {
  try {
    await phone.frame.during(phone.holder.refreshAccounts(phone.bank.accounts));
    phone.go(settingsScreen(phone, phone.frame.texts.refreshed));
  } catch (error) {
    phone.fail(error, () => void refreshAccounts(phone));
  }
}

/** Ends the log-in with the bank. The device stays enrolled for its customer. */
async function logOut(phone: Phone): Promise<void> {
  await phone.frame.during(phone.bank.logOut());
  await phone.start();
}

function confirmRemoval(phone: Phone): void {
  const remove = async (button?: HTMLButtonElement): Promise<void> => {
    try {
      await phone.frame.during(phone.holder.remove(), button);
      await phone.start();
    } catch (error) {
      phone.fail(error, () => void remove());
    }
  };
  phone.go(
    () => {
      const { texts } = phone.frame;
      const confirm = element(
        'button',
        { id: 'confirm-remove', class: 'danger', type: 'button' },
        texts.removeConfirm,
      );
      confirm.addEventListener('click', () => void remove(confirm));
      const back = (): void => phone.go(settingsScreen(phone));
      return {
        title: texts.removeTitle,
        content: [element('p', {}, texts.removeText)],
        actions: [
          confirm,
          element('button', { class: 'plain', type: 'button', onclick: back }, texts.cancel),
        ],
        back,
      };
    },
    { busy: true },
  );
}
