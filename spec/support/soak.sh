#!/bin/bash
# The long runs: every scenario with the whole number of calls, then 200,000 calls with flat memory.
# Ends like the tests with one line: N passed, N failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
export LUNASIP_SCALE=1 SCENARIO_LIMIT=900
spec/support/test.sh scenario soak
