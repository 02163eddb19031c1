/** The engine as the exports of a component, and the host over the imports. Only a component can load this file. */

import * as locks from 'secrets-engine:host/locks@0.1.0';
import * as logging from 'secrets-engine:host/logging@0.1.0';
import * as stored from 'secrets-engine:host/storage@0.1.0';
import * as systemView from 'secrets-engine:host/system-view@0.1.0';
import * as counters from 'secrets-engine:metrics/counters@0.2.0';
import * as monotonicClock from 'wasi:clocks/monotonic-clock@0.2.12';
import * as wallClock from 'wasi:clocks/wall-clock@0.2.12';
import { getRandomBytes } from 'wasi:random/random@0.2.12';

import { EngineError, coded, internal, storageError } from './errors.js';

// componentize-js 0.23 writes no class for a resource without methods, but its code for `acquire` uses one. That code has a global
// object of its own, which its functions can reach. A handle of such a resource cannot be dropped either.
locks.acquire.constructor('return globalThis')().import_locks_0_1_0$Guard = class Guard {};

/** The keys whose locks this request holds, until its end. */
const held = new Set();

/** Calls an import; what it fails with becomes an error for the client. */
function call(work, failed) {
  try {
    return work();
  } catch (error) {
    throw Object.hasOwn(error, 'payload') ? failed(error.payload) : error;
  }
}

/** The calls that storage and a transaction have in common. */
const view = (target) => ({
  /** @returns {{key: string, value: Uint8Array, sealWrap: boolean}|undefined} */
  get: (key) => call(() => target.get(key), storageError),
  /** The value of an entry that holds JSON; undefined if there is no such entry. */
  getJson(key) {
    const entry = call(() => target.get(key), storageError);
    if (!entry) return undefined;
    try {
      return JSON.parse(new TextDecoder().decode(entry.value));
    } catch {
      throw internal(`the entry \`${key}\` is damaged: write it again`);
    }
  },
  put: (entry) => call(() => target.put(entry), storageError),
  /** Stores a value as JSON; with `sealWrap` the server's seal encrypts the entry a second time. */
  putJson(key, value, { sealWrap = false } = {}) {
    const entry = { key, value: new TextEncoder().encode(JSON.stringify(value)), sealWrap };
    call(() => target.put(entry), storageError);
  },
  delete: (key) => call(() => target.delete(key), storageError),
  /** The names of the direct children of a prefix, which ends in a slash. @returns {string[]} */
  list: (prefix) => call(() => target.list(prefix), storageError),
  listPage: (prefix, after, limit) => call(() => target.listPage(prefix, after, limit), storageError),
});

/** A question to the server, by a function of the interface. */
const asked = (name, work) =>
  call(work, (error) => internal(error.tag === 'failed' ? error.val : `the server does not offer \`${name}\``));

/** What an engine reaches of the outside. @typedef {typeof HOST & {http?: typeof import('./http.js').http}} Host */
const HOST = {
  storage: {
    ...view(stored),
    getMany: (keys) => call(() => stored.getMany(keys), storageError),
    /** Reads and writes that happen together, at `commit`; undefined if the server has no transactions, as Vault. */
    begin() {
      const transaction = call(() => stored.begin(), storageError);
      return transaction && { ...view(transaction), commit: () => call(() => transaction.commit(), storageError) };
    },
  },
  /** Does work while no other request to the mount holds the lock on this key. The request holds the lock until its end. */
  withLock(key, work) {
    const busy = () => coded(503, `another request works on \`${key}\`: try again in a few seconds`);
    if (!held.has(key)) {
      call(() => locks.acquire(key), (error) => (error.tag === 'limit' ? internal(error.val) : busy()));
      held.add(key);
    }
    return work();
  },
  systemView: {
    /** Identifies the mount for as long as it exists. */
    backendUuid: () => systemView.backendUuid(),
    /** Does the host refuse each request to the upstream but GET and HEAD? */
    isUpstreamReadOnly: () => systemView.mountOptions().some(([name, value]) => name === 'upstream' && value === 'read-only'),
    isTainted: () => asked('tainted', () => systemView.tainted()),
    defaultLeaseTtl: () => seconds(asked('default-lease-ttl', () => systemView.defaultLeaseTtl())),
    maxLeaseTtl: () => seconds(asked('max-lease-ttl', () => systemView.maxLeaseTtl())),
    entityName: (id) => asked('entity-info', () => systemView.entityInfo(id))?.name,
    /** A password by one of the server's password policies. */
    generatePassword: (policy) => asked('generate-password', () => systemView.generatePassword(policy)),
  },
  clock: {
    /** Seconds since 1970. */
    now: () => Number(wallClock.now().seconds),
    sleep: (time) => monotonicClock.subscribeDuration(nanos(time)).block(),
  },
  /** Secure random bytes: at most 1,024. @returns {Uint8Array} */
  random: (count) => getRandomBytes(BigInt(count)),
  /** Writes one line of the log. Neither the message nor a field may contain a secret. */
  log: (level, message, fields = {}) => logging.log(level, message, texts(fields)),
  /** Adds one to a counter of the mount. A label has few values, and none is a client's text. */
  count: (name, description, labels = {}) => counters.add(name, description, texts(labels), 1n),
};

const texts = (fields) => Object.entries(fields).map(([name, value]) => [name, String(value)]);
const seconds = (nanoseconds) => Number(nanoseconds) / 1e9;
const nanos = (time) => BigInt(Math.round(time * 1e9));

/**
 * The exports of a component: `export const { backend, declaration, existence } = exportEngine(BACKEND, { http });`
 *
 * A world without `declaration` or `existence` leaves the name out.
 *
 * @param {import('./backend.js').Backend} engine
 * @param {object} [more] further parts of the host, such as `http` of `http.js`
 */
export function exportEngine(engine, more = {}) {
  const host = { ...HOST, ...more };
  return {
    backend: {
      describe: () => description(engine),
      handleRequest: (request) => guarded(() => responseOf(engine.handle(host, requestOf(request)))),
      checkExistence: (request) => guarded(() => engine.checkExistence(host, requestOf(request))),
    },
    declaration: { declare: () => engine.secretClasses.map(declared) },
    existence: { checkedPaths: () => engine.checkedPaths() },
  };
}

function description({ name, version, specialPaths, secrets, storageVersions }) {
  const none = { root: [], unauthenticated: [], localStorage: [], sealWrapStorage: [] };
  const secretKinds = secrets.map((secret) => secret.kind);
  return { name, version, specialPaths: { ...none, ...specialPaths }, secretKinds, storageVersions };
}

/** A class with all of its lists. */
const declared = ({ shape, requestFields = [], storedFields = [], shownFields = [], ...rest }) => ({
  unreadableFields: [],
  answeredFields: [],
  bearerOf: [],
  becomes: [],
  ...rest,
  shape: { public: '', plainEndings: [], ...shape },
  requestFields: requestFields.map((field) => ({ owner: [], ...field })),
  storedFields,
  shownFields: shownFields.map((field) => ({ owner: [], ...field })),
});

/** An error for the client goes to the server; any other error is a bug, and ends the request as a trap. */
function guarded(work) {
  try {
    return work();
  } catch (error) {
    if (error instanceof EngineError) throw { tag: error.kind, val: valueOf(error) };
    // The message may show data, a secret even: only the kind of the error and the place are told.
    logging.log('error', 'the engine threw', texts({ error: error?.name, place: error?.stack?.split('\n')[0] ?? '' }));
    throw error;
  }
}

function valueOf({ kind, message, code }) {
  if (kind === 'coded') return { code, message };
  return kind.startsWith('unsupported') || kind === 'permission-denied' ? undefined : message;
}

function requestOf({ data, lease, headers: _, ...request }) {
  return { ...request, data: object('data', data), lease: lease && leaseOf(lease) };
}

function leaseOf(lease) {
  const times = { ttl: seconds(lease.ttl), maxTtl: seconds(lease.maxTtl), increment: seconds(lease.increment) };
  const internalData = object('internal data of the lease', lease.internalData);
  return { ...lease, ...times, issueTime: Number(lease.issueTime), internalData };
}

/** A JSON object, or `null` for an empty one. The error shows no content: it may be secret. */
function object(what, json) {
  let value;
  try {
    value = JSON.parse(json) ?? {};
  } catch {
    throw new EngineError('bad-request', `the ${what} cannot be parsed as JSON`);
  }
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new EngineError('bad-request', `the ${what} must be a JSON object`);
  }
  return value;
}

function responseOf(response) {
  if (!response) return undefined;
  const { data, warnings = [], secret } = response;
  return { data: data && JSON.stringify(data), warnings, secret: secret && secretOf(secret), headers: [] };
}

const secretOf = ({ ttl, maxTtl, renewable, internalData }) => ({
  ttl: nanos(ttl),
  maxTtl: nanos(maxTtl),
  renewable,
  internalData: JSON.stringify(internalData),
});
