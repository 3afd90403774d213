#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Starts a berthd of its own on a free port and a fresh data directory, creates and invokes a Python and
# a Node.js function, shows results and logs, and stops it. Usage: quickstart.sh BIN_DIRECTORY
set -euo pipefail
bin="$(cd "$1" && pwd)"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '\033[2m$ %s\033[0m\n' "${*/#$bin\//}"; "$@"; }

work=$(mktemp -d "${TMPDIR:-/tmp}/berth-quickstart-XXXXXX")
daemon=""
finish() {
  local code=$?
  if [[ -n "$daemon" ]] && kill -TERM "$daemon" 2>/dev/null; then wait "$daemon" || true; fi
  if ((code != 0)); then
    printf '\nquickstart failed. The end of berthd'"'"'s log (%s):\n' "$work/berthd.log" >&2
    tail -n 20 "$work/berthd.log" >&2 || true
  else
    rm -rf "$work"
  fi
}
trap finish EXIT

export BERTH_DATA_DIR="$work/data"
unset BERTH_APIHOST BERTH_AUTH

say "Starting berthd (containers: process, logs: file)"
"$bin/berthd" --data-dir "$BERTH_DATA_DIR" --listen 127.0.0.1:0 --set containers.on_stop=kill \
  2>"$work/berthd.log" &
daemon=$!
for ((i = 0; i < 300; ++i)); do
  if [[ -s "$BERTH_DATA_DIR/apihost" ]] && "$bin/berth" action list >/dev/null 2>&1; then break; fi
  kill -0 "$daemon" 2>/dev/null || exit 1
  sleep 0.1
done
printf 'It listens on %s\n' "$(<"$BERTH_DATA_DIR/apihost")"

cat >"$work/hello.py" <<'PYTHON'
def main(args):
    name = args.get("name", "stranger")
    print(f"greeting {name} from Python")
    return {"greeting": f"Hello, {name}!"}
PYTHON
cat >"$work/hello.js" <<'JAVASCRIPT'
function main({ name = "stranger" }) {
  console.log(`greeting ${name} from Node.js`);
  return { greeting: `Hello, ${name}!` };
}
JAVASCRIPT

# One function from its file to its logs.
try() {
  local title="$1" action="$2" file="$3"
  say "$title"
  show "$bin/berth" action create "$action" "$file"
  show "$bin/berth" action invoke "$action" -r -p name World
  show "$bin/berth" activation logs --last
}
cd "$work"
try "A Python function" hello-python hello.py
try "A Node.js function" hello-nodejs hello.js

say "Done. Run it yourself:"
cat <<'TEXT'
  build/bin/berthd --data-dir ./berth-data &
  export BERTH_DATA_DIR=./berth-data
  build/bin/berth action create hello hello.py && build/bin/berth action invoke hello -r
TEXT
