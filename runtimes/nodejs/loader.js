// SPDX-License-Identifier: Apache-2.0
// From the value of /init to the function to call. Text is compiled as a CommonJS module whose last
// expression is `main`; a zip is unpacked into a fresh directory and required from there.
// Rejects with the error, or with a text where Apache's runtime does.
'use strict';

const fs = require('fs');
const Module = require('module');
const path = require('path');

function checkFunction(candidate, name) {
  if (typeof candidate !== 'function') throw `Action entrypoint '${name}' is not a function.`;
  return candidate;
}

// A syntax error's stack begins with the place and the source line; clients expect the error there.
function withPlaceAsFrame(error, filename) {
  if (error instanceof SyntaxError && String(error.stack).startsWith(filename)) {
    const [place, ...lines] = error.stack.split('\n');
    const frames = lines.filter((line) => line.startsWith('    at '));
    error.stack = [String(error), `    at ${place}`, ...frames].join('\n');
  }
  return error;
}

function loadText(code, main) {
  const directory = process.cwd();
  const filename = path.join(directory, 'action.js');
  const module = new Module(filename, null);
  module.filename = filename;
  module.paths = Module._nodeModulePaths(directory);
  // A function that is exported only is found there when there is no variable of its name.
  const last = `
try { return ${main} } catch (e) {
  if (e.name === 'ReferenceError') return module.exports.${main} || exports.${main};
  throw e;
}`;
  let found;
  try {
    found = module._compile(code + last, filename);
  } catch (error) {
    throw withPlaceAsFrame(error, filename);
  }
  return checkFunction(found, main);
}

function makeActionDirectory() {
  try {
    return fs.mkdtempSync(path.join(process.env.TMPDIR || '/tmp', 'berth-action-'));
  } catch {
    return fs.mkdtempSync(path.join(process.cwd(), 'berth-action-'));
  }
}

function unpack(archive) {
  if (archive.subarray(0, 4).toString('latin1') !== 'PK\x03\x04') {
    throw 'There was an error uncompressing the action archive. The file type is unsupported';
  }
  const { extract } = require('./archive.js');
  const directory = fs.realpathSync(makeActionDirectory());
  try {
    extract(archive, directory);
  } catch (error) {
    throw `There was an error uncompressing the action Zip archive. ${error.message}`;
  }
  return directory;
}

// "name" is a function of the package, "file.name" one of that file; both may go on with further
// dots.
function splitMain(main) {
  const dot = main.indexOf('.');
  if (dot < 0) return [undefined, main];
  if (dot === 0 || dot === main.length - 1) throw 'Name of main function is not valid.';
  return [main.slice(0, dot), main.slice(dot + 1)];
}

// require() refuses ES modules before Node.js 22; import() takes them everywhere.
async function load(target, directory) {
  const requireHere = Module.createRequire(path.join(directory, 'action.js'));
  try {
    return requireHere(target);
  } catch (error) {
    if (error.code !== 'ERR_REQUIRE_ESM' && error.code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error;
    return import(require('url').pathToFileURL(requireHere.resolve(target)).href);
  }
}

function resolveTarget(file, directory) {
  if (file !== undefined) return path.join(directory, file);
  if (fs.existsSync('package.json') || fs.existsSync('index.js')) return directory;
  if (fs.existsSync('index.mjs')) return path.join(directory, 'index.mjs');
  throw 'Zipped actions must contain either package.json or index.js at the root.';
}

function findProperty(owner, name) {
  return name
    .split('.')
    .reduce(
      (value, key) => (value === undefined || value === null ? undefined : value[key]),
      owner,
    );
}

async function loadArchive(code, main) {
  const directory = unpack(Buffer.from(code, 'base64'));
  const [file, name] = splitMain(main);
  process.chdir(directory);
  const exported = await load(resolveTarget(file, directory), directory);
  const found = findProperty(exported, name);
  return checkFunction(found === undefined ? findProperty(exported.default, name) : found, main);
}

async function loadAction({ code, main, binary }) {
  return binary ? loadArchive(code, main) : loadText(code, main);
}

module.exports = { loadAction };
