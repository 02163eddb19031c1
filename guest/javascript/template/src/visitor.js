/** `visitors/:name`: what the upstream knows about a visitor. */

import { pathSegment } from '../helper/backend.js';
import { coded, mistake } from '../helper/errors.js';
import { load } from './config.js';
import { NAME } from './greeting.js';

const VISITS = { name: 'visits', type: 'int', description: 'How often the visitor was there.' };

export const VISITOR = {
  pattern: 'visitors/:name',
  fields: [NAME],
  operations: { read: { handler: read, summary: 'Ask the upstream about a visitor.', answers: [VISITS] } },
  synopsis: 'Ask the upstream about a visitor.',
  description: 'The upstream answers `GET /visitors/:name` below the configured URL.',
};

function read(context, { name }) {
  const config = load(context);
  if (!config) throw mistake('there is no config: write `config` first');
  // A name of any characters stays one segment.
  const url = `${config.url}/visitors/${pathSegment(name)}`;
  const answer = context.host.http.send({ method: 'GET', url, bearer: config.token, timeout: 10 });
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw failed(config, `answered with status ${answer.status}`);
  return { data: { visits: visits(config, answer) } };
}

function visits(config, answer) {
  try {
    const { visits } = answer.json();
    if (Number.isSafeInteger(visits)) return visits;
  } catch {
    // The body may be anything, so the client gets the same text.
  }
  throw failed(config, 'answered something else than a visitor');
}

const failed = (config, what) => coded(502, `the upstream at \`${config.url}\` ${what}: try again later, or check \`config\``);
