import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';

// Where a name has two addresses, Node gives the first one 250 ms. A machine of others may pause for longer than that, and
// nobody listens at the second: whoever tries it was not refused by what is tested.

setDefaultAutoSelectFamilyAttemptTimeout(60_000);
