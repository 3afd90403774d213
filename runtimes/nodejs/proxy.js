// SPDX-License-Identifier: Apache-2.0
// The Node.js action proxy: /init loads the user's code into this process, /run calls it. It
// answers
// as Apache's Node.js runtime does: states, statuses, texts, log lines and sentinels.
//
// The server is a hand-written one over `net` (http_server.js): the http module costs more at
// the start
// and per request, and its idle time-out would make pooled connections stale.
'use strict';

const { serve } = require('./http_server.js');
const { loadAction } = require('./loader.js');
const { serializeError } = require('./serialize_error.js');

const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n';

// The action may replace what hangs on the stream objects; the prototype's write stays ours.
function writeSentinel(stream) {
  const write = Object.getPrototypeOf(stream).write;
  return new Promise((resolve) => write.call(stream, SENTINEL, () => resolve()));
}

function endOfActivation() {
  return Promise.all([writeSentinel(process.stdout), writeSentinel(process.stderr)]);
}

function reply(status, value) {
  return { status, body: JSON.stringify(value) };
}

function refuse(status, message) {
  return reply(status, { error: message });
}

function refuseAloud(message) {
  console.error('Internal system error:', message);
  return refuse(403, message);
}

// What JSON.parse takes for the keys of an object, express.json takes for a body: objects and
// arrays only.
function parseBody(body) {
  if (body.length === 0) return {};
  const value = JSON.parse(body.toString('utf8'));
  if (typeof value !== 'object' || value === null) throw new SyntaxError('not an object');
  return value;
}

class Service {
  constructor(allowConcurrent) {
    this.allowConcurrent = allowConcurrent;
    this.status = 'ready'; // ready, starting, running; stopped is for good
    this.main = undefined;
  }

  setStatus(status) {
    if (this.status !== 'stopped') this.status = status;
  }

  async handle(request) {
    let message;
    try {
      message = parseBody(request.body);
    } catch {
      return refuse(500, 'Bad request.');
    }
    try {
      if (request.method === 'POST' && request.path === '/run') return await this.run(message);
      if (request.method === 'POST' && request.path === '/init') return await this.init(message);
    } catch {
      // Not the action's doing but what it left us to handle: an error that cannot even be printed.
      return refuse(500, 'Internal error (exception).');
    }
    return refuse(500, 'Bad request.');
  }

  async init(message) {
    if (this.main !== undefined) return refuseAloud('Cannot initialize the action more than once.');
    if (this.status !== 'ready') return refuseAloud(`System not ready, status is ${this.status}.`);
    const value = message.value || {};
    if (
      !value.main ||
      !value.code ||
      typeof value.main !== 'string' ||
      typeof value.code !== 'string'
    ) {
      return refuse(403, 'Missing main/no code to execute.');
    }
    this.setStatus('starting');
    Service.applyInitEnvironment(value.env);
    try {
      this.main = await loadAction(value);
      this.setStatus('ready');
      return reply(200, { OK: true });
    } catch (error) {
      this.setStatus('stopped');
      console.error('Error during initialization:', error);
      await endOfActivation();
      const text = error && error.stack ? String(error.stack) : String(error);
      return refuse(502, `Initialization has failed due to: ${text}`);
    }
  }

  static applyInitEnvironment(env) {
    if (!env || typeof env !== 'object') return;
    for (const [name, value] of Object.entries(env)) {
      if (typeof value === 'object' && value !== null) process.env[name] = JSON.stringify(value);
      else process.env[name] = value ? value.toString() : '';
    }
  }

  async run(message) {
    if (this.main === undefined) return refuseAloud('System not initialized.');
    if (this.status !== 'ready') return refuseAloud(`System not ready, status is ${this.status}.`);
    if (!this.allowConcurrent) this.setStatus('running');
    let value = message.value;
    if (value === null || value === undefined) value = {};
    if (typeof value !== 'object') {
      // Apache's proxy stays "running" here too; the container is given up after a 403 anyway.
      return refuseAloud(
        `Internal system error: the argument must be a dictionary but has type '${typeof value}'.`,
      );
    }
    for (const [name, text] of Object.entries(message)) {
      if (typeof text === 'string' && name !== 'value')
        process.env['__OW_' + name.toUpperCase()] = text;
    }
    let result;
    try {
      result = await this.call(value);
    } catch (error) {
      this.setStatus('stopped');
      console.error(error);
      await endOfActivation();
      return refuse(502, `An error has occurred: ${error}`);
    }
    if (typeof result !== 'object') {
      console.error(`Result must be of type object but has type "${typeof result}":`, result);
    }
    await endOfActivation();
    if (!this.allowConcurrent) this.setStatus('ready');
    return Service.resultReply(result);
  }

  // Throws what the action throws synchronously; a rejected promise is a result with `error`.
  async call(value) {
    const { main } = this; // the action's `this` is not our service
    const pending = main(value);
    try {
      const result = await pending;
      return result === undefined ? {} : result;
    } catch (error) {
      return { error: error ? serializeError(error) : {} };
    }
  }

  static resultReply(result) {
    if (typeof result !== 'object') return refuse(502, 'The action did not return a dictionary.');
    let body;
    try {
      body = JSON.stringify(result);
    } catch (error) {
      console.error('The result cannot be written as JSON:', error.message);
    }
    return body === undefined ? refuse(500, 'Internal error.') : { status: 200, body };
  }
}

const service = new Service(String(process.env.__OW_ALLOW_CONCURRENT).toLowerCase() === 'true');
const listenFd = process.env.BERTH_LISTEN_FD;
const port = process.env.BERTH_PORT || '8080';
delete process.env.BERTH_LISTEN_FD;
delete process.env.BERTH_PORT;
serve(listenFd ? { fd: Number(listenFd) } : { port: Number(port), host: '0.0.0.0' }, (request) =>
  service.handle(request),
);
