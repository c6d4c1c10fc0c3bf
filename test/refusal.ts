import { AkashiError } from '@akashi/circuits';

/** The error with which a piece of work is refused. @throws Error when it is not, or by anything else */
export async function refusal(work: Promise<unknown>): Promise<AkashiError> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof AkashiError)) throw new Error('it was not refused', { cause: outcome });
  return outcome;
}
