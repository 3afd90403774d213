// SPDX-License-Identifier: Apache-2.0
'use strict';

exports.greet = (args) => {
  const name = args.name || 'stranger';
  console.log('greeting', name);
  const text = `${args.greeting}, ${name}!`;
  // Asked for a whole HTTP answer, when the path names somebody.
  if (args.__ow_path) return { headers: { 'content-type': 'text/plain' }, body: `${text} ${args.__ow_path}` };
  return { text };
};

exports.shout = (args) => ({ text: args.text.toUpperCase() });

exports.price = (args) => ({ price: `1 ${args.currency}` });

exports.ordered = (args) => {
  console.log('ordered', args.item, 'in', args.shop);
  return { item: args.item };
};
