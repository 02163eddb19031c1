/** Help: the text of a path or of the engine, beside the OpenAPI document that the server merges into its own. */

import { template } from './backend.js';
import { TYPES } from './fields.js';

/**
 * @param {import('./backend.js').Backend} backend
 * @param {import('./backend.js').Request} request
 * @param {import('./backend.js').Path} [path] none means the whole engine
 */
export function help(backend, request, path) {
  const paths = path ? [path] : backend.paths;
  const text = path ? pathText(request, path) : backendText(backend);
  const prefix = request.data.requestResponsePrefix ?? backend.name;
  return { help: text.trim(), see_also: null, openapi: document(backend, paths, prefix) };
}

function backendText(backend) {
  const lines = backend.paths.map((path) => `    ${route(path)}\n        ${path.synopsis}\n`).sort();
  return `## DESCRIPTION\n\n${backend.help}\n\n## PATHS\n\n${lines.join('\n')}`;
}

function pathText(request, path) {
  const fields = (path.fields ?? []).map((field) => `\n    ${field.name} (${field.type})\n\n        ${field.description}\n`);
  const parameters = fields.length === 0 ? '' : `## PARAMETERS\n${fields.join('')}\n`;
  const head = `Request:        ${request.path}\nMatching Route: ${route(path)}\n\n${path.synopsis}\n\n`;
  return `${head}${parameters}## DESCRIPTION\n\n${path.description ?? '<no description>'}`;
}

const route = (path) => `^${path.pattern.replace(/:([^/]+)/g, '(?P<$1>[^/]+)')}${path.list ? '/?' : ''}$`;

const METHODS = { create: 'post', update: 'post', read: 'get', list: 'get', patch: 'patch', delete: 'delete' };

function document(backend, paths, prefix) {
  const schemas = {};
  const items = paths.map((path) => [`/${template(path)}`, pathItem(path, prefix, schemas)]);
  return {
    openapi: '3.0.2',
    info: { title: `${backend.name} secrets engine`, description: backend.help, version: backend.version },
    paths: Object.fromEntries(items),
    components: { schemas },
  };
}

function pathItem(path, prefix, schemas) {
  const inPath = (field) => path.pattern.split('/').includes(`:${field.name}`);
  const takesBody = (operation) => METHODS[operation] === 'post' || operation === 'patch';
  const hasBody = Object.keys(path.operations).some(takesBody);
  const parameters = (path.fields ?? []).filter((field) => inPath(field) || !hasBody).map((field) => {
    const place = inPath(field) ? { in: 'path', required: true } : { in: 'query' };
    return { name: field.name, description: field.description, ...place, schema: schema(field, false) };
  });
  const item = { description: path.synopsis };
  if (parameters.length > 0) item.parameters = parameters;
  if (path.operations.create) item['x-vault-createSupported'] = true;
  // `update` describes both ways of a write, and `read` those of a GET.
  for (const name of ['list', 'create', 'read', 'update', 'patch', 'delete']) {
    if (!path.operations[name]) continue;
    const { summary, answers } = path.operations[name];
    const verb = name === 'update' ? 'write' : name;
    const id = [prefix, verb, ...template(path).split(/[^a-z0-9_]+/i).filter(Boolean)].join('-').toLowerCase();
    const operation = { summary, operationId: id, tags: ['secrets'], responses: { 204: { description: 'empty body' } } };
    if (name === 'list') {
      operation.parameters = [{ name: 'list', in: 'query', required: true, schema: { type: 'string', enum: ['true'] } }];
    }
    const body = (path.fields ?? []).filter((field) => !inPath(field));
    if (takesBody(name) && body.length > 0) {
      operation.requestBody = { required: true, content: content(schemas, `${titled(id)}Request`, body) };
    }
    if (answers) {
      operation.responses = { 200: { description: 'OK', content: content(schemas, `${titled(id)}Response`, answers) } };
    }
    item[METHODS[name]] = operation;
  }
  return item;
}

const titled = (id) => id.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');

/** Adds a schema. The server drops a `$ref` and keeps what it calls `Ref`, so both are there. */
function content(schemas, name, fields) {
  const required = fields.filter((field) => field.required).map((field) => field.name);
  const properties = Object.fromEntries(fields.map((field) => [field.name, schema(field, true)]));
  schemas[name] = { type: 'object', properties, ...(required.length > 0 && { required }) };
  const reference = `#/components/schemas/${name}`;
  return { 'application/json': { schema: { $ref: reference, ref: reference } } };
}

function schema(field, described) {
  const [type, format] = TYPES[field.type];
  return {
    type,
    ...(format && { format }),
    ...(type === 'array' && { items: { type: 'string' } }),
    ...(described && { description: field.description }),
    ...(field.default !== undefined && { default: field.default }),
  };
}
