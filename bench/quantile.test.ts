import { expect, test } from 'vitest';
import { median, quantile, rounded, spreadOf } from './quantile.ts';

const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);

test('a quantile is the measured value of nearest rank, whatever the order of the runs', () => {
  expect(quantile(hundred, 0.5)).toBe(50);
  expect(quantile(hundred, 0.95)).toBe(95);
  expect(quantile(hundred, 0.99)).toBe(99);
  expect(quantile(hundred, 1)).toBe(100);
  expect(median([3, 1, 2])).toBe(2);
  expect(median([7])).toBe(7);
});

test('one slow run in twenty shows in the 99th percentile and not in the median', () => {
  const values = [...Array.from({ length: 19 }, () => 1), 900];
  expect(spreadOf(values)).toEqual({ runs: 20, p50: 1, p95: 1, p99: 900 });
});

test('the runs are sorted as numbers, and are left as they were', () => {
  const values = [10, 9, 100];
  expect(quantile(values, 1)).toBe(100);
  expect(values).toEqual([10, 9, 100]);
});

test.each([[0], [-1], [1.01], [Number.NaN]])('%s is no share', (q) => {
  expect(() => quantile([1], q)).toThrow(TypeError);
});

test('no run gives no figure', () => {
  expect(() => spreadOf([])).toThrow('nothing was measured');
});

test('figures are kept to hundredths', () => {
  expect(rounded(1.23456)).toBe(1.23);
});
