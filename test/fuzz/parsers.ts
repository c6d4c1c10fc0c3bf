import * as circuits from '@akashi/circuits';
import fc from 'fast-check';
import * as v from 'valibot';
import { issuedClaimsShape } from '../../sdk/claims.ts';
import { answerError, readAnswer } from '../../sdk/connection.ts';
import { parseEnrolmentLink } from '../../sdk/enrolment-link.ts';
import { readEvents } from '../../sdk/event-stream.ts';
import { checkEvidence } from '../../sdk/evidence.ts';
import { holderRecordShape, parseStored, wrappedRecordShape } from '../../sdk/holder-record.ts';
import { issuedAccountsShape } from '../../sdk/issued-accounts.ts';
import { parseNewPin } from '../../sdk/new-pin.ts';
import { partsShape, preparationShape } from '../../sdk/preparation.ts';
import { jobShape, newsShape } from '../../sdk/prover-message.ts';
import { checkReceipt } from '../../sdk/receipt.ts';
import { checkRequest } from '../../sdk/request.ts';
import { keptDeviceShape, sealedRecordShape } from '../../sdk/storage.ts';
import { refusesOnly, type Target } from './fuzz.ts';
import { openSigner, type SpoiledJws, spoiledJwsOf } from './jws.ts';
import { brokenTexts } from './spoils.ts';
import { jsonOf, spoiledValuesOf, valuesOf } from './values.ts';

// Every parser of circuits and of the SDK: each shape that is exported, and each function that takes in what came from
// outside. That none is left out is held by fuzz.test.ts.

const {
  claimDefinition,
  claimsSchema,
  credentialShape,
  evidenceShape,
  keyStatementShape,
  presentationShape,
  proofShape,
  receiptShape,
  requestShape,
} = circuits;

/** Names of exported functions that read what came from outside. */
export const READS =
  /^(?:parse[A-Z]|decode|verify|unverified|require|encode(?!Base64url|ProvingKey)|policyFaults|daysOf|decimalAmount|minorDigits|schemaSignal|signalsFromArray|statusAt|thumbprint|isCurrency|isErrorCode|isFactId)/;

/** `statusListShape` is the one shape that stays inside its file. */
const statusList = v.object({
  sub: circuits.remoteUrl,
  iat: circuits.time,
  exp: circuits.time,
  ttl: circuits.time,
  status_list: v.object({ bits: v.picklist([1, 2, 4, 8]), lst: circuits.base64url32 }),
});

const text = brokenTexts(
  fc.constantFrom(
    ...[
      '0',
      '7',
      '123456',
      '１２３４５６',
      '12 34 56',
      '2024-02-29',
      '1900-02-29',
      'JPY',
      'KWD',
      'AAAA',
      'AA',
    ],
  ),
);
const anything = spoiledValuesOf(v.unknown());
const bytes = fc.uint8Array({ maxLength: 64 });
const definition = valuesOf(claimDefinition) as fc.Arbitrary<circuits.ClaimDefinition>;

export function shapes(): readonly (readonly [name: string, shape: v.GenericSchema])[] {
  const sdk = {
    ...{ holderRecordShape, wrappedRecordShape, issuedClaimsShape, issuedAccountsShape, preparationShape },
    ...{ partsShape, jobShape, newsShape, keptDeviceShape, sealedRecordShape },
  };
  return Object.entries({ ...circuits, ...sdk }).flatMap(([name, value]) =>
    isShape(value) ? [[name, value] as const] : [],
  );
}

function isShape(value: unknown): value is v.GenericSchema {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'schema';
}

const taking = <T>(
  inputs: fc.Arbitrary<T>,
  read: (input: T) => unknown,
  ...refusals: readonly string[]
): Omit<Target, 'name'> => ({ inputs, run: (input) => refusesOnly(() => read(input as T), refusals) });

/** By name of the function. What is allowed besides a result stands at the end. */
async function functions(): Promise<Readonly<Record<string, Omit<Target, 'name'>>>> {
  const jws = await openSigner();
  const { key, keys, root } = jws;
  const findKey = (kid: string) => (kid === key.kid ? key.jwk : undefined);
  const signed = (kind: circuits.JwsKind, shape: v.GenericSchema) =>
    spoiledJwsOf(circuits.JWS_TYPES[kind], key.kid, shape) as fc.Arbitrary<SpoiledJws>;
  const device = { record: { tenant: { id: 'bank' } }, thumbprint: key.kid } as Parameters<
    typeof checkRequest
  >[1];
  const connection = {
    origin: 'https://verifier.example',
    verify: (kind: circuits.JwsKind, text: string) => circuits.verifyJws(kind, text, findKey),
  };
  const from = { verifier: connection.origin, tenant: 'bank', keys };
  const dpop = { method: 'POST', url: `${connection.origin}/v1/devices`, body: new Uint8Array() } as const;
  return {
    parseCode: taking(text, circuits.parseCode, 'malformed'),
    parsePin: taking(text, circuits.parsePin, 'malformed'),
    parseDigits: taking(text, (input) => circuits.parseDigits(input, 1, 40), 'malformed'),
    parseField: taking(anything, circuits.parseField, 'malformed'),
    parseCoordinate: taking(anything, circuits.parseCoordinate, 'malformed'),
    parseCredential: taking(spoiledValuesOf(credentialShape), circuits.parseCredential, 'malformed'),
    parseEvidence: taking(spoiledValuesOf(evidenceShape), circuits.parseEvidence, 'malformed'),
    parseKeyStatement: taking(spoiledValuesOf(keyStatementShape), circuits.parseKeyStatement, 'malformed'),
    parsePresentation: taking(spoiledValuesOf(presentationShape), circuits.parsePresentation, 'malformed'),
    parseProof: taking(spoiledValuesOf(proofShape), circuits.parseProof, 'malformed'),
    parseReceipt: taking(spoiledValuesOf(receiptShape), circuits.parseReceipt, 'malformed'),
    parseRequest: taking(spoiledValuesOf(requestShape), circuits.parseRequest, 'malformed'),
    parseStatusList: taking(spoiledValuesOf(statusList), circuits.parseStatusList, 'malformed'),
    decodeBase64url: taking(text, circuits.decodeBase64url, 'malformed'),
    decodeProvingKey: taking(provingKeys, circuits.decodeProvingKey, 'artifact_invalid'),
    requireText: taking(text, circuits.requireText, 'malformed'),
    requireValues: taking(
      fc.tuple(definition, fc.array(text, { maxLength: 9 })),
      ([one, values]) => circuits.requireValues(one, values),
      'malformed',
    ),
    encodeClaim: taking(
      fc.tuple(definition, text),
      ([one, value]) => circuits.encodeClaim(one, value),
      'malformed',
    ),
    encodeNumber: taking(
      fc.tuple(definition, text),
      ([one, value]) => (one.type === 'text' ? undefined : circuits.encodeNumber(one, value)),
      'malformed',
    ),
    encodeBounds: taking(
      fc.tuple(definition, text, text),
      ([one, atLeast, atMost]) =>
        one.type === 'text' || one.type === 'enumeration'
          ? undefined
          : circuits.encodeBounds(one, { atLeast, atMost }),
      'malformed',
    ),
    encodeValues: taking(
      fc.tuple(definition, fc.array(text, { maxLength: 9 })),
      ([one, values]) => circuits.encodeValues(one, values),
      'malformed',
    ),
    encodeClaims: taking(
      fc.tuple(
        valuesOf(claimsSchema) as fc.Arbitrary<circuits.ClaimsSchema>,
        fc.dictionary(text, text, { maxKeys: 4 }),
      ),
      ([schema, values]) => circuits.encodeClaims(schema, values),
      'malformed',
    ),
    schemaSignal: taking(
      spoiledValuesOf(claimsSchema),
      (input) => circuits.schemaSignal(input as circuits.ClaimsSchema),
      'malformed',
    ),
    policyFaults: taking(spoiledValuesOf(circuits.policyBody), circuits.policyFaults),
    daysOfDate: taking(text, circuits.daysOfDate, 'malformed'),
    decimalAmount: taking(
      fc.tuple(text, text),
      ([amount, currency]) => circuits.decimalAmount(amount, currency),
      'TypeError',
    ),
    minorDigits: taking(text, circuits.minorDigits, 'TypeError'),
    signalsFromArray: taking(
      fc.array(fc.bigInt(), { maxLength: 9 }),
      (values) => circuits.signalsFromArray('range', values),
      'malformed',
    ),
    statusAt: taking(fc.tuple(bytes, fc.constantFrom(1, 2, 4, 8), fc.maxSafeInteger()), ([list, bits, at]) =>
      circuits.statusAt(list, bits as 1, at),
    ),
    isCurrency: taking(text, circuits.isCurrency),
    isErrorCode: taking(anything, circuits.isErrorCode),
    isFactId: taking(anything, circuits.isFactId),
    thumbprint: taking(valuesOf(circuits.publicJwkShape), (jwk) =>
      circuits.thumbprint(jwk as circuits.PublicJwk),
    ),
    unverifiedJws: taking(
      signed('request', requestShape),
      async (one) => circuits.unverifiedJws(await jws.sign(one)),
      'malformed',
    ),
    verifyJws: taking(
      signed('receipt', receiptShape),
      async (one) => circuits.verifyJws('receipt', await jws.sign(one), findKey),
      'signature_invalid',
    ),
    verifyKeyStatement: taking(
      signed('keys', keyStatementShape),
      async (one) => circuits.verifyKeyStatement(await jws.sign({ ...one, rooted: true }), root),
      'key_statement_invalid',
    ),
    verifyDpop: taking(
      spoiledJwsOf('dpop+jwt', key.kid, dpopClaims),
      async (one) => circuits.verifyDpop(await jws.sign({ ...one, rooted: true }), dpop),
      'unauthorized',
    ),
    // Of the SDK.
    parseNewPin: taking(text, parseNewPin, 'pin_weak'),
    parseEnrolmentLink: taking(
      brokenTexts(fc.constant(`https://x.example/#enrol=${'A'.repeat(22)}.${'A'.repeat(43)}`)),
      parseEnrolmentLink,
      'malformed',
    ),
    parseStored: taking(
      spoiledValuesOf(holderRecordShape),
      (input) => parseStored(holderRecordShape, input),
      'storage_unavailable',
    ),
    readAnswer: taking(
      answers,
      (answer) => readAnswer(answer, circuits.verificationShape),
      ...circuits.ERROR_CODES,
    ),
    answerError: taking(answers, (answer) => answerError({ ...answer, status: 500 })),
    readEvents: taking(streams, drain, 'RangeError'),
    checkReceipt: taking(
      signed('receipt', receiptShape),
      async (one) => checkReceipt(await jws.sign(one), keys, { ...from, subject: 'customer-1', now: 5 }),
      'receipt_invalid',
    ),
    checkEvidence: taking(
      signed('evidence', evidenceShape),
      async (one) =>
        checkEvidence({ evidence: await jws.sign(one) }, { verification: 'x', transaction: null }, from),
      'evidence_invalid',
    ),
    checkRequest: taking(
      signed('request', requestShape),
      async (one) => checkRequest(connection, device, { verification: 'x', jws: await jws.sign(one) }),
      'signature_invalid',
      'request_invalid',
    ),
  };
}

export async function parserTargets(): Promise<readonly Target[]> {
  const parsed = shapes().map(([name, shape]) => ({
    name,
    ...taking(spoiledValuesOf(shape), (input) => circuits.parse(shape, input), 'malformed'),
  }));
  const read = Object.entries(await functions()).map(([name, target]) => ({ name, ...target }));
  return [...parsed, ...read];
}

const dpopClaims = v.strictObject({
  jti: circuits.base64url16,
  htm: v.picklist(['GET', 'POST']),
  htu: v.literal('https://verifier.example/v1/devices'),
  iat: circuits.time,
  bh: v.literal('47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU'),
  nonce: v.optional(circuits.base64url32),
});

const answers = fc.record({
  status: fc.constantFrom(200, 201, 204, 304, 400, 404, 429, 500, 503),
  headers: fc
    .constantFrom('3', '-1', '1e9', 'Wed, 21 Oct 2026 07:28:00 GMT')
    .map((wait) => new Headers({ 'Retry-After': wait })),
  body: jsonOf(v.union([circuits.verificationShape, circuits.problemShape])).map((json) =>
    new TextDecoder().decode(json),
  ),
}) as fc.Arbitrary<Parameters<typeof answerError>[0]>;

const streams = fc.array(
  fc.oneof(
    fc
      .constantFrom(
        'event: verification\n',
        'data: {}\n',
        '\n',
        '\r',
        '\r\n',
        ':\n',
        'data\n',
        'retry: 5\n',
        '\u0000',
        '\ufeff',
      )
      .map((part) => Buffer.from(part)),
    fc.constantFrom(Buffer.alloc(40_000, 0x61), Buffer.from([0xff, 0xc0]), Buffer.from('あ').subarray(0, 2)),
    bytes,
  ),
  { maxLength: 8 },
);

async function drain(chunks: readonly Uint8Array[]): Promise<void> {
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  for await (const _ of readEvents(stream));
}

const point = new Uint8Array(64);
const SMALL_KEY = circuits.encodeProvingKey({
  ...{ publicSignals: 2, logDomain: 1, alpha: point, h: new Uint8Array(128) },
  ...{ wires: new Int16Array(3), left: new Int16Array(2), right: new Int16Array(2) },
  ...{ beta: new Uint8Array(128), delta: new Uint8Array(128) },
  a: { wires: new Uint16Array(1), points: point },
  b: { wires: new Uint16Array(1), points: new Uint8Array(128) },
  c: { wires: new Uint16Array(1), points: point },
});

/** A key with counts that are not so, or other bytes. */
const provingKeys = fc
  .array(fc.tuple(fc.nat(60), fc.constantFrom(0, 1, 2, 255, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1)), {
    maxLength: 3,
  })
  .chain((changes) =>
    fc.nat(SMALL_KEY.length).map((end) => {
      const key = SMALL_KEY.slice(0, end % 3 === 0 ? end : SMALL_KEY.length);
      const view = new DataView(key.buffer);
      for (const [at, value] of changes) if (at + 4 <= key.length) view.setUint32(at, value, true);
      return key;
    }),
  );
