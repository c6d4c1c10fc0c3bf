/** What tells keys of one curve apart. */
interface Point {
  readonly x: string;
  readonly y: string;
}

/** Callers choose their keys: what is remembered of them is bounded. */
const REMEMBERED_MAX = 4096;

/**
 * What `make` gives for a key, made once while the key is among the last 4096 new ones. To import one takes as long as to
 * check a signature, and devices, issuers and verifiers come back. What fails is not remembered.
 */
export function remembered<Key extends Point, T>(make: (jwk: Key) => Promise<T>): (jwk: Key) => Promise<T> {
  const made = new Map<string, Promise<T>>();
  return (jwk) => {
    const name = `${jwk.x}.${jwk.y}`;
    const known = made.get(name);
    if (known !== undefined) return known;
    const value = make(jwk);
    value.catch(() => made.delete(name));
    const [oldest] = made.keys();
    if (oldest !== undefined && made.size >= REMEMBERED_MAX) made.delete(oldest);
    made.set(name, value);
    return value;
  };
}
