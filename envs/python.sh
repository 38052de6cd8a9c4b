#!/bin/sh
# Print the path of a Python that the project runs on: of the one that is named, else of the first that is found, else of
# one that uv installs for this user.
set -eu
needed='Python 3.11, 3.12 or 3.13' # as in pyproject.toml, the environments for conda and README.md

error() {
    echo "error: $1" >&2
    exit 1
}

version() { "$1" --version 2>&1 | head -n 1; }

supported() {
    case $(version "$1") in
        'Python 3.11.'* | 'Python 3.12.'* | 'Python 3.13.'*) ;;
        *) return 1 ;;
    esac
}

# Of an environment the Python that it was made of, which outlives it.
base() { "$1" -c 'import ensurepip, os, sys, venv; print(os.path.realpath(sys._base_executable))' 2> /dev/null; }

# A command of pyenv only says so where another version is chosen, so that its folders are searched as well.
paths() {
    if command -v "$1" > /dev/null && "$1" --version > /dev/null 2>&1; then command -v "$1"; fi
    if command -v pyenv > /dev/null; then ls -d "$(pyenv root)"/versions/*/bin/"$1" 2> /dev/null || true; fi
}

# Install a Python with uv, which any other Python can install.
managed() {
    uv=$(command -v uv) || for name in python3 python; do
        uv=$folder/bin/uv
        [ -x "$uv" ] || {
            "$name" -m venv "$folder" && "$folder/bin/python" -m pip install -r "$uv_pin"
        } || "$name" -m pip install --target "$folder" -r "$uv_pin" || true
    done > /dev/null 2>&1
    [ -x "$uv" ] || return 1
    export UV_PYTHON_PREFERENCE=only-managed UV_PYTHON_INSTALL_BIN=0
    reason=$("$uv" python install 3.11 2>&1) || return 1
    echo "Python 3.11 was installed for this user, with uv" >&2
    base "$("$uv" python find 3.11)"
}

unset PYTHONHOME PYTHONPATH # those of another installation
uv_pin=$(dirname "$0")/uv.txt reason=
any=$# # 0: any Python
[ $# -gt 0 ] || set -- python3.11 python3.12 python3.13 python3 python
found=
for name; do
    while read -r path; do
        if [ -n "$path" ] && supported "$path"; then
            base "$path" && exit 0
            found="$path, which is $(version "$path") without the modules venv and ensurepip (package python3-venv)"
        elif [ -n "$path" ] && [ -z "$found" ]; then
            found="$path, which is $(version "$path")"
        fi
    done <<PATHS
$(paths "$name")
PATHS
done
if [ "$any" = 0 ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    managed && exit 0
fi
said=${reason:+; uv cannot install one: $(echo "$reason" | tail -n 1)}
error "$needed is needed; found ${found:-none}$said: install it, or uv, or name it: make run PYTHON=/path/to/python3.11"
