/** Stand-ins for the outside, for the tests of an engine in node. */

import { EngineError, HttpError } from './errors.js';
import { TYPES } from './fields.js';

/** One mount, with all of the outside in memory. */
export class TestHost {
  /** Entries by key. @type {Map<string, {key: string, value: Uint8Array, sealWrap: boolean}>} */
  entries = new Map();
  /** What was logged: `[level, message, fields]`. */
  lines = [];
  /** What was counted: `[name, labels]`. */
  counted = [];
  /** All HTTP requests so far. */
  requests = [];
  /** Seconds since 1970; a test may move the clock. */
  time = 1767225600;
  /** If set, each storage call fails with this text. */
  storageFailure = undefined;
  /** Answers HTTP requests: `(request) => ({ status, body })`, or throws an `HttpError`. */
  answer = () => {
    throw new HttpError('not-sent', 'this test has no HTTP answer');
  };
  #random = 0;

  storage = {
    get: (key) => this.#stored(() => this.entries.get(key)),
    getMany: (keys) => keys.map((key) => this.storage.get(key)),
    getJson: (key) => {
      const entry = this.storage.get(key);
      return entry && JSON.parse(new TextDecoder().decode(entry.value));
    },
    put: (entry) => this.#stored(() => void this.entries.set(entry.key, { ...entry })),
    putJson: (key, value, { sealWrap = false } = {}) =>
      this.storage.put({ key, value: new TextEncoder().encode(JSON.stringify(value)), sealWrap }),
    delete: (key) => this.#stored(() => void this.entries.delete(key)),
    list: (prefix) => this.storage.listPage(prefix, '', Infinity),
    listPage: (prefix, after, limit) =>
      this.#stored(() => {
        const below = [...this.entries.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
        const names = new Set(below.map((rest) => rest.replace(/\/.*/s, '/')));
        return [...names].filter((name) => name > after).sort().slice(0, limit);
      }),
    // As Vault, which has no transactions.
    begin: () => undefined,
  };
  systemView = {
    backendUuid: () => '11111111-2222-4333-8444-555555555555',
    isUpstreamReadOnly: () => false,
    isTainted: () => false,
    defaultLeaseTtl: () => 2764800,
    maxLeaseTtl: () => 2764800,
    entityName: () => undefined,
    generatePassword: () => `password-${this.#random++}`,
  };
  clock = { now: () => this.time, sleep: (seconds) => void (this.time += seconds) };
  http = {
    checkOrigin: () => {},
    send: (request) => {
      this.requests.push(request);
      const { status, body = '' } = this.answer(request);
      return { status, json: () => JSON.parse(body) };
    },
  };

  withLock(_key, work) {
    return work();
  }
  /** Bytes that are the same in each run. */
  random(count) {
    return Uint8Array.from({ length: count }, () => this.#random++ & 255);
  }
  log(level, message, fields = {}) {
    this.lines.push([level, message, fields]);
  }
  count(name, _description, labels = {}) {
    this.counted.push([name, labels]);
  }

  #stored(work) {
    if (this.storageFailure) throw new EngineError('plain', this.storageFailure);
    return work();
  }
}

/** A request as the server sends it. */
export const request = (operation, path, data = {}, lease = undefined) => ({
  id: '00000000-0000-4000-8000-000000000001',
  operation,
  path,
  data,
  mountPoint: 'test/',
  identity: { displayName: 'userpass-alice', entityId: '', tokenAccessor: '', remoteAddress: '127.0.0.1' },
  lease,
});

/** A renew or revoke of a secret that a response had. */
export const leaseRequest = (operation, secret) =>
  request(operation, '', {}, { id: '', issueTime: 0, increment: 0, ...secret });

/** What is wrong in the table of an engine: an empty list if all is well. */
export function checkTable(backend) {
  const problems = [];
  const check = (holds, problem) => holds || problems.push(problem);
  check(/^[a-z][a-z0-9_-]*$/.test(backend.name), `the name \`${backend.name}\` is no name of an engine`);
  check(/^\d+\.\d+\.\d+/.test(backend.version), `the version \`${backend.version}\` is no semantic version`);
  for (const { pattern, fields = [], operations, existenceCheck, synopsis } of backend.paths) {
    check(synopsis, `${pattern}: it has no synopsis`);
    for (const segment of pattern.split('/').filter((segment) => segment.startsWith(':'))) {
      check(fields.some((field) => `:${field.name}` === segment), `${pattern}: ${segment} is no field`);
    }
    for (const field of fields) check(TYPES[field.type], `${pattern}: the type of \`${field.name}\` is unknown`);
    for (const [name, { handler, summary }] of Object.entries(operations)) {
      check(typeof handler === 'function' && summary, `${pattern}: ${name} needs a handler and a summary`);
    }
    check(!operations.create || existenceCheck, `${pattern}: a create needs an existence check`);
  }
  for (const { kind, revoke } of backend.secrets) check(kind && revoke, `the secret kind \`${kind}\` cannot be revoked`);
  return problems;
}
