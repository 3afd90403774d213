// SPDX-License-Identifier: Apache-2.0
// What the skill says. It knows nothing of HTTP: the same handlers run anywhere.
'use strict';

const Alexa = require('ask-sdk-core');

const isIntent = (envelope, ...names) =>
  Alexa.getRequestType(envelope) === 'IntentRequest' &&
  names.includes(Alexa.getIntentName(envelope));

const launch = {
  canHandle: ({ requestEnvelope }) => Alexa.getRequestType(requestEnvelope) === 'LaunchRequest',
  handle: ({ responseBuilder }) =>
    responseBuilder
      .speak('Welcome to the harbour. Whom shall I greet?')
      .reprompt('Say: greet, and a name.')
      .getResponse(),
};

const greet = {
  canHandle: ({ requestEnvelope }) => isIntent(requestEnvelope, 'GreetIntent'),
  handle: ({ requestEnvelope, responseBuilder }) => {
    const name = Alexa.getSlotValue(requestEnvelope, 'name') || 'sailor';
    return responseBuilder
      .speak(`Hello, ${Alexa.escapeXmlCharacters(name)}, from a function on Berth.`)
      .withSimpleCard('Harbour', `Hello, ${name}`)
      .withShouldEndSession(true)
      .getResponse();
  },
};

const help = {
  canHandle: ({ requestEnvelope }) => isIntent(requestEnvelope, 'AMAZON.HelpIntent'),
  handle: ({ responseBuilder }) =>
    responseBuilder.speak('Say: greet, and a name.').reprompt('Whom shall I greet?').getResponse(),
};

const stop = {
  canHandle: ({ requestEnvelope }) =>
    isIntent(requestEnvelope, 'AMAZON.CancelIntent', 'AMAZON.StopIntent'),
  handle: ({ responseBuilder }) =>
    responseBuilder.speak('Fair winds.').withShouldEndSession(true).getResponse(),
};

// Alexa wants no words after the end.
const ended = {
  canHandle: ({ requestEnvelope }) =>
    Alexa.getRequestType(requestEnvelope) === 'SessionEndedRequest',
  handle: ({ requestEnvelope, responseBuilder }) => {
    console.log('session ended:', requestEnvelope.request.reason);
    return responseBuilder.getResponse();
  },
};

const failed = {
  canHandle: () => true,
  handle: ({ responseBuilder }, error) => {
    console.error(error);
    return responseBuilder
      .speak('I did not understand that. Say: greet, and a name.')
      .reprompt('Whom shall I greet?')
      .getResponse();
  },
};

const skill = Alexa.SkillBuilders.custom()
  .addRequestHandlers(launch, greet, help, stop, ended)
  .addErrorHandlers(failed)
  .create();

module.exports = { skill };
