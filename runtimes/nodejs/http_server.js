// SPDX-License-Identifier: Apache-2.0
// A bounded HTTP/1.1 server side over net sockets. It knows requests and replies, nothing of
// actions.
//
// RequestReader is fed with what arrived and yields whole requests, however the bytes were
// split; it
// throws BadRequest for malformed or oversize input, after which the connection is to be closed.
// Requests of one connection are answered one after the other, those of several at the same time.
'use strict';

const net = require('net');

const MAX_HEAD = 64 * 1024;
// The largest code is 48 MiB of text or base64; JSON escapes and the init environment come on top.
const MAX_BODY = 64 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);

const REASONS = {
  200: 'OK',
  400: 'Bad Request',
  403: 'Forbidden',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
};

class BadRequest extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Bytes received and not yet consumed: pieces are joined only when somebody looks inside.
class ByteQueue {
  constructor() {
    this.pieces = [];
    this.length = 0;
  }

  push(piece) {
    this.pieces.push(piece);
    this.length += piece.length;
  }

  peek() {
    if (this.pieces.length > 1) this.pieces = [Buffer.concat(this.pieces, this.length)];
    return this.pieces.length ? this.pieces[0] : EMPTY;
  }

  take(count) {
    const all = this.peek();
    const rest = all.subarray(count);
    this.pieces = rest.length ? [rest] : [];
    this.length = rest.length;
    return all.subarray(0, count);
  }
}

class RequestReader {
  constructor() {
    this.queue = new ByteQueue();
    this.head = null;
    this.chunks = null;
    this.chunkLeft = -1;
    this.wantsContinue = false;
  }

  feed(data) {
    this.queue.push(data);
  }

  // The next whole request {method, path, body, keepAlive}, or null when more bytes are needed.
  next() {
    if (this.head === null && !this.takeHead()) return null;
    let body;
    if (this.chunks === null) {
      if (this.queue.length < this.head.length) return null;
      body = this.queue.take(this.head.length);
    } else {
      body = this.takeChunks();
      if (body === null) return null;
    }
    const { method, path, keepAlive } = this.head;
    this.head = null;
    this.wantsContinue = false;
    return { method, path, body, keepAlive };
  }

  takeHead() {
    if (this.queue.length === 0) return false;
    const end = this.queue.peek().indexOf('\r\n\r\n');
    if (end < 0 || end > MAX_HEAD) {
      if (this.queue.length >= MAX_HEAD) throw new BadRequest(431, 'the request head is too long');
      return false;
    }
    this.parseHead(this.queue.take(end + 4).latin1Slice(0, end));
    return true;
  }

  parseHead(text) {
    const lines = text.split('\r\n');
    const line = /^([A-Za-z]+) (\/[^ ]*) HTTP\/1\.([01])$/.exec(lines[0]);
    if (line === null) throw new BadRequest(400, 'malformed request line');
    let keepAlive = line[3] === '1';
    let length = -1;
    let chunked = false;
    for (let i = 1; i < lines.length; i++) {
      const colon = lines[i].indexOf(':');
      const name = lines[i].slice(0, colon).toLowerCase();
      if (colon <= 0 || name !== name.trim()) throw new BadRequest(400, 'malformed header');
      const value = lines[i].slice(colon + 1).trim();
      if (name === 'content-length') {
        if (!/^[0-9]{1,15}$/.test(value) || (length >= 0 && length !== Number(value))) {
          throw new BadRequest(400, 'malformed Content-Length');
        }
        length = Number(value);
      } else if (name === 'transfer-encoding') {
        if (value.toLowerCase() !== 'chunked' || chunked)
          throw new BadRequest(501, 'unsupported Transfer-Encoding');
        chunked = true;
      } else if (name === 'connection') {
        const options = value.toLowerCase();
        if (options.includes('close')) keepAlive = false;
        else if (options.includes('keep-alive')) keepAlive = true;
      } else if (name === 'expect') {
        this.wantsContinue = value.toLowerCase() === '100-continue';
      }
    }
    if (chunked && length >= 0)
      throw new BadRequest(400, 'both Content-Length and Transfer-Encoding');
    if (length > MAX_BODY) throw new BadRequest(413, 'the request body is too large');
    this.chunks = chunked ? [] : null;
    this.chunkedLength = 0;
    this.chunkLeft = -1;
    const query = line[2].indexOf('?');
    const path = query < 0 ? line[2] : line[2].slice(0, query);
    this.head = { method: line[1], path, length: Math.max(length, 0), keepAlive };
  }

  takeChunks() {
    for (;;) {
      if (this.chunkLeft < 0) {
        const end = this.queue.peek().indexOf('\r\n');
        if (end < 0) {
          if (this.queue.length > MAX_HEAD) throw new BadRequest(400, 'malformed chunk');
          return null;
        }
        const size = this.queue.peek().latin1Slice(0, end).split(';')[0].trim();
        if (!/^[0-9a-fA-F]{1,8}$/.test(size)) throw new BadRequest(400, 'malformed chunk size');
        const left = parseInt(size, 16);
        if (left === 0) return this.takeTrailer(end + 2);
        if (this.chunkedLength + left > MAX_BODY)
          throw new BadRequest(413, 'the request body is too large');
        this.queue.take(end + 2);
        this.chunkLeft = left;
      }
      if (this.queue.length < this.chunkLeft + 2) return null;
      this.chunks.push(this.queue.take(this.chunkLeft));
      this.chunkedLength += this.chunkLeft;
      if (this.queue.take(2).latin1Slice() !== '\r\n') throw new BadRequest(400, 'malformed chunk');
      this.chunkLeft = -1;
    }
  }

  takeTrailer(start) {
    const bytes = this.queue.peek();
    let end = start - 2;
    if (bytes.latin1Slice(start, start + 2) !== '\r\n') {
      end = bytes.indexOf('\r\n\r\n', start);
      if (end < 0) {
        if (bytes.length > start + MAX_HEAD) throw new BadRequest(431, 'the trailer is too long');
        return null;
      }
    }
    this.queue.take(end + 4);
    return Buffer.concat(this.chunks, this.chunkedLength);
  }
}

function formatReply(status, body, keepAlive) {
  return (
    `HTTP/1.1 ${status} ${REASONS[status]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n` +
    `Connection: ${keepAlive ? 'keep-alive' : 'close'}\r\n\r\n${body}`
  );
}

class Connection {
  constructor(socket, handle) {
    this.socket = socket;
    this.handle = handle;
    this.reader = new RequestReader();
    this.busy = false;
    this.ended = false;
    this.closed = false;
    socket.on('data', (data) => {
      if (this.closed) return;
      this.reader.feed(data);
      this.proceed();
    });
    socket.on('end', () => {
      this.ended = true;
      if (!this.busy) this.close();
    });
    socket.on('error', () => this.close()); // the peer is gone; what it asked for runs all the same
  }

  close() {
    this.closed = true;
    this.socket.end();
  }

  proceed() {
    if (this.busy || this.closed) return;
    let request;
    try {
      request = this.reader.next();
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      this.socket.write(formatReply(error.status, JSON.stringify({ error: error.message }), false));
      this.close();
      return;
    }
    if (request !== null) {
      this.answer(request);
    } else if (this.reader.wantsContinue) {
      this.reader.wantsContinue = false;
      this.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    }
  }

  async answer(request) {
    this.busy = true;
    const { status, body } = await this.handle(request);
    this.busy = false;
    if (this.closed) return;
    this.socket.write(formatReply(status, body, request.keepAlive));
    if (!request.keepAlive || this.ended) this.close();
    else this.proceed();
  }
}

// Serves until the process ends. `handle` takes a request and promises {status, body: JSON
// text}; it never rejects.
function serve(listenOptions, handle) {
  const server = net.createServer(
    { allowHalfOpen: true, noDelay: true },
    (socket) => new Connection(socket, handle),
  );
  server.listen(listenOptions);
}

module.exports = { serve };
