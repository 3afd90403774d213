// SPDX-License-Identifier: Apache-2.0
// A web action, and one that a rule runs.
function main(args) {
  console.log('greeting', args.name);
  const text = `${args.greeting}, ${args.name}!`;
  return args.__ow_path && args.__ow_path.length > 10 ? {body: text} : {text};
}
