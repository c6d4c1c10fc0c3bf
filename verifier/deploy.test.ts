import { access, readdir, readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments, parse as parseYaml } from 'yaml';
import { createMetrics } from './metrics.ts';

// What cannot be run here is read as what will run it reads it, and held to what it must not lack.

const FOLDER = new URL('deploy/', import.meta.url);
const ROOT = new URL('../', import.meta.url);
const text = (name: string) => readFile(new URL(name, FOLDER), 'utf8');

/** Variables that the verifier knows, from its own help. */
let variables: Set<string>;
let metricNames: Set<string>;

beforeAll(async () => {
  const help = await readFile(new URL('command-line.ts', import.meta.url), 'utf8');
  variables = new Set(help.match(/AKASHI_[A-Z_]+/g));
  const metrics = createMetrics();
  const zero = () => 0;
  metrics.watch({ calls: zero, readers: zero, presentations: zero, proofs: zero, signingKeyEnd: zero });
  const exposed = await metrics.text();
  metricNames = new Set(
    [...exposed.matchAll(/^# TYPE (akashi_\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name],
    ),
  );
});

function unknownMetrics(source: string): string[] {
  return [...new Set(source.match(/akashi_[a-z0-9_]+/g))].filter((name) => !metricNames.has(name));
}

test('the dashboard and the alerts ask for metrics that there are', async () => {
  const dashboard = JSON.parse(await text('dashboard.json')) as {
    panels: { id: number; targets: { expr: string }[] }[];
  };
  const asked = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  expect(asked.length).toBeGreaterThan(15);
  expect(asked.flatMap(unknownMetrics)).toEqual([]);
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  expect(unknownMetrics(await text('alerts.yaml'))).toEqual([]);
  expect(unknownMetrics('rate(akashi_no_such_total[5m])')).toEqual(['akashi_no_such_total']);
});

test('the runbook says what to do about each alert', async () => {
  const { groups } = parseYaml(await text('alerts.yaml')) as {
    groups: { rules: { alert: string; expr: string; labels: { severity: string } }[] }[];
  };
  const rules = groups.flatMap(({ rules }) => rules);
  const runbook = await readFile(new URL('docs/runbook.md', ROOT), 'utf8');
  for (const { alert, labels } of rules) {
    expect(runbook).toContain(`**${alert}**`);
    expect(['page', 'ticket']).toContain(labels.severity);
  }
});

test('the image is built from what there is, and runs as nobody in particular', async () => {
  const lines = (await text('Dockerfile'))
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const copied = lines
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
    .flatMap((line) => line.split(/\s+/).slice(1, -1));
  for (const source of copied) await access(new URL(source, ROOT));
  const stages = lines.filter((line) => line.startsWith('FROM '));
  expect(stages).toHaveLength(2);
  for (const stage of stages) expect(stage).toMatch(/^FROM \S+:\S*[a-z0-9]\S*( AS build)?$/);
  const last = lines.slice(lines.lastIndexOf(stages[1] ?? ''));
  expect(last).toContain('USER nonroot');
  expect(last.filter((line) => line.startsWith('RUN '))).toEqual([]);
  expect(last.find((line) => line.startsWith('ENTRYPOINT '))).toContain('@akashi/verifier/dist/main.js');
});

interface Container {
  readonly image: string;
  readonly args: string[];
  readonly env: { readonly name: string }[];
  readonly ports?: { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: unknown;
}

interface Template {
  readonly spec: { readonly securityContext: Record<string, unknown>; readonly containers: Container[] };
}

describe('Kubernetes', () => {
  const manifests: {
    kind: string;
    apiVersion: string;
    metadata: { name: string };
    spec: Record<string, unknown>;
  }[] = [];
  beforeAll(async () => {
    for (const name of await readdir(new URL('kubernetes/', FOLDER))) {
      const documents = parseAllDocuments(await text(`kubernetes/${name}`), { strict: true });
      for (const document of documents) {
        expect(document.errors).toEqual([]);
        manifests.push(document.toJS() as (typeof manifests)[number]);
      }
    }
  });

  const podOf = (kind: string) => {
    const found = manifests.find((manifest) => manifest.kind === kind);
    const template = found?.spec.template as Template | undefined;
    if (template === undefined) throw new TypeError(`no ${kind}`);
    return template.spec;
  };

  test.each(['Deployment', 'Job'])('%s: no root, no privileges, nothing to write to', (kind) => {
    const { securityContext, containers } = podOf(kind);
    expect(securityContext.runAsNonRoot).toBe(true);
    for (const container of containers) {
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      for (const { name } of container.env) expect(variables).toContain(name);
    }
  });

  test('the verifiers are asked for their health where they answer', () => {
    const [container] = podOf('Deployment').containers;
    const probes = JSON.stringify(container);
    expect(probes).toContain('"readinessProbe":{"httpGet":{"path":"/v1/health","port":"http"}');
    expect(probes).toContain('"livenessProbe":{"httpGet":{"path":"/v1/health/live","port":"http"}');
    expect(container?.ports?.map(({ name }) => name)).toEqual(['http', 'metrics']);
    expect(manifests.map(({ kind }) => kind).sort()).toEqual([
      'Deployment',
      'Job',
      'NetworkPolicy',
      'PodDisruptionBudget',
      'Service',
    ]);
  });
});

test('compose: verifier and tables by the owner’s and the verifier’s role, hardened, reached through a proxy only', async () => {
  const compose = parseYaml(await text('compose.yaml'), { merge: true }) as {
    services: Record<string, Record<string, unknown>>;
  };
  expect(Object.keys(compose.services)).toEqual(['postgres', 'migrate', 'verifier']);
  for (const name of ['migrate', 'verifier']) {
    const service = compose.services[name];
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], image: 'akashi' });
  }
  expect(compose.services.verifier?.ports).toEqual(['127.0.0.1:4300:4300']);
  await access(new URL('postgres-role.sh', FOLDER));
});

test('the unit and the image name variables that the verifier knows', async () => {
  for (const name of ['akashi.service', 'Dockerfile', 'compose.yaml']) {
    for (const variable of (await text(name)).match(/AKASHI_[A-Z_]+/g) ?? []) {
      expect(variables).toContain(variable);
    }
  }
});
