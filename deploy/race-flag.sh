#!/usr/bin/env bash
# Prints -race where the race detector can be built, nothing where it cannot:
# it needs cgo and a C compiler with its headers. Under CI=true it must be.
set -euo pipefail

if [[ $(CGO_ENABLED=1 go env CGO_ENABLED) == 1 ]] &&
	echo 'int main(void) { return 0; }' | $(go env CC) -include stdlib.h -x c -o /dev/null - 2>/dev/null; then
	echo -race
	exit
fi
echo "!! No C compiler ($(go env CC)): testing WITHOUT the race detector. Debian: apt-get install gcc libc6-dev" >&2
[[ ${CI:-} != true ]]
