// What a holder needs once a request has come, as one chunk: a phone that waits does without.

export { readHistory, recordHistory, remember } from './history.ts';
export { checkedRequest, openRequest } from './request.ts';
