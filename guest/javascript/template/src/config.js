/**
 * `config`: where the upstream is, and the token that it wants.
 *
 * The token is declared as a secret, so this engine never has it: what it reads, stores and sends is a surrogate, in whose place
 * the host sends the token, to `url` only and in the declared calls only.
 */

import { mistake } from '../helper/errors.js';

const URL_FIELD = { name: 'url', type: 'string', description: 'Base URL of the upstream.', required: true };
const TOKEN = { name: 'token', type: 'string', description: 'What the upstream wants as bearer token.', required: true };

export const CONFIG = {
  pattern: 'config',
  fields: [URL_FIELD, TOKEN],
  operations: {
    update: { handler: write, summary: 'Write where the upstream is, and its token.' },
    read: { handler: read, summary: 'Read where the upstream is.', answers: [URL_FIELD] },
    delete: { handler: remove, summary: 'Delete the config.' },
  },
  synopsis: 'Configure the upstream.',
  description: 'The token is sent to this URL only, and shown to nobody.',
};

export const PREFIX = 'config/';
const KEY = 'config/current';

export const API_TOKEN = {
  name: 'api-token',
  shape: { alphabet: 'letters-and-digits', secretCharactersMin: 16 },
  requestFields: [{ paths: ['config'], at: ['token'], destination: { tag: 'requested', val: { field: 'url' } } }],
  storedFields: [{ prefix: PREFIX, at: ['token'], destination: { tag: 'sibling', val: { key: 'url' } } }],
  bearerOf: [{ method: 'GET', path: '/visitors/+' }],
};

/** The config; undefined if there is none. @returns {{url: string, token: string}|undefined} */
export const load = ({ host }) => host.storage.getJson(KEY);

function write({ host }, { url = '', token }) {
  const base = url.replace(/\/+$/, '');
  const [origin] = base.match(/^https?:\/\/[^/@?# ]+(?=$|\/[^@?# ]*$)/) ?? [];
  if (!origin) throw mistake('`url` must be a base URL such as `https://visits.example.com/api`');
  host.http.checkOrigin(origin);
  if (!token) throw mistake('missing `token`: the upstream wants one, and a stored one is not sent to another `url`');
  host.storage.putJson(KEY, { url: base, token }, { sealWrap: true });
}

function read(context) {
  const config = load(context);
  return config && { data: { url: config.url } };
}

function remove({ host }) {
  host.storage.delete(KEY);
}
