import { openSqliteStore } from '@akashi/verifier';
import type { Browser, Page } from 'playwright-core';
import { TENANT } from './bank/records.ts';
import { beginEnrolment, holding, type Looks, phoneContext, startOnDesk, tapDigits } from './drive.ts';
import { TEXTS } from './phone/texts.ts';
import type { Studio } from './scenes.ts';

// The scenes with a passkey: a phone of its own, whose sensor is Chromium's virtual authenticator.

const CUSTOMER = 'C-60938';
const PIN = '508362';

export async function shootPasskey(
  browser: Browser,
  { demo, desk, shoot }: Studio,
  looks: Looks,
): Promise<void> {
  const context = await phoneContext(browser, looks);
  context.setDefaultTimeout(30_000);
  const phone = await context.newPage();
  const recognise = await addSensor(phone);
  await phone.goto(demo.bank);
  await beginEnrolment(phone, CUSTOMER);
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('.cells.pin:not(:has(.full))').waitFor();
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('#no-passkey').waitFor();
  await shoot(phone, 'phone-passkey-offer');
  await holding(phone, '**/v1/devices/current/**', async () => {
    await phone.locator('#add-passkey').tap();
    await phone.locator('progress').waitFor();
    await shoot(phone, 'phone-passkey-adding');
  });
  await phone.locator('#precall').waitFor();
  await phone.locator('#settings').tap();
  await phone.locator('#history').tap();
  await phone.locator('#change-pin').waitFor({ state: 'detached' });
  await shoot(phone, 'phone-history-none');
  await phone.locator('#back').tap();
  await phone.locator('#passkeys').tap();
  await phone.locator('.row .danger').waitFor();
  await shoot(phone, 'phone-passkeys');
  await phone.locator('#back').tap();
  await phone.locator('#back').tap();

  const code = await startOnDesk(desk, CUSTOMER, { purpose: 'payee payee' });
  await phone.locator('#accept').waitFor();
  await shoot(phone, 'phone-request-passkey');
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'code', code);
  await recognise(false);
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('[data-failure="passkey_cancelled"]').waitFor();
  await shoot(phone, 'phone-passkey-cancelled');
  await recognise(true);
  const confirm = await hesitate(phone);
  await phone.locator('.actions .primary').tap();
  const { passkeyConfirm } = TEXTS[looks.locale === 'ja-JP' ? 'ja' : 'en'];
  await phone.locator('.step', { hasText: passkeyConfirm }).waitFor();
  await shoot(phone, 'phone-passkey-confirm');
  await confirm();
  await phone.locator('[data-ending="passed"]').waitFor();
  await desk.locator('[data-state="passed"]').waitFor();
  await shoot(desk, 'desk-passed-passkey');
  await phone.locator('#done').tap();

  await takeScreenLocks(demo);
  const next = await startOnDesk(desk, CUSTOMER, { purpose: 'payee payee' });
  await phone.locator('#accept').tap();
  await tapDigits(phone, 'code', next);
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('[data-ending="passed"]').waitFor();
  await desk.locator('[data-state="passed"]').waitFor();
  await shoot(desk, 'desk-passed-inherence');
  await phone.locator('#done').tap();

  await phone.locator('#settings').tap();
  await phone.locator('#passkeys').tap();
  await phone.locator('.row .danger').tap();
  await phone.locator('.row .danger').waitFor({ state: 'detached' });
  await shoot(phone, 'phone-passkey-removed');
  await phone.locator('#add-passkey').tap();
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('.row .danger').waitFor();
  await shoot(phone, 'phone-passkey-added');
  await phone.locator('.row .danger').tap();
  await phone.locator('.row .danger').waitFor({ state: 'detached' });
  await shootLostAnswer(phone, shoot);
  await desk.locator('#subject').fill(CUSTOMER);
  await desk.locator('#start-purpose').selectOption('payee payee');
  await desk.locator('#start').click();
  await desk.locator('#start-problem:not(:empty)').waitFor();
  await shoot(desk, 'desk-no-passkey');
  await context.close();
}

/** As banks decide that take a screen lock for face or finger; this one does not. */
async function takeScreenLocks({ database, bank }: Studio['demo']): Promise<void> {
  const store = openSqliteStore({ file: database });
  const settings = { rpId: new URL(bank).hostname, acceptScreenLock: true };
  await store.setPasskeySettings(TENANT.tenant, settings, Math.floor(Date.now() / 1000));
  await store.close();
}

/** The verifier has the passkey, but the phone never heard so: that one is no use here. */
async function shootLostAnswer(phone: Page, shoot: Studio['shoot']): Promise<void> {
  const passkeys = '**/devices/current/passkeys';
  await phone.route(passkeys, async (route) => {
    await route.fetch();
    await route.abort();
  });
  await phone.locator('#add-passkey').tap();
  await tapDigits(phone, 'pin', PIN);
  await phone.locator('[data-failure]').waitFor();
  await phone.unroute(passkeys);
  await phone.locator('.actions .plain').tap();
  await phone.locator('#settings').tap();
  await phone.locator('#passkeys').tap();
  await phone.locator('.row .danger').waitFor();
  await shoot(phone, 'phone-passkey-unusable');
  await phone.locator('.row .danger').tap();
  await phone.locator('.row .danger').waitFor({ state: 'detached' });
}

/** A phone's own sensor. @returns what decides whether it recognises its user from now on */
async function addSensor(phone: Page): Promise<(isUserVerified: boolean) => Promise<void>> {
  const session = await phone.context().newCDPSession(phone);
  await session.send('WebAuthn.enable');
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      ...{ protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true },
      ...{ isUserVerified: true, automaticPresenceSimulation: true },
    },
  });
  return async (isUserVerified) => {
    await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified });
  };
}

/** The customer takes a while before the sensor; Chromium's own, made to wait, never goes on. @returns when it was enough */
async function hesitate(phone: Page): Promise<() => Promise<void>> {
  await phone.evaluate(() => {
    const get = navigator.credentials.get.bind(navigator.credentials);
    const enough = new Promise((resolve) => addEventListener('confirm', resolve, { once: true }));
    navigator.credentials.get = async (options) => {
      await enough;
      return get(options);
    };
  });
  return () => phone.evaluate(() => void dispatchEvent(new Event('confirm')));
}
