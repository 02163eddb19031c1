/** The engine in node, with the helper's test doubles for everything outside. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { HttpError } from '../helper/errors.js';
import { TestHost, checkTable, leaseRequest, request } from '../helper/testing.js';
import { BACKEND } from '../src/engine.js';

const ask = (host, operation, path, data) => BACKEND.handle(host, request(operation, path, data));

test('the table is in order', () => {
  assert.deepEqual(checkTable(BACKEND), []);
  assert.deepEqual(BACKEND.checkedPaths(), ['greetings/{name}']);
});

test('a greeting is read as written', () => {
  const host = new TestHost();
  assert.equal(BACKEND.checkExistence(host, request('create', 'greetings/alice')), false);
  assert.equal(ask(host, 'create', 'greetings/alice', { text: 'Welcome' }), undefined);
  assert.deepEqual(ask(host, 'read', 'greetings/alice').data, { text: 'Welcome' });
  assert.deepEqual(ask(host, 'list', 'greetings/').data, { keys: ['alice'] });
  assert.equal(ask(host, 'delete', 'greetings/alice'), undefined);
  assert.equal(ask(host, 'read', 'greetings/alice'), undefined);
});

test('a greeting needs a text', () => {
  const host = new TestHost();
  const { data } = ask(host, 'create', 'greetings/alice');
  assert.deepEqual(data, { error: 'missing `text`: say what the visitor is told' });
  assert.equal(host.entries.size, 0);
});

test('a pass lives as long as its lease', () => {
  const host = new TestHost();
  ask(host, 'create', 'greetings/alice', { text: 'Welcome' });
  const { secret } = ask(host, 'read', 'passes/alice');
  assert.equal(host.entries.size, 2);

  assert.equal(BACKEND.handle(host, leaseRequest('renew', secret)).secret.ttl, 600);
  assert.equal(BACKEND.handle(host, leaseRequest('revoke', secret)), undefined);
  assert.deepEqual([...host.entries.keys()], ['greeting/alice']);
  // The server may revoke twice.
  assert.equal(BACKEND.handle(host, leaseRequest('revoke', secret)), undefined);
  assert.match(BACKEND.handle(host, leaseRequest('renew', secret)).data.error, /has ended/);
});

test('a pass is for a visitor with a greeting', () => {
  assert.match(ask(new TestHost(), 'read', 'passes/bob').data.error, /write `greetings\/bob` first/);
});

/** A mount that is configured, with an upstream that answers this. */
function configured(answer) {
  const host = new TestHost();
  host.answer = () => answer;
  ask(host, 'update', 'config', { url: 'https://visits.example.com/api/', token: '0123456789abcdef' });
  return host;
}

test('the upstream is asked about a visitor', () => {
  const host = configured({ status: 200, body: '{"visits":3}' });
  assert.deepEqual(ask(host, 'read', 'visitors/a b').data, { visits: 3 });
  assert.equal(host.requests[0].url, 'https://visits.example.com/api/visitors/a%20b');
  assert.deepEqual(ask(host, 'read', 'config').data, { url: 'https://visits.example.com/api' });
});

test('an upstream that fails is a fault of the upstream', () => {
  assert.equal(ask(configured({ status: 404 }), 'read', 'visitors/alice'), undefined);
  for (const answer of [{ status: 500 }, { status: 200, body: 'no JSON' }]) {
    assert.throws(() => ask(configured(answer), 'read', 'visitors/alice'), { kind: 'coded', code: 502 });
  }
  const host = configured();
  host.answer = () => {
    throw new HttpError('not-sent', 'connection-refused');
  };
  assert.throws(() => ask(host, 'read', 'visitors/alice'), { code: 502, message: /\(connection-refused\)/ });
});

test('a config needs a url and a token', () => {
  const host = new TestHost();
  for (const config of [{ token: 't' }, { url: 'ftp://x', token: 't' }, { url: 'https://x' }]) {
    assert.ok(ask(host, 'update', 'config', config).data.error);
  }
  assert.match(ask(host, 'read', 'visitors/alice').data.error, /write `config` first/);
  assert.equal(host.entries.size, 0);
});

test('help names the paths, their fields and the operations', () => {
  const { help, openapi } = ask(new TestHost(), 'help', '').data;
  assert.match(help, /\^passes\/\(\?P<name>\[\^\/\]\+\)\$/);
  assert.ok(openapi.paths['/greetings/{name}'].post.requestBody);
  assert.match(ask(new TestHost(), 'help', 'config').data.help, /## PARAMETERS/);
});
