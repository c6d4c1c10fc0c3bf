import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

// Which addresses of the network a document may be fetched from. A tenant chooses the URL, so a URL must not become a way
// into the network that the verifier stands in (SSRF). What a name resolves to is checked when the connection is made,
// on the very addresses that it is made to: a name that changes between check and use gains nothing.

/** `public`: nothing but the internet. `any`: the person who runs the verifier vouched for it. `loopback`: development. */
export type Reach = 'public' | 'any' | 'loopback';

// IANA special-purpose registries: everything there that is not globally reachable, and multicast.
const SPECIAL = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  SPECIAL.addSubnet(net, prefix, 'ipv4');
}
// 2001::/23 holds Teredo and other protocols' ranges, 2002::/16 is 6to4: both lead to IPv4 addresses of anybody's choice.
for (const [net, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  SPECIAL.addSubnet(net, prefix, 'ipv6');
}
const GLOBAL_IPV6 = new BlockList();
GLOBAL_IPV6.addSubnet('2000::', 3, 'ipv6');
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether a connection to this IP address may be made. */
export function isReachable(address: string, reach: Reach): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  if (reach === 'any') return true;
  if (reach === 'loopback') return LOOPBACK.check(address, kind);
  return !SPECIAL.check(address, kind) && (family === 4 || GLOBAL_IPV6.check(address, kind));
}

/** Where a verifier may fetch from, beside the internet. */
export interface Network {
  /** This machine, unencrypted. */
  readonly development: boolean;
  /** Origins inside of the verifier's own network that the person who runs it names. */
  readonly privateOrigins?: readonly string[] | undefined;
}

/** How far a fetch of this URL may reach; `null`: not at all. */
export function reachOf(address: string, { development, privateOrigins = [] }: Network): Reach | null {
  const { protocol, hostname, origin } = new URL(address);
  const host = hostname.replace(/^\[|\]$/g, '');
  if (protocol === 'http:')
    return development && ['localhost', '127.0.0.1', '::1'].includes(host) ? 'loopback' : null;
  if (protocol !== 'https:') return null;
  if (privateOrigins.includes(origin)) return 'any';
  return isIP(host) !== 0 && !isReachable(host, 'public') ? null : 'public';
}

/** What node:http asks for the addresses of a name: all of them are good, or it gets none. */
export function lookupWithin(reach: Reach): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null) return callback(error, '');
      if (first === undefined || !addresses.every(({ address }) => isReachable(address, reach)))
        return callback(new Error('address out of reach'), '');
      return options.all === true ? callback(null, addresses) : callback(null, first.address, first.family);
    });
  };
}
