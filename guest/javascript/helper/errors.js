/**
 * Why a request failed: one kind for each case that the server tells apart. Any other error that a handler throws is a bug:
 * the request ends as a trap, and the log names the place.
 */

/** An error for the client. */
export class EngineError extends Error {
  /**
   * @param {'plain'|'internal'|'coded'|'bad-request'|'unsupported-operation'|'unsupported-path'|'permission-denied'} kind
   * @param {string} message what the client reads; nothing secret belongs in the message
   * @param {number} [code] the HTTP status, from 400 to 599, of the kind `coded`
   */
  constructor(kind, message, code) {
    super(message);
    this.kind = kind;
    this.code = code;
  }
}

/** A mistake of the client: status 400. The text names the cause, the object and the next step. */
export const mistake = (message) => new EngineError('bad-request', message);

/** An error with a status of its own. */
export const coded = (code, message) => new EngineError('coded', message, code);

/** A conflict with what is there already: status 409. */
export const conflict = (message) => coded(409, message);

/** A fault of the engine: status 500. */
export const internal = (message) => new EngineError('internal', message);

/** Why an HTTP request has no answer. A handler that does not catch the error answers status 502 or 504, or 400 if denied. */
export class HttpError extends EngineError {
  /**
   * @param {'denied'|'not-sent'|'timed-out'|'too-large'|'lost'} reason only after `denied` and `not-sent` the upstream has
   *   certainly not acted on the request
   * @param {string} message
   */
  constructor(reason, message) {
    if (reason === 'denied') super('bad-request', message);
    else super('coded', `the upstream could not be asked (${message}): try again later`, reason === 'timed-out' ? 504 : 502);
    this.reason = reason;
    this.mayHaveActed = reason !== 'denied' && reason !== 'not-sent';
  }
}

/**
 * The error for the client of a failed storage call. The text of the server stays as it is: by the text, a standby knows that
 * it must forward the write to the active node.
 *
 * @param {{tag: 'read-only'|'conflict'|'limit'|'failed', val: string}} error
 */
export const storageError = ({ tag, val }) => new EngineError(tag === 'limit' ? 'internal' : 'plain', val);
