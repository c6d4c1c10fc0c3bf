import { element } from '../element.ts';
import { dateAndTime } from '../language.ts';
import type { Phone } from './phone.ts';
import { settingsScreen } from './settings.ts';

/** Devices of the same customer enrolled after this one: whoever did not do it stops them here. */
export async function showNewerDevices(phone: Phone, notice = ''): Promise<void> {
  const { frame, holder } = phone;
  try {
    const { newer } = await frame.during(holder.status());
    phone.newerDevice = newer.length > 0;
    phone.go(() => {
      const { texts, language } = frame;
      const rows = newer.map(({ device, enrolledAt }) => {
        const stop = element('button', { class: 'danger', type: 'button' }, texts.stopDevice);
        stop.addEventListener('click', () => void stopDevice(phone, device, stop));
        return element('li', { class: 'row' }, texts.deviceSince(dateAndTime(enrolledAt, language)), stop);
      });
      return {
        title: texts.devicesTitle,
        content: [
          notice === '' ? null : element('p', { class: 'notice', role: 'status' }, notice),
          element('p', { class: 'soft' }, rows.length === 0 ? texts.devicesNone : texts.devicesText),
          element('ul', { class: 'rows' }, ...rows),
        ],
        back: () => phone.go(settingsScreen(phone)),
      };
    });
  } catch (error) {
    phone.fail(error, () => void showNewerDevices(phone));
  }
}

async function stopDevice(phone: Phone, device: string, button: HTMLButtonElement): Promise<void> {
  try {
    await phone.frame.during(phone.holder.stopDevice(device), button);
    await showNewerDevices(phone, phone.frame.texts.stoppedDevice);
  } catch (error) {
    phone.fail(error, () => void showNewerDevices(phone));
  }
}
