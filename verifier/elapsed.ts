import { dateOfDays, daysOfDate, type Elapsed } from '@akashi/circuits';

// "At least 18 years ago" as bounds on a date (docs/protocol.md, section 6). Years and months are counted as the Japanese
// Civil Code, article 143, counts them, and most laws with it: they are full on the day with the same number; where the
// month has none, on the first of the month after. So who was born on 29 February is a year older on 1 March of a
// common year.

/** The date that a calendar in this zone shows, as `YYYY-MM-DD`. */
export function dateIn(timeZone: string, now: number): string {
  const format = new Intl.DateTimeFormat('en-u-ca-gregory-nu-latn', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  const parts = new Map(format.formatToParts(now * 1000).map(({ type, value }) => [type, value]));
  return `${parts.get('year')?.padStart(4, '0')}-${parts.get('month')}-${parts.get('day')}`;
}

/** The time that a clock in this zone shows, as `HH:MM`. */
export function timeIn(timeZone: string, now: number): string {
  const format = new Intl.DateTimeFormat('en-u-nu-latn', {
    ...{ timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  } as const);
  return format.format(now * 1000);
}

/** The bounds, both included, of a date from which as much time has passed today. */
export function boundsOfElapsed(
  { unit, atLeast, atMost }: Elapsed,
  today: string,
): { readonly atLeast?: string; readonly atMost?: string } {
  const months = unit === 'years' ? 12 : 1;
  return {
    // "At most 64" is "not yet 65".
    ...(atMost === undefined ? {} : { atLeast: dayAfter(monthsBefore(today, (atMost + 1) * months)) }),
    ...(atLeast === undefined ? {} : { atMost: monthsBefore(today, atLeast * months) }),
  };
}

/** The latest date from which this many months are full today. */
function monthsBefore(today: string, count: number): string {
  const [year = 0, month = 0, day = 0] = today.split('-').map(Number);
  const months = 12 * year + (month - 1) - count;
  const [thenYear, thenMonth] = [Math.floor(months / 12), months % 12];
  // Day 0 of the next month is the last one of this. A later day than the month has was not there to begin on.
  const last = new Date(Date.UTC(thenYear, thenMonth + 1, 0)).getUTCDate();
  return new Date(Date.UTC(thenYear, thenMonth, Math.min(day, last))).toISOString().slice(0, 10);
}

function dayAfter(date: string): string {
  return dateOfDays(daysOfDate(date) + 1);
}
