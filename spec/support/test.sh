#!/bin/bash
# The test driver. usage: test.sh [all | lint | unit | spec | threads | scenario | soak | fuzz [SECONDS]]...
#
# Builds plain, ASan+UBSan, TSan and fuzz variants; runs lints, C unit tests, busted specs, scenarios on real
# sockets, and a few seconds of each fuzz target. One line per step, the whole output of a step that failed, and at
# the end one line: N passed, N failed. Every step has a deadline, so that nothing can hang.
set -u
cd "$(dirname "$0")/../.." || exit 1

passed=0 failed=0 skipped=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
jobs=$(nproc)
export LC_ALL=C
export ASAN_OPTIONS="halt_on_error=1:exitcode=99:strict_string_checks=1:detect_stack_use_after_return=0"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
export TSAN_OPTIONS="halt_on_error=0:exitcode=66:second_deadlock_stack=1"

say() { printf '%s\n' "$*"; }

# report NAME OK NOT_OK SECONDS LOG: count a step's tests; show the log when one failed.
report() {
    local name=$1 ok=$2 not_ok=$3 seconds=$4 log=$5
    passed=$((passed + ok)) failed=$((failed + not_ok))
    if [ "$not_ok" = 0 ]; then
        printf 'ok    %-58s %4d  %5.1f s\n' "$name" "$ok" "$seconds"
    else
        printf 'FAIL  %-58s %4d failed of %d\n' "$name" "$not_ok" $((ok + not_ok))
        sed 's/^/      | /' "$log"
    fi
}

# run LOG SECONDS COMMAND...: run with a deadline; leaves exit status and duration beside the log.
run() {
    local log=$1 limit=$2 begin end status
    shift 2
    begin=$(date +%s.%N)
    # The shell's own word about a test that aborted is of no use beside the log.
    { timeout -k 5 "$limit" "$@" >"$log" 2>&1 </dev/null; } 2>/dev/null
    status=$?
    end=$(date +%s.%N)
    [ "$status" = 124 ] || [ "$status" = 137 ] && say "ended after its deadline of $limit s" >>"$log"
    awk -v a="$begin" -v b="$end" -v s="$status" 'BEGIN { printf "%d %.1f\n", s, b - a }' >"$log.status"
}

# counted KIND LOG: sets ok, not_ok, seconds from a step's log and status.
counted() {
    local kind=$1 log=$2 status line errors
    read -r status seconds <"$log.status"
    ok=0 not_ok=0 pending=0
    case $kind in
    tap)
        ok=$(grep -c '^ok [0-9]' "$log")
        not_ok=$(grep -c '^not ok [0-9]' "$log")
        ;;
    busted)
        line=$(grep -E '^[0-9]+ success(es)? / [0-9]+ failures? / [0-9]+ errors? / [0-9]+ pending' "$log" | tail -n 1)
        if [ -n "$line" ]; then
            read -r ok not_ok errors pending < <(sed -E 's/[^0-9/]+//g; s/^([0-9]+)\/([0-9]+)\/([0-9]+)\/([0-9]+).*/\1 \2 \3 \4/' <<<"${line%% : *}")
            not_ok=$((not_ok + errors)) skipped=$((skipped + pending))
        fi
        ;;
    single) [ "$status" = 0 ] && ok=1 ;;
    esac
    # A crash, a hang or a sanitizer report at exit is a failure even when every test said ok.
    [ "$status" != 0 ] && [ "$not_ok" = 0 ] && not_ok=1
    # So is a file without a single test.
    [ "$status" = 0 ] && [ "$ok" = 0 ] && [ "$not_ok" = 0 ] && [ "${pending:-0}" = 0 ] && not_ok=1
}

# pool KIND SECONDS WIDTH < lines "NAME<TAB>COMMAND": run commands WIDTH at a time, report in order.
pool() {
    local kind=$1 limit=$2 width=$3 name command i=0 names=()
    local prefix=$logs/pool.$RANDOM$RANDOM
    while IFS=$'\t' read -r name command; do
        while [ "$(jobs -rp | wc -l)" -ge "$width" ]; do wait -n; done
        names[i]=$name
        run "$prefix.$i" "$limit" bash -c "$command" &
        i=$((i + 1))
    done
    wait
    for ((i = 0; i < ${#names[@]}; i++)); do
        counted "$kind" "$prefix.$i"
        report "${names[i]}" "$ok" "$not_ok" "$seconds" "$prefix.$i"
    done
}

# build NAME FOLDER TARGETS CMAKE-FLAGS...: a build is counted only when it fails.
build() {
    local name=$1 folder=$2 targets=$3 log=$logs/build.$1 generator=() status
    shift 3
    command -v ninja >/dev/null && generator=(-G Ninja)
    run "$log" 600 bash -c 'folder=$1 targets=$2; shift 2
        test -f "$folder/CMakeCache.txt" || cmake -S . -B "$folder" "$@" || exit 1
        keep_going=-k
        [ -f "$folder/build.ninja" ] && keep_going="-k 0"
        cmake --build "$folder" --parallel --target $targets -- $keep_going' build "$folder" "$targets" "${generator[@]}" "$@"
    read -r status seconds <"$log.status"
    if [ "$status" = 0 ]; then
        printf 'ok    %-58s       %5.1f s\n' "build $name" "$seconds"
        return 0
    fi
    # Only what the compiler said, not the commands.
    grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking|Re-checking)|^-- |^cd /|^/usr/bin/(cc|gcc|clang)' "$log" >"$log.short"
    report "build $name" 0 1 "$seconds" "$log.short"
    # What was built can still be tried.
    return 0
}

# unit_name SOURCE: the name that CMakeLists.txt gives to a C unit test.
unit_name() { echo "${1#spec/}" | sed -E 's/[/.]+/_/g; s/_c$//'; }

# Unit tests of code that threads share: they run once more under the thread sanitizer.
threaded_tests() {
    find spec modules -name '*_test.c' -exec grep -lE 'uv_thread|pthread_' {} + 2>/dev/null | sort
}

build_plain() { build plain build lunasip; }
build_asan() { build "address, undefined" build-asan all -DSANITIZE=address,undefined; }
build_tsan() {
    local names
    names=$(threaded_tests | while read -r source; do unit_name "$source"; done | tr '\n' ' ')
    build thread build-tsan "lunasip $names" -DSANITIZE=thread
}
build_fuzz() { build fuzz build-fuzz all -DFUZZ=ON -DCMAKE_C_COMPILER=clang; }

sources() { find engine spec modules -name '*.[ch]' 2>/dev/null | sort; }

# Shows what clang-format would change.
unformatted() { sources | xargs clang-format --dry-run -Werror; }
export -f unformatted sources

step_lint() {
    local folders
    folders=$(for d in lua scripts conf modules spec; do
        [ -n "$(find $d -name '*.lua' 2>/dev/null)" ] && echo $d
    done | tr '\n' ' ')
    {
        printf 'clang-format\tunformatted\n'
        printf 'luacheck\tluacheck -q --no-cache --codes --no-color %s\n' "$folders"
        printf 'shell syntax\tfor f in spec/support/*.sh .ci/run; do bash -n "$f" || exit 1; done\n'
    } >"$logs/lint.list"
    pool single 180 "$jobs" <"$logs/lint.list"
}

step_unit() {
    find spec modules -name '*_test.c' 2>/dev/null | sort | while read -r source; do
        printf 'unit %s\tCMOCKA_MESSAGE_OUTPUT=TAP build-asan/unit/%s\n' "$source" "$(unit_name "$source")"
    done >"$logs/unit.list"
    pool tap 180 "$jobs" <"$logs/unit.list"
}

step_threads() {
    threaded_tests | while read -r source; do
        printf 'threads %s\tCMOCKA_MESSAGE_OUTPUT=TAP build-tsan/unit/%s\n' "$source" "$(unit_name "$source")"
    done >"$logs/threads.list"
    pool tap 180 "$jobs" <"$logs/threads.list"
}

# The demo has addresses of its own, the same for everybody: specs that run it take turns.
turns() { grep -qE '"demo"|lunasip demo' "$1" && echo "flock $logs/demo.lock"; }

step_spec() {
    local asan
    asan=$(gcc -print-file-name=libasan.so)
    find spec modules scripts -name '*_spec.lua' -not -path 'spec/scenario/*' 2>/dev/null | sort | while read -r spec; do
        printf '%s\t%s busted -o plainTerminal %s\n' "$spec" \
            "LUNASIP_BUILD=build-asan ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 LD_PRELOAD=$asan $(turns "$spec")" "$spec"
    done >"$logs/spec.list"
    pool busted 300 "$jobs" <"$logs/spec.list"
}

# Scenarios run real binaries; each file keeps to loopback addresses of its own, and most of them wait for timers
# of SIP most of the time. Those that take longest begin first.
slow_scenarios="calls failure dialog threads threads_control database reload ipv6 flood_limits user held phones registrar"
scenarios() {
    {
        for name in $slow_scenarios; do echo "spec/scenario/${name}_spec.lua"; done
        find spec/scenario -name '*_spec.lua' | sort
    } | awk '!seen[$0]++'
}

step_scenario() {
    scenarios | while read -r spec; do
        printf '%s\t%s busted -o plainTerminal %s\n' "$spec" "LUNASIP_BUILD=build-asan $(turns "$spec")" "$spec"
    done >"$logs/scenario.list"
    pool busted "${SCENARIO_LIMIT:-400}" $((2 * jobs + 1)) <"$logs/scenario.list"
}

# Memory over many calls, in the build that users run.
step_soak() {
    printf 'soak\t%s busted -o plainTerminal -p soak spec/soak\n' "LUNASIP_BUILD=build" >"$logs/soak.list"
    pool busted 1800 1 <"$logs/soak.list"
}

# Findings are left in build-fuzz/findings/NAME for debugging; seeds are never written to.
step_fuzz() {
    local seconds=$1
    find build-fuzz/fuzz -maxdepth 1 -type f -executable -name 'fuzz_*' 2>/dev/null | sort | while read -r target; do
        name=$(basename "$target")
        [ -f "spec/fuzz/$name.c" ] || continue
        seeds=spec/fuzz/corpus/${name#fuzz_}
        work=build-fuzz/corpus/${name#fuzz_} found=build-fuzz/findings/${name#fuzz_}
        mkdir -p "$work" "$found"
        printf '%s\t%s -max_total_time=%s -timeout=5 -rss_limit_mb=1024 -verbosity=0 -artifact_prefix=%s/ %s %s\n' \
            "$name" "$target" "$seconds" "$found" "$work" "$([ -d "$seeds" ] && echo "$seeds")"
    done >"$logs/fuzz.list"
    pool single $((seconds + 60)) "$jobs" <"$logs/fuzz.list"
}

phase() {
    case $1 in
    lint) step_lint ;;
    unit) build_asan && step_unit ;;
    threads) build_tsan && step_threads ;;
    spec) build_asan && step_spec ;;
    scenario) build_plain && build_asan && build_tsan && step_scenario ;;
    soak) build_plain && step_soak ;;
    fuzz) build_fuzz && step_fuzz "${fuzz_seconds:-5}" ;;
    all)
        step_lint
        build_plain
        if build_asan; then step_unit && step_spec; fi
        if build_tsan; then step_threads; fi
        # Built while the scenarios wait for their timers.
        (renice -n 19 $BASHPID && build_fuzz) >/dev/null 2>&1 &
        fuzz_builder=$!
        disown
        if [ -x build-asan/lunasip ]; then step_scenario; fi
        tail --pid="$fuzz_builder" -f /dev/null
        if build_fuzz; then step_fuzz "${fuzz_seconds:-4}"; fi
        ;;
    *)
        say "usage: test.sh [all | lint | unit | threads | spec | scenario | soak | fuzz [SECONDS]]" >&2
        exit 2
        ;;
    esac
}

begin=$SECONDS
[ $# -gt 0 ] || set -- all
while [ $# -gt 0 ]; do
    if [ "$1" = fuzz ] && [[ "${2:-}" =~ ^[0-9]+$ ]]; then
        fuzz_seconds=$2
        phase fuzz
        shift
    else
        phase "$1"
    fi
    shift
done
say "$((SECONDS - begin)) s"
if [ "$skipped" = 0 ]; then
    say "$passed passed, $failed failed"
else
    say "$passed passed, $failed failed, $skipped skipped"
fi
[ "$failed" = 0 ]
