#!/bin/sh
# Make a virtual environment that holds exactly what a lock file names.
#
#   scripts/install.sh VENV LOCK
#
# Needs only python3 >= 3.11 with pip (PYTHON names another one).  uv does the work: its
# own pin and hashes stand in requirements-dev.lock, and it makes environments also
# where the system's Python lacks the venv module.  Plain pip is the second way, because
# it knows settings (extra indexes, local folders of wheels) that uv does not read.
set -eu
venv=$1
lock=$2
python=${PYTHON:-python3}
tool=.venv-uv
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

say() { printf '%s\n' "$*" >&2; }

if ! command -v "$python" >/dev/null; then
    say "Onset needs Python 3.11 or newer; there is no $python here."
    say "Install one, or name it: make PYTHON=/path/to/python3 ..."
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))'; then
    say "Onset needs Python 3.11 to 3.14; $python is $("$python" -V 2>&1)."
    say "Name another one: make PYTHON=/path/to/python3.12 ..."
    exit 1
fi
if ! "$python" -m pip --version >/dev/null 2>&1; then
    say "$python has no pip. On Debian: apt-get install python3-pip"
    exit 1
fi

# what pip was told about where packages come from, uv should know too
setting() { "$python" -m pip config get "global.$1" 2>/dev/null || true; }
UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$(setting index-url)}}
SSL_CERT_FILE=${SSL_CERT_FILE:-${PIP_CERT:-$(setting cert)}}
if [ -n "$UV_DEFAULT_INDEX" ]; then export UV_DEFAULT_INDEX; else unset UV_DEFAULT_INDEX; fi
if [ -n "$SSL_CERT_FILE" ]; then export SSL_CERT_FILE; else unset SSL_CERT_FILE; fi

install_uv() {
    mkdir -p "$tool"
    awk '/^uv==/ { on = 1 } on { print } on && !/\\$/ { exit }' requirements-dev.lock \
        >"$tool/uv.txt"
    cmp -s "$tool/uv.txt" "$tool/installed.txt" && [ -x "$tool/bin/uv" ] && return
    "$python" -m pip install -qq --no-deps --upgrade --target "$tool" \
        --require-hashes -r "$tool/uv.txt" &&
        cp "$tool/uv.txt" "$tool/installed.txt"
}

with_uv() {
    install_uv || return
    if [ ! -x "$venv/bin/python" ]; then
        "$tool/bin/uv" venv --quiet --no-project --python "$(command -v "$python")" \
            "$venv" || return
    fi
    # compiled here, because a service that comes back must not wait for that
    "$tool/bin/uv" pip sync --quiet --python "$venv/bin/python" --require-hashes \
        --compile-bytecode "$lock" || return
    "$tool/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps -e .
}

with_pip() {
    if [ ! -x "$venv/bin/python" ]; then
        "$python" -m venv "$venv" || {
            say "On Debian: apt-get install python3-venv"
            return 1
        }
    fi
    "$venv/bin/python" -m ensurepip >/dev/null 2>&1 || true
    "$venv/bin/python" -m pip install -qq --require-hashes -r "$lock" || return
    "$venv/bin/python" -m pip install -qq --no-deps -e .
}

say "Installing $lock into $venv ..."
if ! with_uv; then
    say "uv could not do it; trying plain pip ..."
    with_pip
fi
"$venv/bin/python" -m compileall -qq app
