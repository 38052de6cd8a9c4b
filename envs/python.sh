#!/bin/sh
# Print the path of a Python that the project runs on: of the one that is named, else of the first that is found.
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

unset PYTHONHOME PYTHONPATH # those of another installation
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
error "$needed is needed; found ${found:-none}: install it, or name it: make run PYTHON=/path/to/python3.11"
