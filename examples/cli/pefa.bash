# Bash completion of the pefa command: its subcommands, the options that each --help lists, and files.
_pefa() {
  local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[0]} subcommand= words=
  [ "$COMP_CWORD" -gt 1 ] && subcommand=${COMP_WORDS[1]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="$("$command" --help 2>/dev/null | sed -n '/^Subcommands:/,/^$/s/^  \([a-z][a-z-]*\).*/\1/p') --help --help-all --version"
  elif [[ $current == -* ]]; then
    words=$("$command" "$subcommand" --help 2>/dev/null | sed -n 's/^  \(-h,\)\{0,1\}\(--[a-z0-9-]*\).*/\2/p')
  fi
  if [ -n "$words" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  else
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -F _pefa pefa
