import { openAgent } from '@akashi/sdk/agent';
import { Desk } from './desk.ts';

const root = document.getElementById('desk');
const verifier = document.documentElement.dataset.verifier;
if (root === null || verifier === undefined) throw new TypeError('the page was not served by the desk');

const SESSION = 'session';

// The session outlives a reload, but not the tab.
const store = {
  load: (): unknown => JSON.parse(sessionStorage.getItem(SESSION) ?? 'null'),
  save: (session: object | null): void => {
    if (session === null) sessionStorage.removeItem(SESSION);
    else sessionStorage.setItem(SESSION, JSON.stringify(session));
  },
};
const desk = new Desk(root, openAgent({ verifier, store }));

const followLink = async (): Promise<void> => {
  const fragment = location.hash;
  if (!fragment.startsWith('#signin=')) return desk.open();
  // Out of the address bar before anything else: it is good for one sign-in, and then for nobody.
  history.replaceState(null, '', location.pathname);
  await desk.signIn(fragment);
};
addEventListener('hashchange', () => void followLink());
await followLink();
