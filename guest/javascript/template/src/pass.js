/**
 * `passes/:name`: a secret whose lease can be renewed, and which ends when its lease is revoked.
 *
 * A pass lives in the storage of the mount. An engine that creates something outside first stores what it is about to create, so
 * that `periodic` can undo what a fault in between left behind.
 */

import { secretOf } from '../helper/backend.js';
import { mistake } from '../helper/errors.js';
import { NAME, find } from './greeting.js';

export const PASSES = {
  pattern: 'passes/:name',
  fields: [NAME],
  operations: { read: { handler: issue, summary: 'Make a pass for a visitor.' } },
  synopsis: 'Make a pass for a visitor.',
  description: 'Each read makes a pass of its own, which ends with its lease.',
};

/** The kind of secret that this engine leases. */
export const PASS = { kind: 'pass', renew, revoke };

export const PREFIX = 'pass/';

function issue(context, { name }) {
  const greeting = find(context, name);
  if (greeting === undefined) throw mistake(`no greeting for \`${name}\`: write \`greetings/${name}\` first`);
  const pass = [...context.host.random(16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  context.host.storage.putJson(PREFIX + pass, { name }, { sealWrap: true });
  return { data: { pass, greeting }, secret: leased({ pass }) };
}

/** A renewal knows the lease only by its internal data, which the server returns. */
function renew({ host }, { internalData }) {
  if (!host.storage.get(PREFIX + internalData.pass)) throw mistake('the pass has ended: read another one');
  return { secret: leased(internalData) };
}

/** The server repeats a revocation after a fault, so revoking an ended pass succeeds. */
function revoke({ host }, { internalData }) {
  host.storage.delete(PREFIX + internalData.pass);
}

/** Ten minutes, and a day with all renewals. */
const leased = (internalData) => secretOf('pass', { ttl: 600, maxTtl: 86400, renewable: true, internalData });
