#!/bin/sh
# Build the command as what ships is, optimized for its usual way: it is built once to watch where the calls of
# spec/support/train.lua and of the samples' specs go, and once more for that. Takes twice the time of a plain build.
# usage: release.sh FOLDER [TARGET...]     TARGET: what else is built there
set -eu

folder="$1"
shift
generator=""
command -v ninja >/dev/null && generator="-G Ninja"
log="$folder.log"
trap 'rm -f "$log"' EXIT
quietly() { "$@" >"$log" 2>&1 || { cat "$log"; exit 1; }; }

build() { # train | use, targets
    way="$1"
    shift
    # shellcheck disable=SC2086
    quietly cmake -S . -B "$folder" $generator -DPROFILE="$way"
    quietly cmake --build "$folder" --parallel "$(nproc)" --target "$@"
}

rm -rf "$folder/profile"
build train lunasip
quietly env LUNASIP_BUILD="$folder" "$folder/lunasip" test spec/support/train.lua scripts
build use lunasip "$@"
