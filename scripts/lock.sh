#!/bin/sh
# Resolve pyproject.toml anew into requirements.lock and requirements-dev.lock.
#
#   scripts/lock.sh UV
#
# uv.lock names the hosts that it was resolved from, so it is made in a temporary folder
# and thrown away; the exported files hold pins and hashes alone and fit any index.
set -eu
uv=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp pyproject.toml README.md "$folder"
mkdir "$folder/app"
touch "$folder/app/__init__.py"
cd "$folder"
export_to() {
    "$uv" export --quiet --no-header --no-annotate --no-emit-project "$@"
}
export_to --no-dev -o "$here/requirements.lock"
export_to -o "$here/requirements-dev.lock"
