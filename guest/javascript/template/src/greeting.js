/** `greetings` and `greetings/:name`: a text for each visitor. */

import { mistake } from '../helper/errors.js';

export const NAME = { name: 'name', type: 'string', description: 'Name of the visitor.', required: true };
const TEXT = { name: 'text', type: 'string', description: 'What the visitor is told.', required: true };

export const GREETINGS = {
  pattern: 'greetings',
  list: true,
  operations: { list: { handler: list, summary: 'List the visitors that have a greeting.' } },
  synopsis: 'List the visitors that have a greeting.',
  description: 'The keys are names of visitors.',
};

export const GREETING = {
  pattern: 'greetings/:name',
  fields: [NAME, TEXT],
  operations: {
    create: { handler: write, summary: 'Store a greeting.' },
    update: { handler: write, summary: 'Change a greeting.' },
    read: { handler: read, summary: 'Read a greeting.', answers: [TEXT] },
    delete: { handler: remove, summary: 'Delete a greeting.' },
  },
  // Tells a create from an update. The server calls this before it checks policies, so it must change nothing.
  existenceCheck: (context, { name }) => find(context, name) !== undefined,
  synopsis: 'Manage the greeting of a visitor.',
  description: 'A visitor with a greeting may have passes.',
};

/** The stored greeting of a visitor. @returns {string|undefined} */
export const find = ({ host }, name) => host.storage.getJson(key(name))?.text;

function write({ host }, { name, text }) {
  // A mistake of the client becomes a response with status 400 and this text.
  if (!text) throw mistake('missing `text`: say what the visitor is told');
  host.storage.putJson(key(name), { text });
}

function read(context, { name }) {
  const text = find(context, name);
  // No response: status 204 for a write, 404 for a read or a list.
  return text === undefined ? undefined : { data: { text } };
}

function remove({ host }, { name }) {
  host.storage.delete(key(name));
}

function list({ host }) {
  const keys = host.storage.list(PREFIX);
  return keys.length === 0 ? undefined : { data: { keys } };
}

const PREFIX = 'greeting/';
const key = (name) => PREFIX + name;
