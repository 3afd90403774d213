// SPDX-License-Identifier: Apache-2.0
// Whether a request comes from Alexa, by the rules that Amazon gives to services that are skills:
// the header `SignatureCertChainUrl` says where a certificate chain is, which must lead from
// echo-api.amazon.com to an authority that we trust; its key must have made the signature of the
// body in `Signature-256`; and the request must not be old, so that it cannot be sent again.
'use strict';

const crypto = require('crypto');
const http = require('http');
const https = require('https');
const tls = require('tls');

const CHAIN_HOST = 's3.amazonaws.com';
const CHAIN_FOLDER = '/echo.api/';
const SIGNER = 'echo-api.amazon.com';
const TOLERANCE_MS = 150_000;
const FETCH_MS = 5_000;
const MAX_CHAIN_BYTES = 64 * 1024;
const MAX_CHAIN_LENGTH = 8;
const MAX_KEPT = 8;

// It does not come from Alexa, or we cannot tell.
class Refused extends Error {}
// It may well come from Alexa: the chain could not be had.
class ChainUnavailable extends Error {}

// The URL, with its dots resolved. Case matters in the path only.
function checkChainUrl(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    throw new Refused('SignatureCertChainUrl is missing, or no URL');
  }
  const right =
    url.protocol === 'https:' &&
    url.hostname === CHAIN_HOST &&
    url.port === '' && // that of https is left out
    url.username === '' &&
    url.password === '' &&
    url.pathname.startsWith(CHAIN_FOLDER);
  if (!right) throw new Refused('SignatureCertChainUrl is not at Amazon');
  return url;
}

// One GET, within time and size and without redirections.
function fetchText(url) {
  return new Promise((resolve, reject) => {
    const client = url.protocol === 'http:' ? http : https;
    const fail = (reason) => {
      request.destroy();
      reject(new ChainUnavailable(`the certificate chain could not be fetched: ${reason}`));
    };
    const request = client.get(url, { agent: false }, (response) => {
      if (response.statusCode !== 200) return fail(`status ${response.statusCode}`);
      const parts = [];
      let size = 0;
      response.on('data', (part) => {
        parts.push(part);
        size += part.length;
        if (size > MAX_CHAIN_BYTES) fail('it is too large');
      });
      response.on('end', () => resolve(Buffer.concat(parts).toString('latin1')));
      response.on('error', (error) => fail(error.message));
    });
    request.on('error', (error) => fail(error.message));
    const timer = setTimeout(() => fail('no answer in time'), FETCH_MS);
    request.on('close', () => clearTimeout(timer));
  });
}

function certificatesOf(pem, what) {
  const blocks = String(pem).match(
    /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g,
  );
  try {
    return (blocks || []).map((block) => new crypto.X509Certificate(block));
  } catch (error) {
    throw new Refused(`${what} cannot be read: ${error.message}`);
  }
}

function checkValid(certificate, now) {
  // A date that cannot be read compares as false, and so is refused.
  const valid = Date.parse(certificate.validFrom) <= now && now <= Date.parse(certificate.validTo);
  if (!valid) throw new Refused('a certificate of the chain is expired, or not valid yet');
}

// Names, key usage and signature; whoever issues must be an authority.
function issued(issuer, certificate) {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

// The public authorities are read when they are needed first, and then kept.
let publicRoots;
function rootsOf(trustRoot) {
  if (trustRoot) return certificatesOf(trustRoot, 'trust_root');
  publicRoots ||= tls.rootCertificates.map((pem) => new crypto.X509Certificate(pem));
  return publicRoots;
}

// The signer's key, if each certificate is issued by the next one and some one by a root.
function checkChain(pem, roots, now) {
  const chain = certificatesOf(pem, 'the certificate chain');
  if (chain.length === 0 || chain.length > MAX_CHAIN_LENGTH) {
    throw new Refused('the certificate chain is empty, or too long');
  }
  if (!chain[0].checkHost(SIGNER, { subject: 'never', wildcards: false })) {
    throw new Refused(`the certificate is not that of ${SIGNER}`);
  }
  for (const [at, certificate] of chain.entries()) {
    checkValid(certificate, now);
    const root = roots.find((candidate) => issued(candidate, certificate));
    if (root) {
      checkValid(root, now);
      return chain[0].publicKey;
    }
    if (at + 1 < chain.length && !issued(chain[at + 1], certificate)) break;
  }
  throw new Refused('the certificate chain leads to no authority that is trusted');
}

// Chains that were right, by where they were had: Alexa uses one for months. Each request checks
// them anew, since they end some day.
const kept = new Map();

async function signerKey(url, settings, now) {
  const roots = rootsOf(settings.trustRoot);
  const given = settings.chains && settings.chains[url.href];
  if (given) return checkChain(given, roots, now);
  const place = settings.chainServer ? new URL(url.pathname, settings.chainServer) : url;
  const known = kept.get(place.href);
  const pem = known || (await fetchText(place));
  try {
    const key = checkChain(pem, roots, now);
    if (!known) {
      if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value);
      kept.set(place.href, pem);
    }
    return key;
  } catch (error) {
    kept.delete(place.href);
    throw error;
  }
}

// `headers` by their names in lower case; `body`: the bytes. Throws Refused, ChainUnavailable.
async function verifyRequest(headers, body, settings, now = Date.now()) {
  const url = checkChainUrl(headers.signaturecertchainurl);
  const signature = Buffer.from(headers['signature-256'] || '', 'base64');
  if (signature.length === 0) throw new Refused('Signature-256 is missing');
  const key = await signerKey(url, settings, now);
  if (!crypto.verify('sha256', body, key, signature)) {
    throw new Refused('the signature is not that of the body');
  }
}

// `envelope`: the body, once its signature is known to be right.
function verifyTime(envelope, now = Date.now()) {
  const sent = Date.parse(envelope?.request?.timestamp);
  // Also for what is no time at all.
  if (!(Math.abs(now - sent) <= TOLERANCE_MS)) throw new Refused('the request is not of now');
}

module.exports = { ChainUnavailable, Refused, checkChainUrl, verifyRequest, verifyTime };
