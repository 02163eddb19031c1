// `npm run build`: makes the module, a file named by the engine and its version.

import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';
import { BACKEND } from './src/engine.js';

const { component } = await componentize({
  sourcePath: 'src/component.js',
  witPath: 'wit',
  worldName: 'module',
  // The host has none of these: HTTP goes through helper/http.js, time and the log through the host of a context.
  disableFeatures: ['http', 'fetch-event', 'stdio', 'clocks'],
});
const file = `${BACKEND.name}-${BACKEND.version}.wasm`;
await writeFile(file, component);
console.log(`${file}: ${component.length} bytes`);
