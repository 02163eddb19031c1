/** Frees a handle of the host, such as a lock, before the request ends. */
export const free = (handle) => handle[Symbol.dispose ?? Symbol.for('dispose')]();
