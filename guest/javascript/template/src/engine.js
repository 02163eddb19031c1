/** The start of a secrets engine: it stores greetings, leases passes, and asks an upstream about visitors. */

import { Backend } from '../helper/backend.js';
import { API_TOKEN, CONFIG, PREFIX as CONFIG_PREFIX } from './config.js';
import { GREETING, GREETINGS } from './greeting.js';
import { PASS, PASSES, PREFIX as PASS_PREFIX } from './pass.js';
import { VISITOR } from './visitor.js';

/** The engine as one table, the source of routing, help and the OpenAPI document. */
export const BACKEND = new Backend({
  name: 'greeter',
  // The version of the module: raise it with each change.
  version: '0.1.0',
  help: 'Stores a greeting for each visitor, gives passes to those who have one, and asks an upstream about visitors.',
  // A pass and a token are secrets: the seal of the server encrypts them a second time, if it can.
  specialPaths: { sealWrapStorage: [PASS_PREFIX, CONFIG_PREFIX] },
  // Raise the version when the stored form changes, so that the host knows whether it could revert an update.
  storageVersions: { written: 1, readableFrom: 1 },
  paths: [GREETINGS, GREETING, PASSES, CONFIG, VISITOR],
  secrets: [PASS],
  secretClasses: [API_TOKEN],
});
