import { expect, test } from 'vitest';
import { isReachable, lookupWithin } from './network.ts';

// Addresses by RFC 6890 and the registries that it made.
const PRIVATE = [
  ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1'],
  ...[
    '172.31.255.255',
    '192.0.0.1',
    '192.168.1.1',
    '198.18.0.1',
    '198.19.255.255',
    '224.0.0.1',
    '255.255.255.255',
  ],
  ...[
    '::',
    '::1',
    '::ffff:10.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::a00:1',
    'fc00::1',
    'fd12::1',
    'fe80::1',
    'ff02::1',
  ],
  ...['2001::1', '2001:db8::1', '2002:a00:1::1', '3fff::1'],
];
const PUBLIC = [
  ...[
    '8.8.8.8',
    '1.1.1.1',
    '100.63.255.255',
    '100.128.0.1',
    '172.15.255.255',
    '172.32.0.1',
    '192.167.255.255',
  ],
  ...['169.253.1.1', '223.255.255.255', '2606:4700:4700::1111', '2a00:1450::1', '2400:cb00::1'],
];

test.each(PRIVATE)('%s is no public address', (address) => {
  expect(isReachable(address, 'public')).toBe(false);
  expect(isReachable(address, 'any')).toBe(true);
});

test.each(PUBLIC)('%s is a public address', (address) => {
  expect(isReachable(address, 'public')).toBe(true);
  expect(isReachable(address, 'loopback')).toBe(false);
});

test.each(['127.0.0.1', '127.9.9.9', '::1'])('%s is this machine', (address) => {
  expect(isReachable(address, 'loopback')).toBe(true);
});

test.each(['localhost', '', '127.1', '0x7f.0.0.1', '1.2.3.4.5', '2130706433'])(
  '%j is no address',
  (address) => {
    for (const reach of ['public', 'any', 'loopback'] as const)
      expect(isReachable(address, reach)).toBe(false);
  },
);

const resolved = (reach: Parameters<typeof lookupWithin>[0], all: boolean) =>
  new Promise((resolve) => {
    lookupWithin(reach)('localhost', { all }, (error, address) => resolve(error?.message ?? address));
  });

test('a name that resolves to an address out of reach has no address at all', async () => {
  expect(await resolved('public', true)).toBe('address out of reach');
  expect(await resolved('public', false)).toBe('address out of reach');
  expect(await resolved('loopback', false)).toMatch(/^(?:127\.0\.0\.1|::1)$/);
  expect(await resolved('any', true)).toContainEqual({
    address: expect.stringMatching(/^(?:127\.0\.0\.1|::1)$/),
    family: expect.any(Number),
  });
});
