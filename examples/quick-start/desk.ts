import { openAgent } from '@akashi/sdk/agent';

type Speak = (code: string) => void;

export async function verify(verifier: string, signIn: string, subject: string, speak: Speak) {
  const desk = openAgent({ verifier });
  await desk.signIn(signIn);
  const about = { subject, policy: 'caller', purpose: 'card-block' };
  const started = await desk.start({ ...about, mode: 'call', call: { direction: 'inbound' } });
  speak(started.code ?? '');
  const { verdict, factors } = await desk.wait(started.verification);
  return { verdict, factors };
}
