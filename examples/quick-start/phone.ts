import { type CheckedRequest, type Exchange, type HolderOptions, openHolder } from '@akashi/sdk/holder';
import type { Screen } from './screen.ts';

export async function answer(options: HolderOptions, link: string, exchange: Exchange, screen: Screen) {
  const holder = await openHolder(options);
  if (holder.enrolled === null) await holder.enrol({ link, pin: await screen.newPin(), exchange });
  let request: CheckedRequest | undefined;
  while (request === undefined) [request] = await holder.requests({ wait: 30 });
  if (!(await screen.agreesTo(request))) return holder.decline(request.id);
  await holder.accept(request.id);
  return holder.present(request.id, await screen.codeAndPin());
}
