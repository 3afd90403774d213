// SPDX-License-Identifier: Apache-2.0
// A universal function, as helix-deploy wraps it.
'use strict';

const { Response } = require('@adobe/fetch');

module.exports.main = async (request) => {
  const { searchParams } = new URL(request.url);
  console.log('asked by', searchParams.get('name'));
  return new Response(`Hello, ${searchParams.get('name')}!`, { headers: { 'x-made-by': 'berth' } });
};
