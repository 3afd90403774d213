#compdef berth
# SPDX-License-Identifier: Apache-2.0
# Completion of berth for zsh, as `berth completion zsh` prints it. berth itself is asked what may follow.

_berth() {
  local -a given candidates
  local line text files=
  given=("${(@Q)words[2,CURRENT-1]}")
  for line in "${(@f)$("${(Q)words[1]/#\~/$HOME}" __complete -- "${given[@]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
    if [[ $line == :files ]]; then
      files=1
    elif [[ -n $line ]]; then
      text=${${line%%$'\t'*}//:/\\:}
      if [[ $line == *$'\t'* ]]; then
        candidates+=("$text:${line#*$'\t'}")
      else
        candidates+=("$text")
      fi
    fi
  done
  if (( ${#candidates} )); then
    _describe -t berth 'berth' candidates
  fi
  if [[ -n $files ]]; then
    _files
  fi
}

if [[ $funcstack[1] == _berth ]]; then
  _berth "$@"
else
  compdef _berth berth
fi
