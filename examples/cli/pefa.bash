# Bash completion of the pefa command: its subcommands, the options that each --help lists, and files.
_pefa() {
  local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[0]} subcommands= words=
  local -a subcommand=()
  [ "$COMP_CWORD" -gt 1 ] && subcommand=("${COMP_WORDS[1]}")
  [ "${COMP_WORDS[1]}" = live ] && [ "$COMP_CWORD" -gt 2 ] && subcommand+=("${COMP_WORDS[2]}")
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ] || [ "$COMP_CWORD$subcommand" = 2live ]; then
    subcommands=$("$command" "${subcommand[@]}" --help 2>/dev/null | sed -n '/^Subcommands:/,/^$/s/^  \([a-z][a-z-]*\).*/\1/p')
  fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="$subcommands --help --help-all --version"
  elif [ -n "$subcommands" ]; then
    words="$subcommands --help"
  elif [[ $current == -* ]]; then
    words=$("$command" "${subcommand[@]}" --help 2>/dev/null | sed -n 's/^  \(-h,\)\{0,1\}\(--[a-z0-9-]*\).*/\2/p')
  fi
  if [ -n "$words" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  else
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -F _pefa pefa
