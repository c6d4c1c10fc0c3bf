import { element } from '../element.ts';
import { chosenLanguage, type Language, rememberLanguage } from '../language.ts';
import { TEXTS } from './texts.ts';

// The page that shows phone and desk side by side. It only frames them: they are of different origins, and neither
// can look into the other, as in real life.

const root = document.getElementById('side');
const phoneOrigin = document.documentElement.dataset.phone;
if (root === null || phoneOrigin === undefined) throw new TypeError('the page was not served by the desk');

/** A one-use sign-in link, from a route that only the example has (see demo-desk.ts). */
async function freshDeskAddress(): Promise<string> {
  const response = await fetch('/demo/sign-in', { method: 'POST' });
  return response.ok ? `/desk${await response.text()}` : '/desk';
}

const phone = element('iframe', { title: 'phone', src: `${phoneOrigin}/` });
const desk = element('iframe', { title: 'desk', src: await freshDeskAddress() });
const header = element('header');
const phoneCaption = element('figcaption');
const deskCaption = element('figcaption');

let language = chosenLanguage(localStorage, navigator.languages);

const signInAgain = async (): Promise<void> => {
  desk.src = await freshDeskAddress();
};

function draw(): void {
  const texts = TEXTS[language];
  const other: Language = language === 'ja' ? 'en' : 'ja';
  const link = (href: string): HTMLElement => element('a', { href, target: '_blank' }, texts.sideOpenAlone);
  document.documentElement.lang = language;
  document.title = texts.sideTitle;
  phone.title = texts.sidePhone;
  desk.title = texts.sideDesk;
  header.replaceChildren(
    element('div', {}, element('h1', {}, texts.sideTitle), element('p', { class: 'soft' }, texts.sideLead)),
    element(
      'button',
      { class: 'plain', type: 'button', lang: other, onclick: () => use(other) },
      texts.language,
    ),
  );
  phoneCaption.replaceChildren(
    element('strong', {}, texts.sidePhone),
    element('p', { class: 'soft small' }, texts.sidePhoneText),
    link(`${phoneOrigin}/`),
  );
  deskCaption.replaceChildren(
    element('strong', {}, texts.sideDesk),
    element('p', { class: 'soft small' }, texts.sideDeskText),
    element(
      'button',
      { class: 'plain', type: 'button', onclick: () => void signInAgain() },
      texts.sideSignIn,
    ),
  );
}

/** The desk in the frame shares this origin and hears of it by its `storage` event; the phone has its own switch. */
function use(next: Language): void {
  language = next;
  rememberLanguage(localStorage, next);
  draw();
}

addEventListener('storage', () => {
  language = chosenLanguage(localStorage, navigator.languages);
  draw();
});
draw();
root.replaceChildren(
  header,
  element(
    'div',
    { class: 'both' },
    element('figure', { class: 'phone' }, phone, phoneCaption),
    element('figure', { class: 'desk' }, desk, deskCaption),
  ),
);
