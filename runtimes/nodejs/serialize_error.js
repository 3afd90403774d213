// SPDX-License-Identifier: Apache-2.0
// What a rejected promise carries, as plain JSON data: JSON.stringify alone would turn an Error
// into {}.
'use strict';

const ERROR_PROPERTIES = ['name', 'message', 'stack', 'code', 'cause', 'errors'];

function copy(value, seen) {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null) return value;
  if (Buffer.isBuffer(value)) return '[object Buffer]';
  if (typeof value.pipe === 'function') return '[object Stream]';
  if (typeof value.toJSON === 'function') return value.toJSON();
  if (seen.includes(value)) return '[Circular]';
  const inner = [...seen, value];
  if (Array.isArray(value)) return value.map((item) => copy(item, inner));
  const result = {};
  for (const [name, item] of Object.entries(value)) {
    if (typeof item !== 'function') result[name] = copy(item, inner);
  }
  if (value instanceof Error || Object.prototype.toString.call(value) === '[object Error]') {
    for (const name of ERROR_PROPERTIES) {
      if (value[name] !== undefined && value[name] !== null && !(name in result))
        result[name] = copy(value[name], inner);
    }
  }
  return result;
}

// Returns JSON-ready data; never throws for what an action can reject with, getters apart.
function serializeError(error) {
  if (typeof error === 'function') return `[Function: ${error.name || 'anonymous'}]`;
  return copy(error, []);
}

module.exports = { serializeError };
