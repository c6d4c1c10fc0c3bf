import { indexedDbStorage, openHolder, workerProver } from '@akashi/sdk/holder';
import { KEPT, openBankClient } from './bank-client.ts';
import { Frame } from './frame.ts';
import { Phone } from './phone.ts';

const root = document.getElementById('app');
const { verifier, partners } = document.documentElement.dataset;
if (root === null || verifier === undefined || partners === undefined)
  throw new TypeError('the page was not served by the bank');

const frame = new Frame(root, localStorage, navigator.languages);
const prover = workerProver({ workerUrl: '/prover-worker.js', artifactsUrl: '/artifacts/' });
const bank = openBankClient(localStorage, partners);
// One device for each customer who uses this browser: families share tablets.
const phone = new Phone(frame, bank, (customer) =>
  openHolder({ verifier, storage: indexedDbStorage({ name: `aoba-bank-${customer}` }), prover }),
);

const followLink = (): void => {
  const fragment = location.hash;
  if (fragment === '') return;
  // Out of the address bar and the history: an enrolment link is a secret until it is used.
  history.replaceState(null, '', location.pathname);
  void phone.openLink(fragment);
};
let customer = bank.customer?.reference;
addEventListener('hashchange', followLink);
addEventListener('storage', (event) => {
  // Another tab logged in as someone else, or out.
  if (event.key !== KEPT || bank.customer?.reference === customer) return;
  customer = bank.customer?.reference;
  void phone.start();
});
addEventListener('unhandledrejection', (event) => phone.fail(event.reason, () => void phone.start()));

followLink();
await phone.start();
