// SPDX-License-Identifier: Apache-2.0
// Says it louder.
function main(args) {
  return { text: `${args.text}`.toUpperCase() + "!" };
}
