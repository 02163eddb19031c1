/** `probe/:kind`: what the helper offers, and what SpiderMonkey finds in a module. The second version of the scenario's engine has this path. */

import { mistake } from '../helper/errors.js';

// The build keeps what is here, and each request begins with it: no request sees what another one counted.
let requests = 0;

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const KINDS = {
  random: ({ random }) => ({
    host: hex(random(16)),
    math: Math.random(),
    crypto: hex(crypto.getRandomValues(new Uint8Array(16))),
    'made-by-the-build': (requests += 1),
  }),
  // A request that holds a lock may take it again.
  locks: ({ withLock }) => ({ turns: [1, 2].map((turn) => withLock('probe', () => turn)) }),
  storage: ({ storage }) => {
    const transaction = storage.begin();
    transaction.putJson('probe/a', 1);
    transaction.putJson('probe/b', 2);
    const before = storage.list('probe/');
    transaction.commit();
    const [a, none] = storage.getMany(['probe/a', 'probe/none']).map((entry) => entry?.key);
    const page = storage.listPage('probe/', 'a', 1);
    storage.delete('probe/a');
    return { before, a, none: none ?? 'none', page, after: storage.list('probe/') };
  },
  server: ({ systemView, clock, log, count }) => {
    const began = clock.now();
    clock.sleep(1);
    log('warn', 'the probe was here', { kind: 'server' });
    count('probes_total', 'Probes.', { kind: 'server' });
    return {
      mount: systemView.backendUuid(),
      ttls: [systemView.defaultLeaseTtl(), systemView.maxLeaseTtl()],
      states: [systemView.isTainted(), systemView.isUpstreamReadOnly()],
      entity: systemView.entityName('nobody') ?? 'none',
      slept: clock.now() - began,
    };
  },
  post: ({ http, storage }) => {
    const { url } = storage.getJson('config/current');
    return { status: http.send({ method: 'POST', url: `${url}/probes`, json: { text: 'x'.repeat(100000) } }).status };
  },
  password: ({ systemView }) => ({ password: systemView.generatePassword('probes') }),
};

export const PROBE = {
  pattern: 'probe/:kind',
  fields: [{ name: 'kind', type: 'string', description: 'What to try.', required: true }],
  operations: { read: { handler: read, summary: 'Try what there is.' } },
  synopsis: 'Try what there is.',
};

function read({ host }, { kind }) {
  if (!Object.hasOwn(KINDS, kind)) throw mistake(`the kinds are ${Object.keys(KINDS).join(', ')}`);
  return { data: KINDS[kind](host) };
}
