/** HTTP requests to an upstream, over `wasi:http`. Nothing is retried here. Only a component can load this file. */

import { checkEgress } from 'secrets-engine:host/system-view@0.1.0';
import { now, subscribeInstant } from 'wasi:clocks/monotonic-clock@0.2.12';
import { handle } from 'wasi:http/outgoing-handler@0.2.12';
import { Fields, OutgoingBody, OutgoingRequest, RequestOptions, httpErrorCode } from 'wasi:http/types@0.2.12';
import { poll } from 'wasi:io/poll@0.2.12';

import { HttpError } from './errors.js';
import { free } from './resource.js';

/** Bytes of an answer; the host has a limit for a whole request, too. */
const ANSWER_BYTES_MAX = 1024 * 1024;

/** Bytes of one read or write. */
const PIECE_BYTES = 64 * 1024;

/** Codes after which the upstream has certainly not acted, beside those of the host's own convention. */
const NOT_SENT = new Set([
  'DNS-timeout', 'DNS-error', 'destination-not-found', 'destination-unavailable', 'destination-IP-unroutable',
  'connection-refused', 'connection-timeout', 'connection-limit-reached', 'TLS-protocol-error', 'TLS-certificate-error',
  'TLS-alert-received', 'HTTP-request-length-required', 'HTTP-request-method-invalid', 'HTTP-request-URI-invalid',
  'HTTP-request-URI-too-long', 'HTTP-request-header-section-size', 'HTTP-request-header-size',
]);
const DENIED = new Set(['HTTP-request-denied', 'destination-IP-prohibited']);
const TIMED_OUT = new Set(['connection-write-timeout', 'connection-read-timeout', 'HTTP-response-timeout']);
const HOSTS_WORDS = /^not-sent:(tls-timeout|no-trusted-certificates|proxy-(name|unreachable|timeout|credentials|protocol|closed|status:\d+))$/;

/** The part `http` of the host. */
export const http = {
  /** Fails with a sentence for the operator if the egress policy refuses the origin. */
  checkOrigin(origin) {
    try {
      checkEgress(origin);
    } catch (error) {
      if (typeof error.payload !== 'string') throw error;
      throw new HttpError('denied', error.payload);
    }
  },

  /**
   * Sends a request and reads the whole answer. Redirects are answers.
   *
   * @param {object} request
   * @param {'GET'|'POST'|'PUT'|'PATCH'|'DELETE'} request.method
   * @param {string} request.url with a path in which names are escaped, see `pathSegment`
   * @param {string} [request.bearer] sent as `Authorization: Bearer …`
   * @param {unknown} [request.json] the body
   * @param {number} [request.timeout] seconds for the whole exchange
   * @returns {{status: number, json: () => any}} `json` fails if the body is no JSON
   * @throws {HttpError} if there is no answer
   */
  send({ method, url, bearer, json, timeout = 20 }) {
    const ends = now() + nanos(timeout);
    const [, scheme, authority, path] = url.match(/^(https?):\/\/([^/]+)(\/.*)?$/) ?? [];
    if (!authority) throw new HttpError('not-sent', 'the URL is none of HTTP');
    const origin = `${scheme}://${authority}`;
    const body = json === undefined ? undefined : new TextEncoder().encode(JSON.stringify(json));
    return failing(origin, () => {
      const outgoing = new OutgoingRequest(headersOf(bearer, body));
      outgoing.setMethod({ tag: method.toLowerCase() });
      outgoing.setScheme({ tag: scheme.toUpperCase() });
      outgoing.setAuthority(authority);
      outgoing.setPathWithQuery(path ?? '/');
      // A request without a body is not even asked for one: HTTP/1.1 would announce an empty one in chunks.
      const sink = body && outgoing.body();
      const future = handle(outgoing, optionsOf(timeout));
      if (sink) write(sink, body, ends);
      const response = answerOf(future, ends);
      const text = read(response.consume(), ends);
      return { status: response.status(), json: () => JSON.parse(text) };
    });
  },
};

function headersOf(bearer, body) {
  const headers = { accept: 'application/json', 'user-agent': 'secrets-engine' };
  if (bearer !== undefined) headers.authorization = `Bearer ${bearer}`;
  if (body) Object.assign(headers, { 'content-type': 'application/json', 'content-length': String(body.length) });
  return Fields.fromList(Object.entries(headers).map(([name, value]) => [name, new TextEncoder().encode(value)]));
}

/** The host knows best what a connection waits for, so its time ends first. */
function optionsOf(timeout) {
  const options = new RequestOptions();
  options.setConnectTimeout(nanos(timeout * 0.8));
  return options;
}

function write(body, bytes, ends) {
  const stream = body.write();
  try {
    for (let at = 0; at < bytes.length; ) {
      const room = Math.min(Number(stream.checkWrite()), bytes.length - at, PIECE_BYTES);
      if (room === 0) wait(stream, ends);
      stream.write(bytes.subarray(at, at + room));
      at += room;
    }
    stream.flush();
  } catch (error) {
    // An upstream may answer without reading the body; why it failed is told by the answer.
    if (error instanceof HttpError) throw error;
    return;
  } finally {
    free(stream);
  }
  OutgoingBody.finish(body, undefined);
}

function answerOf(future, ends) {
  for (;;) {
    const answer = future.get();
    if (!answer) {
      wait(future, ends);
      continue;
    }
    if (answer.tag === 'err') throw new HttpError('lost', 'the answer was lost');
    if (answer.val.tag === 'err') throw { payload: answer.val.val };
    return answer.val.val;
  }
}

function read(body, ends) {
  const stream = body.stream();
  const pieces = [];
  let length = 0;
  for (;;) {
    let piece;
    try {
      piece = stream.read(BigInt(PIECE_BYTES));
    } catch (error) {
      if (error.payload?.tag === 'closed') break;
      const code = error.payload?.tag === 'last-operation-failed' && httpErrorCode(error.payload.val);
      throw code ? { payload: code } : new HttpError('lost', 'the connection was lost after the request was sent');
    }
    if (piece.length === 0) wait(stream, ends);
    length += piece.length;
    if (length > ANSWER_BYTES_MAX) throw new HttpError('too-large', `the answer has more than ${ANSWER_BYTES_MAX} bytes`);
    pieces.push(piece);
  }
  const whole = new Uint8Array(length);
  pieces.reduce((at, piece) => (whole.set(piece, at), at + piece.length), 0);
  return new TextDecoder().decode(whole);
}

const nanos = (seconds) => BigInt(Math.round(seconds * 1e9));

/** Waits until there is something to do, or the time is over. */
function wait(source, ends) {
  if (!poll([source.subscribe(), subscribeInstant(ends)]).includes(0)) throw new HttpError('timed-out', 'no answer in time');
}

/** Runs an exchange; a code of the host becomes an error that says whether the upstream may have acted. */
function failing(origin, work) {
  try {
    return work();
  } catch (error) {
    const code = error?.payload;
    if (code === undefined && !Object.hasOwn(error ?? {}, 'payload')) throw error;
    if (DENIED.has(code?.tag)) {
      http.checkOrigin(origin);
      throw new HttpError('denied', `the host refuses requests to \`${origin}\`, or the addresses of its name`);
    }
    if (code === undefined) throw new HttpError('not-sent', 'the host refuses its URL, method or headers');
    if (NOT_SENT.has(code.tag)) throw new HttpError('not-sent', code.tag);
    if (TIMED_OUT.has(code.tag)) throw new HttpError('timed-out', 'no answer in time');
    if (code.tag === 'internal-error' && HOSTS_WORDS.test(code.val ?? '')) throw new HttpError('not-sent', code.val.slice(9));
    throw new HttpError('lost', 'the answer was lost');
  }
}
