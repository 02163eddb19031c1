/** What the module exports. Everything else of the engine runs in node, too. */

import { exportEngine } from '../helper/component.js';
import { http } from '../helper/http.js';
import { BACKEND } from './engine.js';

export const { backend, declaration, existence } = exportEngine(BACKEND, { http });
