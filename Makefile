# A thin front: CMake builds, spec/support/ tests. `make help` lists the targets.
BUILD ?= build
CMAKE_FLAGS ?=
JOBS := $(shell nproc)
# Our own flags are not for the build below; it need not name its folders either.
CMAKE_BUILD = MAKEFLAGS=--no-print-directory cmake --build
GENERATOR := $(shell command -v ninja >/dev/null 2>&1 && echo "-G Ninja")

.PHONY: all configure build release run test soak bench fuzz install clean packages help

all: build

packages:
	@spec/support/install.sh run

configure: packages
	@test -f $(BUILD)/CMakeCache.txt || cmake -S . -B $(BUILD) $(GENERATOR) $(CMAKE_FLAGS) >$(BUILD).log 2>&1 || \
		{ cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

build: configure
	@$(CMAKE_BUILD) $(BUILD) --parallel $(JOBS)

run: configure
	@$(CMAKE_BUILD) $(BUILD) --parallel $(JOBS) --target lunasip
	@$(BUILD)/lunasip demo

test:
	@spec/support/install.sh test
	@spec/support/test.sh

soak:
	@spec/support/install.sh test
	@spec/support/soak.sh

bench:
	@spec/support/install.sh bench
	@MAKEFLAGS= spec/support/release.sh build-bench bench_peers
	@LUNASIP_BUILD=build-bench luajit spec/bench/bench.lua $(ONLY)
	@test -n "$(ONLY)" || LUNASIP_BUILD=build-bench luajit spec/bench/lab.lua
	@test -n "$(ONLY)" || LUNASIP_BUILD=build-bench luajit spec/bench/reload.lua

fuzz:
	@spec/support/install.sh test
	@spec/support/test.sh fuzz $(or $(SECONDS_EACH),60)

release: packages
	@MAKEFLAGS= spec/support/release.sh build-release

install: release
	@cmake --install build-release

clean:
	@rm -rf build build-release build-bench build-asan build-tsan build-fuzz

help:
	@echo "make            install what the build needs (only what is missing), build build/lunasip"
	@echo "make release    build-release/lunasip, optimized for the usual way of a call; takes twice as long"
	@echo "make run        make, then run the demo: a border controller on 127.0.0.10 and 127.0.0.20"
	@echo "make test       everything: unit tests, specs, scenarios, lints, a little fuzzing; ends with 'N passed, N failed'"
	@echo "make soak       the scenarios with ten times the calls, then 200,000 calls with flat memory"
	@echo "make bench      CPU per call and per packet beside Kamailio, rtpengine and null relays (ONLY='null-sip lunasip' picks)"
	@echo "make fuzz       each parser for SECONDS_EACH=60 seconds"
	@echo "make install    make release, then the command, its Lua library and the samples below /usr/local"
	@echo "make clean      remove the build folders"
