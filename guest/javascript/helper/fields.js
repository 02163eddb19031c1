/** Fields: how a value that a client sent becomes a value of the type of its field. No error shows a value. */

import { mistake } from './errors.js';

/**
 * A field of a path.
 *
 * @typedef {object} Field
 * @property {string} name
 * @property {'string'|'int'|'bool'|'duration'|'strings'|'pairs'|'map'} type a duration is a number of seconds
 * @property {string} description for help and OpenAPI
 * @property {boolean} [required] for help and OpenAPI only: handlers check themselves
 * @property {*} [default] the value if the field is not sent
 */

/** For each type: its name in OpenAPI, its format there, and the function that reads a value. */
export const TYPES = {
  string: ['string', undefined, text],
  int: ['integer', 'int64', int],
  bool: ['boolean', undefined, bool],
  duration: ['integer', 'seconds', seconds],
  strings: ['array', undefined, strings],
  pairs: ['object', 'kvpairs', pairs],
  map: ['object', 'map', map],
};

/**
 * The values of a request, by the names of the fields. A field that was neither sent nor has a default is undefined.
 *
 * @param {Field[]} fields
 * @param {Record<string, unknown>} data what the client sent
 * @param {Record<string, string>} captures what the path contains; it wins over `data`
 * @returns {Record<string, any>}
 */
export function coerced(fields, data, captures) {
  const values = {};
  for (const { name, type, default: otherwise } of fields) {
    const sent = Object.hasOwn(captures, name) ? captures[name] : Object.hasOwn(data, name) ? data[name] : undefined;
    const [, , read] = TYPES[type];
    try {
      values[name] = (sent === undefined || sent === null ? undefined : read(sent)) ?? otherwise;
    } catch (problem) {
      if (typeof problem !== 'string') throw problem;
      throw mistake(`Field validation failed: error converting input for field "${name}": ${problem}`);
    }
  }
  return values;
}

function text(value) {
  if (typeof value === 'object') throw 'expected a text';
  return String(value);
}

function int(value) {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (!Number.isSafeInteger(number)) throw 'expected a whole number';
  return number;
}

function bool(value) {
  if (['true', '1', 't', true, 1].includes(lower(value))) return true;
  if (['false', '0', 'f', '', false, 0].includes(lower(value))) return false;
  throw 'expected true or false';
}

const lower = (value) => (typeof value === 'string' ? value.toLowerCase() : value);

const UNITS = { d: 86400, h: 3600, m: 60, s: 1 };

/** Seconds, or a text such as `1h30m`. Less than a second is refused: as 0 it would mean the default, or never. */
function seconds(value) {
  const parts = String(value).match(/^(?:\d+(?:\.\d+)?[dhms])+$/) ? String(value).match(/[\d.]+[dhms]/g) : undefined;
  const total = parts ? parts.reduce((sum, part) => sum + parseFloat(part) * UNITS[part.at(-1)], 0) : Number(value);
  if (!Number.isFinite(total) || typeof value === 'object' || value === true || value === false) {
    throw 'expected seconds or a duration such as 1h30m';
  }
  if (total < 0) throw 'expected a duration that is not negative';
  if (total > 0 && total < 1) throw 'expected a duration of whole seconds';
  return Math.trunc(total);
}

function strings(value) {
  const items = typeof value === 'string' ? (value === '' ? [] : value.split(',')) : value;
  if (!Array.isArray(items)) throw 'expected a list of texts';
  return items.map((item) => text(item).trim());
}

function pairs(value) {
  if (!Array.isArray(value) && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, text(item)]));
  }
  const split = (item) => {
    const at = item.indexOf('=');
    if (at < 1) throw 'expected pairs such as key=value';
    return [item.slice(0, at), item.slice(at + 1)];
  };
  return Object.fromEntries(strings(value).map(split));
}

function map(value) {
  if (typeof value !== 'object' || Array.isArray(value)) throw 'expected an object';
  return value;
}
