// SPDX-License-Identifier: Apache-2.0
// Bounded extraction of an action's zip archive.
//
// The archive comes from whoever created the action, so nothing in it is believed: every name
// must stay
// below the directory, every size is checked while inflating, symbolic links may only point
// downwards
// and are made last, so that no file is ever written through one.
'use strict';

const fs = require('fs');
const zlib = require('zlib');

const MAX_DIRECTORIES = 16384;
const MAX_TOTAL_BYTES = 512 * 1024 * 1024;
const MAX_NAME_BYTES = 1024;
const MAX_LINK_BYTES = 4096;
const TOO_LARGE = 'the action archive unpacks to more than is allowed';
const DAMAGED = 'the action archive is damaged';

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;

let crcTable;

function crc32(bytes) {
  if (zlib.crc32) return zlib.crc32(bytes);
  if (crcTable === undefined) {
    crcTable = new Uint32Array(256);
    for (let i = 0; i < 256; i++) {
      let c = i;
      for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
      crcTable[i] = c;
    }
  }
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function findDirectory(data) {
  for (let at = data.length - 22; at >= 0 && at >= data.length - 65557; at--) {
    if (data.readUInt32LE(at) !== END_SIGNATURE) continue;
    const count = data.readUInt16LE(at + 10);
    const size = data.readUInt32LE(at + 12);
    const offset = data.readUInt32LE(at + 16);
    if (
      data.readUInt32LE(at + 4) !== 0 ||
      data.readUInt16LE(at + 8) !== count ||
      offset === 0xffffffff
    ) {
      throw new Error('the action archive is split or uses zip64, which is not supported');
    }
    if (offset + size > at) throw new Error(DAMAGED);
    return { offset, end: at, count };
  }
  throw new Error('the action archive has no central directory');
}

function safeParts(name) {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name === '' || name.startsWith('/') || name.includes('\0') || parts.includes('..')) {
    throw new Error(`the action archive holds an unsafe name: ${JSON.stringify(name)}`);
  }
  return parts;
}

function* entries(data) {
  const directory = findDirectory(data);
  let at = directory.offset;
  for (let i = 0; i < directory.count; i++) {
    if (at + 46 > directory.end || data.readUInt32LE(at) !== ENTRY_SIGNATURE)
      throw new Error(DAMAGED);
    const nameLength = data.readUInt16LE(at + 28);
    const next = at + 46 + nameLength + data.readUInt16LE(at + 30) + data.readUInt16LE(at + 32);
    if (next > directory.end) throw new Error(DAMAGED);
    if (nameLength > MAX_NAME_BYTES)
      throw new Error('the action archive holds a name that is too long');
    const entry = {
      method: data.readUInt16LE(at + 10),
      crc: data.readUInt32LE(at + 16),
      size: data.readUInt32LE(at + 24),
      name: data.toString('utf8', at + 46, at + 46 + nameLength),
      mode: data[at + 5] === 3 ? data.readUInt16LE(at + 40) : 0,
    };
    if (data.readUInt16LE(at + 8) & 1) throw new Error('the action archive is encrypted');
    const packed = data.readUInt32LE(at + 20);
    const local = data.readUInt32LE(at + 42);
    at = next;
    if (local + 30 > directory.end || data.readUInt32LE(local) !== LOCAL_SIGNATURE)
      throw new Error(DAMAGED);
    const start = local + 30 + data.readUInt16LE(local + 26) + data.readUInt16LE(local + 28);
    if (start + packed > directory.end) throw new Error(DAMAGED);
    entry.packed = data.subarray(start, start + packed);
    yield entry;
  }
}

function content(entry) {
  let bytes;
  if (entry.method === 0) {
    bytes = entry.packed;
  } else if (entry.method === 8) {
    try {
      bytes = zlib.inflateRawSync(entry.packed, { maxOutputLength: Math.max(entry.size, 1) });
    } catch {
      throw new Error(DAMAGED);
    }
  } else {
    throw new Error(
      `the action archive uses compression method ${entry.method}, which is not supported`,
    );
  }
  if (bytes.length !== entry.size || crc32(bytes) !== entry.crc) throw new Error(DAMAGED);
  return bytes;
}

// Only leading '..' within the link's own depth: the rest cannot climb, so chains stay below the
// root.
function checkLink(parts, target) {
  const steps = target.split('/').filter((step) => step !== '' && step !== '.');
  let climbs = 0;
  while (steps[climbs] === '..') climbs++;
  const climbsLater = steps.slice(climbs).includes('..');
  if (
    steps.length === 0 ||
    target.startsWith('/') ||
    climbs >= parts.length ||
    climbsLater ||
    target.includes('\0')
  ) {
    throw new Error(`the action archive holds an unsafe link: ${JSON.stringify(parts.join('/'))}`);
  }
}

function writeFile(path, entry) {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = fs.constants;
  const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o644);
  try {
    fs.writeFileSync(fd, content(entry));
    if (entry.mode & 0o111) fs.fchmodSync(fd, 0o755);
  } finally {
    fs.closeSync(fd);
  }
}

// Writes the archive's files below the directory. Throws an Error that says why not; leaves what
// was written.
function extract(data, directory) {
  const made = new Set([directory]);
  const links = [];
  let total = 0;

  function makeDirectory(parts) {
    let path = directory;
    for (const part of parts) {
      path += '/' + part;
      if (made.has(path)) continue;
      if (made.size > MAX_DIRECTORIES) throw new Error(TOO_LARGE);
      fs.mkdirSync(path, { mode: 0o755 });
      made.add(path);
    }
    return path;
  }

  for (const entry of entries(data)) {
    total += entry.size;
    if (total > MAX_TOTAL_BYTES) throw new Error(TOO_LARGE);
    const parts = safeParts(entry.name);
    if (entry.name.endsWith('/') || parts.length === 0) {
      makeDirectory(parts);
      continue;
    }
    const path = `${makeDirectory(parts.slice(0, -1))}/${parts[parts.length - 1]}`;
    const type = entry.mode & 0o170000;
    if (type === 0o120000) {
      if (entry.size > MAX_LINK_BYTES)
        throw new Error(`the action archive holds an unsafe link: ${JSON.stringify(entry.name)}`);
      const target = content(entry).toString('utf8');
      checkLink(parts, target);
      links.push([target, path]);
    } else if (type === 0 || type === 0o100000) {
      writeFile(path, entry);
    } else {
      throw new Error(`the action archive holds a special file: ${JSON.stringify(entry.name)}`);
    }
  }
  for (const [target, path] of links) fs.symlinkSync(target, path);
}

module.exports = { extract };
