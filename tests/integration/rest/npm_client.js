// SPDX-License-Identifier: Apache-2.0
// What a program written against OpenWhisk's npm client does; ends with 0 if all went as there.
'use strict';

const assert = require('assert');
const openwhisk = require('openwhisk');

const ow = openwhisk({
  apihost: process.env.BERTH_TEST_APIHOST,
  api_key: process.env.BERTH_TEST_KEY,
});

const name = 'npm-hello';
const code = `def main(args):
    print("log to stdout", args.get("name"))
    if "fail" in args:
        return {"error": {"code": 7}}
    return {"greeting": "Hello " + args.get("name", "stranger")}
`;

async function fails(promise, status) {
  try {
    await promise;
  } catch (error) {
    assert.strictEqual(error.statusCode, status, error.message);
    return error;
  }
  throw new Error(`no failure, ${status} was expected`);
}

async function eventually(ask) {
  for (let tries = 0; tries < 500; ++tries) {
    try {
      return await ask();
    } catch (error) {
      if (error.statusCode !== 404) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error('it never came');
}

async function main() {
  assert.deepStrictEqual(await ow.namespaces.list(), ['guest']);

  const created = await ow.actions.create({ name, action: code, kind: 'python:default' });
  assert.strictEqual(created.version, '0.0.1');
  const conflict = await fails(ow.actions.create({ name, action: code, kind: 'python:default' }), 409);
  assert.match(conflict.message, /resource already exists/);
  const updated = await ow.actions.update({
    name, action: code, kind: 'python:default',
    params: { name: 'Default' }, annotations: { note: 'x' }, limits: { timeout: 30000, memory: 128 },
  });
  assert.strictEqual(updated.version, '0.0.2');
  assert.strictEqual((await ow.actions.get(name)).exec.code, code);
  assert.strictEqual((await ow.actions.get({ name, code: false })).exec.code, undefined);
  const listed = await ow.actions.list({ limit: 200 });
  assert.ok(listed.some((action) => action.name === name));

  const result = await ow.actions.invoke({ name, params: { name: 'Ann' }, blocking: true, result: true });
  assert.deepStrictEqual(result, { greeting: 'Hello Ann' });
  const record = await ow.actions.invoke({ name, blocking: true });
  assert.strictEqual(record.response.status, 'success');
  assert.deepStrictEqual(record.response.result, { greeting: 'Hello Default' });
  const failed = await fails(ow.actions.invoke({ name, params: { fail: 1 }, blocking: true }), 502);
  assert.deepStrictEqual(failed.error.response.result, { error: { code: 7 } });
  const accepted = await ow.actions.invoke({ name, params: { name: 'Cy' } });
  const id = accepted.activationId;
  assert.match(id, /^[0-9a-f]{32}$/);

  const sequence = await ow.actions.create({ name: 'npm-sequence', sequence: [`/_/${name}`, `/guest/${name}`] });
  assert.deepStrictEqual(sequence.exec.components, [`/guest/${name}`, `/guest/${name}`]);
  const run = await ow.actions.invoke({ name: 'npm-sequence', params: { name: 'Ann' }, blocking: true });
  assert.deepStrictEqual(run.response.result, { greeting: 'Hello Default' });
  assert.strictEqual(run.logs.length, 2);
  const step = await eventually(() => ow.activations.get(run.logs[1]));
  assert.strictEqual(step.cause, run.activationId);
  await fails(ow.actions.update({ name: 'npm-sequence', sequence: ['/_/npm-sequence'] }), 400);
  await ow.actions.delete('npm-sequence');

  const kept = await eventually(() => ow.activations.get(id));
  assert.deepStrictEqual(kept.response.result, { greeting: 'Hello Cy' });
  const { logs } = await ow.activations.logs(id);
  assert.strictEqual(logs.length, 1);
  assert.match(logs[0], /stdout: log to stdout Cy$/);
  assert.deepStrictEqual((await ow.activations.result(id)).result, { greeting: 'Hello Cy' });
  const activations = await ow.activations.list({ name, limit: 10 });
  assert.ok(activations.some((activation) => activation.activationId === id));
  const documents = await ow.activations.list({ name, docs: true, since: kept.start, upto: kept.start });
  assert.ok(documents.some((activation) => activation.response.result.greeting === 'Hello Cy'));

  await fails(ow.actions.get('no-such-action'), 404);
  await fails(ow.actions.invoke({ name: 'no-such-action' }), 404);
  await fails(ow.activations.get('zz'), 400);
  const stranger = openwhisk({
    apihost: process.env.BERTH_TEST_APIHOST, api_key: '00000000-0000-4000-8000-000000000000:x',
  });
  await fails(stranger.actions.list(), 401);

  await ow.packages.create({ name: 'npm-pkg', package: { parameters: [{ key: 'name', value: 'Pkg' }] } });
  await ow.actions.create({ name: 'npm-pkg/inner', action: code, kind: 'python:default' });
  assert.strictEqual((await ow.packages.get('npm-pkg')).actions[0].name, 'inner');
  const inner = await ow.actions.invoke({ name: 'npm-pkg/inner', blocking: true, result: true });
  assert.deepStrictEqual(inner, { greeting: 'Hello Pkg' });
  await ow.triggers.create({ name: 'npm-trigger' });
  await ow.rules.create({ name: 'npm-rule', trigger: 'npm-trigger', action: name });
  assert.strictEqual((await ow.rules.get('npm-rule')).status, 'active');
  const fired = await ow.triggers.invoke({ name: 'npm-trigger', params: { name: 'Event' } });
  const event = await eventually(() => ow.activations.get(fired.activationId));
  assert.strictEqual(JSON.parse(event.logs[0]).rule, 'guest/npm-rule');
  await ow.rules.disable({ name: 'npm-rule' });
  assert.strictEqual((await ow.rules.get('npm-rule')).status, 'inactive');
  await ow.rules.enable({ name: 'npm-rule' });
  assert.ok((await ow.rules.list()).some((rule) => rule.name === 'npm-rule'));
  await ow.rules.delete('npm-rule');
  await ow.triggers.delete('npm-trigger');
  await fails(ow.packages.delete('npm-pkg'), 409);
  await ow.actions.delete('npm-pkg/inner');
  await ow.packages.delete('npm-pkg');

  await ow.actions.update({ name, action: code, kind: 'python:default', annotations: { 'web-export': true } });
  const made = await ow.routes.create({ basepath: '/npm', relpath: '/hello', operation: 'GET', action: name });
  assert.match(made.gwApiUrl, /\/api\/v1\/gw\/guest\/npm$/);
  const answer = await fetch(`${made.gwApiUrl}/hello?name=Gate`);
  assert.deepStrictEqual([answer.status, await answer.json()], [200, { greeting: 'Hello Gate' }]);
  const { apis } = await ow.routes.get({ basepath: '/npm' });
  assert.deepStrictEqual(Object.keys(apis[0].value.apidoc.paths), ['/hello']);
  assert.ok((await ow.routes.list()).apis.some((api) => api.value.apidoc.basePath === '/npm'));
  await ow.routes.delete({ basepath: '/npm' });
  await fails(ow.routes.delete({ basepath: '/npm' }), 404);

  const deleted = await ow.actions.delete(name);
  assert.strictEqual(deleted.name, name);
  await fails(ow.actions.delete(name), 404);
  console.log('npm client: all good');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
