# Shared by the scripts in this folder: `. "$(dirname "$0")/lib.sh"` changes to the repository root.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

if [ -t 1 ]; then BOLD=$'\e[1m' PLAIN=$'\e[0m'; else BOLD= PLAIN=; fi

# A progress line.
say() { printf '%s==> %s%s\n' "$BOLD" "$*" "$PLAIN"; }

warn() { printf 'warning: %s\n' "$*" >&2; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Answers --help with the comment at the top of the calling script.
help_if_asked() {
  local argument
  for argument in "$@"; do
    case "$argument" in
      -h | --help)
        sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"
        exit 0
        ;;
    esac
  done
}

# Where cargo puts what it builds.
target_dir() {
  cargo metadata --format-version 1 --no-deps |
    node -e 'let s="";process.stdin.on("data",d=>s+=d).on("end",()=>console.log(JSON.parse(s).target_directory))'
}

# The hash of some files' contents, to see whether they changed.
hash_of() { cat -- "$@" | sha256sum | cut -d ' ' -f 1; }
