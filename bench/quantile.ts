/** How a measured time is spread: milliseconds. */
export interface Spread {
  readonly runs: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/**
 * The smallest of `values` that at least the share `q` of them does not exceed (nearest rank): always a value that
 * was measured, never one made up between two.
 * @param q above 0, at most 1
 */
export function quantile(values: readonly number[], q: number): number {
  if (!(q > 0 && q <= 1)) throw new TypeError('a share is above 0 and at most 1');
  const value = [...values].sort((a, b) => a - b)[Math.ceil(q * values.length) - 1];
  if (value === undefined) throw new TypeError('nothing was measured');
  return value;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function spreadOf(values: readonly number[]): Spread {
  return {
    runs: values.length,
    p50: rounded(quantile(values, 0.5)),
    p95: rounded(quantile(values, 0.95)),
    p99: rounded(quantile(values, 0.99)),
  };
}

/** Hundredths: a digit more would be noise. */
export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
