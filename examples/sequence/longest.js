// SPDX-License-Identifier: Apache-2.0
function main({ words }) {
  const longest = words.reduce((one, other) => (other.length > one.length ? other : one));
  return { longest, of: words.length };
}
