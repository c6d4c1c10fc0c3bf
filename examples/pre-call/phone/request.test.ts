import type { CheckedRequest } from '@akashi/sdk/holder';
import { expect, test } from 'vitest';
import type { Screen } from './frame.ts';
import type { Phone } from './phone.ts';
import { act, stayAbout } from './request.ts';

// What the page hears twice, by its own call and by watching, in either order.

const view = { title: '', content: [] };
const asking: Screen = () => view;
const typing: Screen = () => view;
const requestThatIs = (state: CheckedRequest['state']) => ({ id: 'request', state }) as CheckedRequest;

function phoneShowing(first: Screen) {
  const frame = {
    screen: first,
    isShowing: (screen: Screen) => frame.screen === screen,
    during: <T>(work: Promise<T>) => work,
  };
  const went: Screen[] = [];
  const phone = { frame, go: (screen: Screen) => went.push(screen), fail: () => went.push(asking) };
  return { frame, went, phone: phone as unknown as Phone };
}

test('an answer that comes after the screen went on changes nothing: digits are being typed there', async () => {
  const button = {} as HTMLButtonElement;
  for (const late of [Promise.resolve(requestThatIs('accepted')), Promise.reject(new Error('lost'))]) {
    const { frame, phone, went } = phoneShowing(asking);
    let redrawn = 0;
    const acting = act(
      phone,
      'request',
      button,
      () => {
        frame.screen = typing;
        return late;
      },
      () => {
        redrawn += 1;
      },
    );
    await acting;
    expect([redrawn, went]).toEqual([0, []]);
  }
  const { phone } = phoneShowing(asking);
  const heard: CheckedRequest[] = [];
  await act(
    phone,
    'request',
    button,
    async () => requestThatIs('accepted'),
    (now) => heard.push(now),
  );
  expect(heard).toEqual([requestThatIs('accepted')]);
});

test('news that are older than what is shown do not turn the screen back', () => {
  const { phone, went } = phoneShowing(typing);
  const { request } = stayAbout(phone, requestThatIs('accepted'));
  request?.changed(requestThatIs('pending'));
  request?.changed(requestThatIs('accepted'));
  expect(went).toEqual([]);
  request?.changed({ ...requestThatIs('done'), asked: null, claim: null, verdict: 'cancelled' });
  expect(went).toHaveLength(1);
});
