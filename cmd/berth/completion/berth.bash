# SPDX-License-Identifier: Apache-2.0
# Completion of berth for bash, as `berth completion bash` prints it. berth itself is asked what may follow.

_berth_completion() {
  local program=${1/#\~/$HOME} word previous= current= line text files= words=()
  # bash parts words at = and : too; they belong together.
  for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
    if [[ ${#words[@]} -gt 0 && ( $word == [=:] || $previous == [=:] ) ]]; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
    previous=$word
  done
  [[ ${#words[@]} -gt 0 ]] && current=${words[-1]}
  # What was typed has its quotes yet.
  local plain=()
  for word in "${words[@]}"; do
    word=${word#[\"\']}
    [[ $word == *\\* ]] && word=$(printf '%s' "$word" | sed 's/\\\(.\)/\1/g')
    plain+=("${word%[\"\']}")
  done
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      files=1
      continue
    fi
    text=${line%%$'\t'*}
    # Within quotes as it is, else what is special to bash is escaped.
    [[ $current == [\"\']* ]] || printf -v text %q "$text"
    # bash puts it in place of what stands after the last = or :.
    [[ $current == *[=:]* && $current != [\"\']* ]] && text=${text#"${current%"${current##*[=:]}"}"}
    COMPREPLY+=("$text")
  done < <("$program" __complete -- "${plain[@]}" 2>/dev/null)
  if [[ $files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "${current##*=}")
  fi
}

complete -F _berth_completion berth
