/**
 * An engine as one table, and the way of a request through the table. Nothing here reaches the outside: handlers get the host in
 * their context, so tests run them in node.
 */

import { EngineError, coded } from './errors.js';
import { coerced } from './fields.js';
import { help } from './help.js';

/**
 * @typedef {object} Request
 * @property {string} id as in the audit log; empty on renew, revoke and rollback
 * @property {'create'|'read'|'update'|'patch'|'delete'|'list'|'help'|'renew'|'revoke'|'rollback'} operation
 * @property {string} path below the mount, without a leading slash
 * @property {Record<string, unknown>} data the fields that the client sent
 * @property {string} mountPoint with a trailing slash
 * @property {{displayName: string, entityId: string, tokenAccessor: string, remoteAddress: string}} identity
 * @property {Lease} [lease] on renew and revoke
 *
 * @typedef {object} Lease all times in seconds
 * @property {string} id empty on renew
 * @property {number} issueTime since 1970
 * @property {number} ttl as granted last
 * @property {number} maxTtl 0 means that of the mount
 * @property {number} increment what the client asks for on renew; 0 means nothing
 * @property {boolean} renewable
 * @property {Record<string, any>} internalData what the engine gave with the secret
 *
 * @typedef {object} Response `undefined` instead of a response means 204 for a write, 404 for a read or a list
 * @property {Record<string, any>} [data]
 * @property {string[]} [warnings]
 * @property {Secret} [secret] asks the server to lease the response
 *
 * @typedef {object} Secret
 * @property {number} ttl in seconds; 0 means the default of the mount
 * @property {number} maxTtl in seconds; 0 means the maximum of the mount
 * @property {boolean} renewable
 * @property {Record<string, any>} internalData comes back on renew and revoke; the kind is added
 *
 * @typedef {object} SecretKind
 * @property {string} kind
 * @property {(context: Context, lease: Lease) => Response|undefined} [renew] without it the secret is not renewable
 * @property {(context: Context, lease: Lease) => Response|undefined} revoke the server repeats a revocation after a fault
 *
 * @typedef {object} Context
 * @property {import('./component.js').Host} host the outside
 * @property {Request} request
 *
 * @typedef {(context: Context, data: Record<string, any>) => Response|undefined} Handler
 *
 * @typedef {object} Path
 * @property {string} pattern such as `roles/:name`; `:name` is one segment, and a field
 * @property {boolean} [list] the path also matches with a slash at its end
 * @property {import('./fields.js').Field[]} [fields] those of the pattern, too
 * @property {Record<string, {handler: Handler, summary: string, answers?: import('./fields.js').Field[]}>} operations by name
 * @property {(context: Context, data: Record<string, any>) => boolean} [existenceCheck] tells a create from an update, and
 *   changes nothing; without it each write is an update
 * @property {string} synopsis
 * @property {string} [description]
 */

/** A secret of a kind, for a response. */
export function secretOf(kind, secret) {
  return { ...secret, internalData: { ...secret.internalData, secret_type: kind } };
}

/** `text` as one segment of a URL's path. A segment of dots alone would be a step within the path. */
export function pathSegment(text) {
  const escaped = encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  return /^\.+$/.test(escaped) ? escaped.replaceAll('.', '%2E') : escaped;
}

/** An engine. */
export class Backend {
  name = '';
  /** A semantic version: raise it with each change. */
  version = '0.0.0';
  help = '';
  specialPaths = {};
  /** Raise the version when the stored form changes, so that the host knows whether it could revert an update. */
  storageVersions = { written: 1, readableFrom: 1 };
  /** @type {Path[]} */
  paths = [];
  /** @type {SecretKind[]} */
  secrets = [];
  /** Values that the host keeps from the engine: the classes of `secrets-engine:secrets/declaration`. */
  secretClasses = [];
  /** What the server asks for once a minute: `(context, immediate) => void`. @type {Function|undefined} */
  periodic = undefined;

  /** @param {Partial<Backend>} table */
  constructor(table) {
    Object.assign(this, table);
  }

  /** Serves one request. @returns {Response|undefined} */
  handle(host, request) {
    const context = { host, request };
    switch (request.operation) {
      case 'renew':
      case 'revoke':
        return answered(() => this.#handleLease(context));
      case 'rollback':
        this.periodic?.(context, (request.data.immediate ?? false) !== false);
        return undefined;
      case 'help':
        return { data: help(this, request, request.path === '' ? undefined : this.#route(request.path).path) };
      default:
        return answered(() => this.#handlePath(context));
    }
  }

  /** Does the thing that a write names exist? `undefined` means that its path has no check, or that the check failed. */
  checkExistence(host, request) {
    try {
      const { path, captures } = this.#route(request.path);
      return path.existenceCheck?.({ host, request }, coerced(path.fields ?? [], request.data, captures));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      host.log('warn', 'an existence check failed, so the write counts as an update', { error: error.message });
      return undefined;
    }
  }

  /** The paths that have an existence check, as the host wants them. */
  checkedPaths() {
    const checked = this.paths.filter((path) => path.existenceCheck).map((path) => [template(path), path.list]);
    return checked.flatMap(([path, list]) => (list ? [path, `${path}/`] : [path]));
  }

  #handlePath(context) {
    const { request } = context;
    const { path, captures } = this.#route(request.path);
    if (!Object.hasOwn(path.operations, request.operation)) {
      throw new EngineError('unsupported-operation', 'unsupported operation');
    }
    const data = coerced(path.fields ?? [], request.data, captures);
    // A write whose existence check failed comes as an update, and the client may have the permission to update only.
    if (request.operation === 'update' && path.existenceCheck && !path.existenceCheck(context, data)) {
      throw coded(503, `\`${request.path}\` does not exist, and the server could not know that: send the request again`);
    }
    const response = path.operations[request.operation].handler(context, data);
    const warnings = ignored(path, request);
    const isDone = ['create', 'update', 'delete'].includes(request.operation);
    if (warnings.length === 0 || (!response && !isDone)) return response;
    return { ...response, warnings: [...(response?.warnings ?? []), ...warnings] };
  }

  #handleLease(context) {
    const { lease, operation } = context.request;
    const kind = this.secrets.find((secret) => secret.kind === lease?.internalData.secret_type);
    if (!kind) throw new EngineError('plain', 'secret is unsupported by this backend');
    if (!kind[operation]) throw new EngineError('unsupported-operation', 'unsupported operation');
    return kind[operation](context, lease);
  }

  #route(requested) {
    for (const path of this.paths) {
      const captures = match(path, requested);
      if (captures) return { path, captures };
    }
    throw new EngineError('unsupported-path', 'unsupported path');
  }
}

/** A mistake of the client goes to the server as an answer, as the server's own framework sends it. */
function answered(work) {
  try {
    return work();
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'bad-request') return { data: { error: error.message } };
    throw error;
  }
}

/** What the path captures of a request's path; `undefined` if the path does not match. */
function match(path, requested) {
  const wanted = path.pattern.split('/');
  const parts = requested.split('/');
  if (path.list && parts.length === wanted.length + 1 && parts.at(-1) === '') parts.pop();
  if (parts.length !== wanted.length) return undefined;
  const captures = {};
  for (const [at, segment] of wanted.entries()) {
    if (segment.startsWith(':') && parts[at] !== '') captures[segment.slice(1)] = parts[at];
    else if (segment !== parts[at]) return undefined;
  }
  return captures;
}

/** A path as OpenAPI writes it, without a leading slash. */
export const template = (path) => path.pattern.replace(/:([^/]+)/g, '{$1}');

/** What the client sent in vain, in the server's words. */
function ignored(path, request) {
  const known = (path.fields ?? []).map((field) => field.name);
  const names = Object.keys(request.data).filter((name) => !known.includes(name)).sort();
  return names.length === 0 ? [] : [`Endpoint ignored these unrecognized parameters: [${names.join(' ')}]`];
}
