#!/bin/sh
# Install REQUIREMENTS into the virtual environment that DONE lies in, and write the seconds that it took to DONE; do
# nothing where that is done.
#
# usage: envs/setup.sh DONE REQUIREMENTS [PYTHON], for example .venv/run.done requirements.txt python3.12
#
# The environment is replaced where it cannot be used: its installation was interrupted, which leaves incomplete packages,
# its Python is gone, not supported or not the one that is named, or its folder was moved or copied, which leaves paths
# of the former one in its programs.
set -eu
mark=$1 requirements=$2 python=${3:-}
venv=$(dirname "$mark")
begun=$venv/installation.begun
here=$(dirname "$0")
start=$(date +%s)
unset PYTHONHOME PYTHONPATH # they belong to another installation

fault() {
    if [ -e "$begun" ]; then
        echo "its installation was interrupted"
    elif ! base=$("$here/python.sh" "$venv/bin/python" 2> /dev/null); then
        echo "its Python is gone or not supported"
    elif [ -n "$python" ] && [ "$base" != "$python" ]; then
        echo "its Python is $base"
    elif former=$(sed -n 's/^command = .* -m venv //p' "$venv/pyvenv.cfg") && [ -n "$former" ] && ! [ "$former" -ef "$venv" ]; then
        echo "its folder was moved or copied"
    fi
}

[ -z "$python" ] || python=$("$here/python.sh" "$python")
found=$(fault)
if [ -z "$found" ] && [ -e "$mark" ] && [ -z "$(find "$here"/../requirements*.txt -newer "$mark")" ]; then
    exit 0
fi
if [ -n "$found" ]; then
    [ -n "$python" ] || python=$("$here/python.sh")
    if [ -e "$venv" ] || [ -L "$venv" ]; then echo "$venv is replaced: $found"; fi
    rm -rf "$venv" # a link, not its target
    mkdir -p "$venv"
    touch "$begun"
    if ! "$python" -m venv "$venv"; then
        rm -rf "$venv"
        exit 1
    fi
fi
touch "$begun"
rm -f "$mark"
"$venv/bin/python" "$here/install.py" "$requirements"
echo "$(($(date +%s) - start))" > "$mark" # seconds, for the table of times
rm "$begun"
