// SPDX-License-Identifier: Apache-2.0
// The web action: what comes from Alexa goes to the skill, all else is refused. It is made with
// `--web raw`, since the signature is over the bytes of the body as they came.
'use strict';

const { ChainUnavailable, Refused, verifyRequest, verifyTime } = require('./verify.js');
const { skill } = require('./skill.js');

function refuse(statusCode, error) {
  console.error(`refused with ${statusCode}: ${error}`);
  return { statusCode, body: { error } };
}

// A raw web action gets JSON as base64; of any other type there is nothing that Alexa sends.
function bytesOf(args) {
  const type = (args.__ow_headers['content-type'] || '').split(';')[0].trim().toLowerCase();
  if (type !== 'application/json') throw new Refused('the body is no JSON');
  return Buffer.from(args.__ow_body || '', 'base64');
}

function parse(body) {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new Refused('the body is no JSON');
  }
}

// Only the action's own parameters are settings: those of a request stay in __ow_query and
// __ow_body. `trust_root`: PEM, in place of the public authorities. `chain_server`: where to ask
// for the path of a chain URL in place of its host. `chains`: chains that need no asking, PEM by
// URL. `skill_id`: the only skill that may ask.
async function main(args) {
  if (args.__ow_method !== 'post') return refuse(405, 'Alexa sends POST');
  try {
    const body = bytesOf(args);
    await verifyRequest(args.__ow_headers, body, {
      trustRoot: args.trust_root,
      chainServer: args.chain_server,
      chains: args.chains,
    });
    const envelope = parse(body);
    verifyTime(envelope);
    const asking = envelope.context?.System?.application?.applicationId;
    if (args.skill_id && asking !== args.skill_id) {
      return refuse(403, 'the request is for another skill');
    }
    return { statusCode: 200, body: await skill.invoke(envelope) };
  } catch (error) {
    if (error instanceof Refused) return refuse(400, error.message);
    if (error instanceof ChainUnavailable) return refuse(503, error.message);
    throw error;
  }
}

exports.main = main;
