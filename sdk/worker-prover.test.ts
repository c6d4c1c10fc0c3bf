import type { CircuitInputs, WireProof } from '@akashi/circuits';
import { describe, expect, test } from 'vitest';
import { encodePreparation } from './preparation.ts';
import type { Job, News } from './prover-message.ts';
import { PREPARATION } from './scripted-phone.ts';
import { type ProverWorker, workerProver } from './worker-prover.ts';

const PROOF: WireProof = {
  a: ['1', '2'],
  b: [
    ['3', '4'],
    ['5', '6'],
  ],
  c: ['7', '8'],
};
const INPUTS: CircuitInputs<'pin'> = { challenge: 5n, pinKey: 7n, holderSecret: 9n };

/** A worker whose answers are scripted; messages are cloned, as a real one's are. */
class ScriptedWorker implements ProverWorker {
  onmessage: Worker['onmessage'] = null;
  onerror: Worker['onerror'] = null;
  onmessageerror: Worker['onmessageerror'] = null;
  terminated = false;
  readonly jobs: Job[] = [];
  private readonly script: (job: Job, tell: (news: unknown) => void, worker: ScriptedWorker) => void;

  constructor(script: ScriptedWorker['script']) {
    this.script = script;
  }

  postMessage(message: unknown): void {
    const job = structuredClone(message) as Job;
    this.jobs.push(job);
    queueMicrotask(() => this.script(job, (news) => this.tell(news), this));
  }

  tell(data: unknown): void {
    if (!this.terminated)
      this.onmessage?.call(
        this as unknown as Worker,
        new MessageEvent('message', { data: structuredClone(data) }),
      );
  }

  terminate(): void {
    this.terminated = true;
  }
}

const proves = ({ id }: Job, tell: (news: News) => void) => {
  tell({ kind: 'stage', id, stage: 'loading' });
  tell({ kind: 'stage', id, stage: 'proving' });
  tell({ kind: 'proof', id, proof: PROOF });
};

function setUp(
  script: ConstructorParameters<typeof ScriptedWorker>[0],
  options: Parameters<typeof workerProver>[0] = {},
) {
  const workers: ScriptedWorker[] = [];
  const prover = workerProver({
    ...options,
    startWorker: () => {
      const worker = new ScriptedWorker(script);
      workers.push(worker);
      return worker;
    },
  });
  return { prover, workers };
}

const silent = () => undefined;

describe('a prover in a worker', () => {
  test('hands over the inputs, tells the stages, brings the proof, and uses one worker for all', async () => {
    const { prover, workers } = setUp(proves, { artifactsUrl: 'https://phone.example/a/' });
    const stages: string[] = [];
    expect(await prover.prove('pin', INPUTS, { onProgress: (stage) => stages.push(stage) })).toEqual(PROOF);
    expect(await prover.prove('pin', INPUTS)).toEqual(PROOF);
    expect(stages).toEqual(['loading', 'proving']);
    expect(workers).toHaveLength(1);
    expect(workers[0]?.jobs[0]).toMatchObject({
      fact: 'pin',
      inputs: INPUTS,
      artifactsUrl: 'https://phone.example/a/',
    });
    prover.close();
    expect(workers[0]?.terminated).toBe(true);
  });

  test('starts no worker before there is something to prove', () => {
    expect(setUp(proves).workers).toEqual([]);
  });

  test('proves one after the other', async () => {
    const seen: string[] = [];
    const { prover, workers } = setUp((job, tell) => {
      seen.push(`begins ${job.id}`);
      setTimeout(() => {
        seen.push(`ends ${job.id}`);
        proves(job, tell);
      }, 5);
    });
    await Promise.all([prover.prove('pin', INPUTS), prover.prove('pin', INPUTS)]);
    expect(seen).toEqual(['begins 1', 'ends 1', 'begins 2', 'ends 2']);
    expect(workers).toHaveLength(1);
    prover.close();
  });

  test('that is closed while its code loads starts no worker', async () => {
    const { prover, workers } = setUp(proves);
    const proof = prover.prove('pin', INPUTS);
    prover.close();
    await expect(proof).rejects.toMatchObject({ code: 'aborted' });
    expect(workers).toEqual([]);
  });

  test('ends its worker when the caller stops, and starts a new one for the next proof', async () => {
    const controller = new AbortController();
    let script: typeof proves = () => controller.abort();
    const { prover, workers } = setUp((job, tell) => script(job, tell));
    const stopped = prover.prove('pin', INPUTS, { signal: controller.signal });
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    expect(workers[0]?.terminated).toBe(true);
    script = proves;
    expect(await prover.prove('pin', INPUTS)).toEqual(PROOF);
    expect(workers).toHaveLength(2);
    prover.close();
  });

  test('ends its worker when time is over, when it is closed, and when it has nothing to do', async () => {
    const slow = setUp(silent, { timeoutSeconds: 0.02 });
    await expect(slow.prover.prove('pin', INPUTS)).rejects.toMatchObject({ code: 'timeout' });
    expect(slow.workers[0]?.terminated).toBe(true);

    const closed = setUp(silent);
    const proving = closed.prover.prove('pin', INPUTS);
    setTimeout(() => closed.prover.close(), 5);
    await expect(proving).rejects.toMatchObject({ code: 'aborted' });

    const idle = setUp(proves, { idleSeconds: 0.01 });
    await idle.prover.prove('pin', INPUTS);
    expect(idle.workers[0]?.terminated).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(idle.workers[0]?.terminated).toBe(true);
  });

  const faults: readonly (readonly [string, ConstructorParameters<typeof ScriptedWorker>[0], string])[] = [
    [
      'a fault of the circuit',
      ({ id }, tell) => tell({ kind: 'error', id, code: 'artifact_invalid' }),
      'artifact_invalid',
    ],
    ['a script that does not load', (_job, _tell, worker) => fail(worker), 'artifact_unavailable'],
    ['a message of another shape', (_, tell) => tell({ kind: 'proof', proof: PROOF }), 'proof_failed'],
    [
      'a proof that is none',
      ({ id }, tell) => tell({ kind: 'proof', id, proof: { ...PROOF, a: ['01', '2'] } }),
      'proof_failed',
    ],
    ['a code nobody knows', ({ id }, tell) => tell({ kind: 'error', id, code: 'on_fire' }), 'proof_failed'],
  ];
  test.each(faults)('tells of %s', async (_, script, code) => {
    const { prover, workers } = setUp(script);
    await expect(prover.prove('pin', INPUTS)).rejects.toMatchObject({ code });
    expect(workers[0]?.terminated).toBe(true);
  });

  test('ignores what belongs to another job', async () => {
    const { prover } = setUp((job, tell) => {
      tell({ kind: 'error', id: job.id + 1, code: 'proof_failed' });
      proves(job, tell);
    });
    expect(await prover.prove('pin', INPUTS)).toEqual(PROOF);
    prover.close();
  });
});

describe('preparing in a worker', () => {
  const { challenge: _, ...FIXED } = INPUTS;
  const { a, b } = PREPARATION;
  const text = encodePreparation(PREPARATION);
  const prepares = ({ id }: Job, tell: (news: News) => void) => {
    tell({ kind: 'stage', id, stage: 'proving' });
    tell({ kind: 'parts', id, parts: { a: text.a } });
    tell({ kind: 'preparation', id, preparation: text });
  };

  test('hands over inputs and what is done, brings parts and preparation', async () => {
    const { prover, workers } = setUp(prepares);
    const heard: unknown[] = [];
    const made = await prover.prepare('pin', FIXED, {
      done: { a, b },
      onProgress: (stage) => heard.push(stage),
      onPart: (parts) => heard.push(parts),
    });
    expect(made).toEqual(PREPARATION);
    expect(heard).toEqual(['proving', { a }]);
    expect(workers[0]?.jobs).toMatchObject([
      { kind: 'prepare', fact: 'pin', inputs: FIXED, done: { a: text.a, b: text.b } },
    ]);
    prover.close();
  });

  test('takes its turn with proofs, in one worker', async () => {
    const { prover, workers } = setUp((job, tell) => {
      setTimeout(() => (job.kind === 'prove' ? proves : prepares)(job, tell), 2);
    });
    const both = [prover.prepare('pin', FIXED), prover.prove('pin', INPUTS), prover.prepare('pin', FIXED)];
    await both[0];
    expect(workers[0]?.jobs).toHaveLength(2);
    expect(await Promise.all(both)).toEqual([PREPARATION, PROOF, PREPARATION]);
    expect([workers.length, workers[0]?.jobs.map(({ kind }) => kind)]).toEqual([
      1,
      ['prepare', 'prove', 'prepare'],
    ]);
    prover.close();
  });

  test.each(['stage', 'parts'] as const)('leaves no worker behind when stopped at a %s', async (kind) => {
    const { prover, workers } = setUp(({ id }, tell) => {
      if (kind === 'stage') tell({ kind, id, stage: 'loading' });
      else tell({ kind, id, parts: { a: text.a } });
    });
    const controller = new AbortController();
    const stop = () => controller.abort();
    const { signal } = controller;
    const preparing = prover.prepare('pin', FIXED, { signal, onProgress: stop, onPart: stop });
    await expect(preparing).rejects.toMatchObject({ code: 'aborted' });
    expect(workers.map(({ terminated }) => terminated)).toEqual([true]);
  });

  test.each<[string, (job: Job, tell: (news: unknown) => void) => void]>([
    ['a proof instead', proves],
    [
      'points that are none',
      ({ id }, tell) => tell({ kind: 'preparation', id, preparation: { ...text, c: ['1'] } }),
    ],
    ['a part too few', ({ id }, tell) => tell({ kind: 'preparation', id, preparation: { a: text.a } })],
  ])('takes no answer with %s', async (_, script) => {
    const { prover } = setUp(script);
    await expect(prover.prepare('pin', FIXED)).rejects.toMatchObject({ code: 'proof_failed' });
    prover.close();
  });
});

function fail(worker: ScriptedWorker): void {
  worker.onerror?.call(worker as unknown as Worker, new Event('error') as ErrorEvent);
}
