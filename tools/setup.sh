#!/bin/sh
# Install the packages of tools/packages.txt that are missing, as root or through sudo. Where neither is possible,
# say which line to run, and fail. Answers at once as long as neither the list nor the package database changed.
set -eu
cd "$(dirname "$0")/.."

list=tools/packages.txt
stamp=build/.setup
database=/var/lib/dpkg/status

if [ -f "$stamp" ] && [ -z "$(find "$list" "$database" -newer "$stamp")" ]; then
    exit 0
fi

wanted=$(sed -e 's/#.*//' -e 's/[[:space:]].*//' "$list")
if ! command -v dpkg-query >/dev/null; then
    echo "setup: this is not a Debian system; see $list for what building needs, and build with: make -f build.mk" >&2
    exit 1
fi

missing=
for package in $wanted; do
    # shellcheck disable=SC2016 # the format is dpkg-query's
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done

if [ -n "$missing" ]; then
    if [ "$(id -u)" -eq 0 ]; then
        become=
    elif sudo -n true 2>/dev/null; then
        become='sudo -n'
    elif command -v sudo >/dev/null && [ -t 0 ]; then
        become=sudo
    else
        echo "setup: packages are missing; run this as root, then make again:" >&2
        echo "apt-get update && apt-get install -y --no-install-recommends$missing" >&2
        exit 1
    fi
    echo "setup: installing$missing"
    apt="$become env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
    $apt update || echo "setup: the package lists could not be brought up to date; trying with those there are" >&2
    # shellcheck disable=SC2086 # words
    $apt install -y --no-install-recommends $missing
fi

mkdir -p build
touch "$stamp"
