# memrec: one non-recursive Makefile. Sources are found by wildcard: a new file needs no edit here.
#
#   format/*.c                          -> libformat.a
#   recorder/*.c, recorder/collector/** -> build/memrec        (main in recorder/collector/main.c)
#   recorder/preload/**                 -> build/libmemrec.so  (and what it needs of recorder/*.c and format/*.c;
#                                          settings of its own: recorder/preload/preload.mk)
#   replay/**, analyzer/**              -> build/memreplay     (main in replay/main.c)
#   tests/unit/**/test_*.c              -> build/tests/unit/.../test_*   (cmocka, one main each)
#   tests/walk/*.c                      -> build/tests/walk/*.so  (the library's parts under a test's own roof)
#   tests/fuzz/fuzz_*.c                 -> build/fuzz/<name>  (a main of their own; FUZZ=1: libFuzzer's, AFL=1: AFL++'s)
#   tests/programs/*.c, *.cc            -> build/tests/programs/<name>   (x.so.c -> x.so, static_*.c linked statically,
#                                          embed*.c against libpython; a line "build-flags: ..." in a source adds flags)
#
# Variables: V=1 shows commands; DEBUG=1 (build/debug), SAN=address,undefined (build/san), SAN=thread (build/tsan), COVERAGE=1
# (build/coverage), FAIL=1 (build/failpoints: as the release, with recorder/failpoint.h), FUZZ=1 (build/fuzzer), AFL=1 (build/afl),
# CC=clang, CFLAGS, LDFLAGS, PREFIX=/usr/local, DESTDIR=, PYTHON=python3.
# Sanitizers go into the tools and the unit tests, never into libmemrec.so: it lives in a foreign process.

.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules --no-print-directory

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := $(if $(findstring clang,$(CC)),clang++,g++)
endif
VERSION := 0.1.0
comma := ,

# Fuzzers bring the compiler and the sanitizers with them.
ifdef FUZZ
CC := $(or $(shell command -v clang || command -v clang-14),clang)
SAN := fuzzer-no-link,address,undefined
else ifdef AFL
CC := afl-clang-fast
SAN := address,undefined
endif
PYTHON ?= python3
PREFIX ?= /usr/local
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-5s %s\n' '$(1)' '$(2)')

# ---- variants -------------------------------------------------------------------------------------

variant := $(if $(FUZZ),/fuzzer,$(if $(AFL),/afl,$(if $(filter thread,$(SAN)),/tsan,$(if $(SAN),/san,$(if $(COVERAGE),/coverage,$(if $(DEBUG),/debug,$(if $(FAIL),/failpoints)))))))
BUILD := build$(variant)
debugging := $(or $(SAN),$(COVERAGE),$(DEBUG))
CFLAGS ?= $(if $(SAN),-O1,$(if $(debugging),-Og,-O2)) -g
# What native stacks need, where tools/setup could bring it (tools/setup-unwind); without it --native is refused.
unwind := $(wildcard build/unwind/unwind.o)
own_flags := $(if $(unwind),-DMEMREC_NATIVE -isystem build/unwind) -std=gnu11 -Wall -Wextra -Werror -I. -D_GNU_SOURCE= -pthread -fno-common \
	-DMEMREC_VERSION='"$(VERSION)"' \
	$(if $(debugging),-DMEMREC_DEBUG,-DNDEBUG) $(if $(FAIL),-DMEMREC_FAILPOINTS)
san_flags := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer \
	$(if $(filter thread,$(SAN)),$(if $(findstring clang,$(CC)),,-Wno-tsan)))
# Its runtime asks for functions that our hooks stand in for, before it can bear being watched.
san_ldflags := $(if $(filter thread,$(SAN)),-Wl$(comma)--exclude-libs$(comma)libpreload.a)
cov_flags := $(if $(COVERAGE),--coverage)
tool_flags := $(own_flags) $(san_flags) $(cov_flags)

# The library is built for a process that is not ours: nothing exported by accident, no lazy binding, thread-locals
# that need no allocation, and no compiler that turns malloc+memset into a call of our own calloc.
preload_flags := $(own_flags) -fPIC -fvisibility=hidden -ftls-model=initial-exec \
	-fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free
preload_ldflags := -shared -Wl,-z,defs -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -static-libgcc

TOOL_LIBS ?= -llz4 -lz -lsqlite3 -lm -lpthread
# Names of native functions, in memreplay alone; libiberty is an archive, libdw is opened when it is needed.
NAME_LIBS ?= -liberty -ldl
TEST_LIBS ?= -lcmocka

# recorder/preload/preload.mk may set PRELOAD_CFLAGS and PRELOAD_LIBS.
PRELOAD_CFLAGS :=
PRELOAD_LIBS :=
-include recorder/preload/preload.mk

# ---- sources --------------------------------------------------------------------------------------

sources = $(sort $(wildcard $(1)/*.c $(1)/*/*.c $(1)/*/*/*.c))
both_src := $(filter-out $(if $(FAIL),,recorder/failpoint.c),$(sort $(wildcard recorder/*.c)))
format_src := $(call sources,format)
collector_src := $(strip $(both_src) $(call sources,recorder/collector))
preload_src := $(call sources,recorder/preload)
shared_src := $(both_src) $(format_src)
replay_src := $(call sources,replay)
analyzer_src := $(call sources,analyzer)
unit_src := $(sort $(wildcard tests/unit/test_*.c tests/unit/*/test_*.c tests/unit/*/*/test_*.c))
program_src := $(sort $(wildcard tests/programs/*.c tests/programs/*.cc))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
pic = $(patsubst %.c,$(BUILD)/pic/%.o,$(1))
format_lib := $(if $(format_src),$(BUILD)/libformat.a)
replay_lib := $(if $(filter-out replay/main.c,$(replay_src)),$(BUILD)/libreplay.a)
analyzer_lib := $(if $(analyzer_src),$(BUILD)/libanalyzer.a)
collector_lib := $(if $(filter-out %/main.c,$(collector_src)),$(BUILD)/libcollector.a)
preload_lib := $(if $(preload_src),$(BUILD)/libpreload.a)

memrec := $(if $(filter recorder/collector/main.c,$(collector_src)),$(BUILD)/memrec)
memreplay := $(if $(filter replay/main.c,$(replay_src)),$(BUILD)/memreplay)
preload := $(if $(preload_src),$(BUILD)/libmemrec.so)
unit_tests := $(patsubst %.c,$(BUILD)/%,$(unit_src))
manual := $(patsubst %,$(BUILD)/share/%,man/man1/memrec.1 man/man1/memreplay.1 \
	bash-completion/completions/memrec bash-completion/completions/memreplay \
	zsh/site-functions/_memrec zsh/site-functions/_memreplay \
	fish/vendor_completions.d/memrec.fish fish/vendor_completions.d/memreplay.fish)
fuzz_src := $(sort $(wildcard tests/fuzz/fuzz_*.c))
fuzz_targets := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/%,$(fuzz_src))
walk_parts := $(patsubst tests/walk/%.c,$(BUILD)/tests/walk/%.so,$(sort $(wildcard tests/walk/*.c)))
programs := $(patsubst %.cc,build/%,$(patsubst %.c,build/%,$(program_src)))

# ---- what people type -----------------------------------------------------------------------------

.PHONY: all demo test quick mutation soak reliability check format install uninstall setup fuzz bench bench-instructions tests unit walk fuzz-targets help clean FORCE

all: $(memrec) $(memreplay) $(preload) $(manual) ## build build/memrec, build/memreplay and build/libmemrec.so (default)

demo: ## install what is missing, build, record a numpy/pandas example and print its peak
	$(Q)tools/setup demo
	$(Q)$(MAKE) all build/venv/.ready
	$(Q)build/memrec run -o build/demo.lz4 -f -- build/venv/bin/python examples/peak.py
	$(Q)build/memreplay peak build/demo.lz4

# What takes minutes to build uses all cores, unless -j says how many.
side_by_side = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 1))

test: ## install what is missing, then every test: unit and end-to-end, release and sanitized, and the checks
	$(Q)tools/setup test
	$(Q)$(MAKE) $(side_by_side) all tests build/venv/.ready
	$(Q)$(MAKE) $(side_by_side) all unit fuzz-targets SAN=address,undefined DEBUG= COVERAGE= FAIL=
	$(Q)$(MAKE) $(side_by_side) all FAIL=1 SAN= DEBUG= COVERAGE=
	$(Q)tests/run

quick: all tests ## unit tests of this variant and the checks only
	$(Q)tests/run --quick --build $(BUILD)

soak: ## what takes minutes or hours: tests marked soak, and the fuzzers (MEMREC_SOAK_MINUTES=60)
	$(Q)tools/setup test
	$(Q)$(MAKE) all tests build/venv/.ready
	$(Q)$(MAKE) all SAN=address,undefined DEBUG= COVERAGE= FAIL=
	$(Q)$(MAKE) all FAIL=1 SAN= DEBUG= COVERAGE=
	$(Q)$(MAKE) unit SAN=thread DEBUG= COVERAGE= FAIL=
	$(Q)tests/run --soak

reliability: build/venv/.ready ## the table of docs/reliability.md, from the tests and their last results
	$(Q)tools/reliability --write

check: $(preload) $(memrec) $(memreplay) ## the checks: layers, allowed symbols, columns, documented prototypes, format, dependencies
	$(Q)tools/check/all

format: ## rewrite the C sources with clang-format
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h' | grep -v '^tests/golden/')

install: all ## install below PREFIX (default /usr/local), inside DESTDIR if given
	$(Q)install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/lib/memrec'
	$(Q)install -m 755 $(memrec) $(memreplay) '$(DESTDIR)$(PREFIX)/bin/'
	$(Q)install -m 755 $(preload) '$(DESTDIR)$(PREFIX)/lib/memrec/libmemrec.so'
	$(Q)cd $(BUILD)/share && for file in $(manual:$(BUILD)/share/%=%); do \
		install -D -m 644 "$$file" '$(DESTDIR)$(PREFIX)/share/'"$$file" || exit 1; done

uninstall: ## remove what install put there
	$(Q)rm -f '$(DESTDIR)$(PREFIX)/bin/memrec' '$(DESTDIR)$(PREFIX)/bin/memreplay' \
		'$(DESTDIR)$(PREFIX)/lib/memrec/libmemrec.so' $(manual:$(BUILD)/share/%='$(DESTDIR)$(PREFIX)/share/%')
	$(Q)rmdir '$(DESTDIR)$(PREFIX)/lib/memrec' 2>/dev/null || true

setup: ## install the packages that building and testing need (apt; root or sudo)
	$(Q)tools/setup test

mutation: ## do the tests notice wrong code? a sample of mutants, an hour (MUTATION="--sample replay=20 --seed 7")
	$(Q)tools/setup test
	$(Q)$(MAKE) build/venv/.ready
	$(Q)tools/mutate $(MUTATION)

fuzz: ## mutated traces for the sanitized memreplay, then all fuzz targets (two minutes; tests/fuzz/run --minutes N)
	$(Q)$(MAKE) all SAN=address,undefined
	$(Q)tests/fuzz/mutated
	$(Q)tests/fuzz/run --minutes 2

bench: ## what recording and replaying cost, beside the peers (40 minutes; BENCH="--quick --only calls")
	$(Q)tools/setup demo
	$(Q)$(MAKE) all
	$(Q)PYTHON='$(PYTHON)' CC='$(CC)' tools/bench/run $(BENCH)

bench-instructions: all ## instructions an event, counted by callgrind, beside the numbers that are kept
	$(Q)PYTHON='$(PYTHON)' CC='$(CC)' tools/bench/instructions || [ $$? = 77 ]

fuzz-targets: $(fuzz_targets)

tests: unit walk fuzz-targets $(programs) ## build the unit tests of this variant and the programs that tests record

unit: $(unit_tests) ## build the unit tests of this variant

walk: $(walk_parts)

help: ## these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile
	@sed -n '/^# Variables:/,/^$$/ s/^# *//p' Makefile

clean: ## remove everything built (the test environment in build/venv too)
	$(Q)rm -rf build

# ---- rules ----------------------------------------------------------------------------------------

# Rebuild when compiler or flags change.
flags_now := $(CC) $(CFLAGS) $(LDFLAGS) $(tool_flags) $(preload_flags) $(PRELOAD_CFLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(flags_now)' | cmp -s - $@ || printf '%s\n' '$(flags_now)' > $@

# Said once, before the first compiler error could say it worse.
build/.packages: tools/setup
	@mkdir -p $(@D)
	$(Q)tools/setup --check build
	@touch $@

build/.test-packages: tools/setup
	@mkdir -p $(@D)
	$(Q)tools/setup --check test
	@touch $@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | build/.packages
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(tool_flags) -MMD -MP -c -o $@ $<

# What pages and databases are made of goes into the program as it is.
$(BUILD)/obj/analyzer/store_write.o: analyzer/schema.sql
$(BUILD)/obj/analyzer/web/assets.o: $(wildcard analyzer/web/*.js analyzer/web/*.css analyzer/web/*.html)

$(BUILD)/obj/tests/%.o: tests/%.c $(BUILD)/flags | build/.test-packages
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(tool_flags) -MMD -MP -c -o $@ $<

$(BUILD)/pic/%.o: %.c $(BUILD)/flags | build/.packages
	$(call say,CC,$< (library))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(preload_flags) $(PRELOAD_CFLAGS) -MMD -MP -c -o $@ $<

archive = $(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)
$(BUILD)/libformat.a: $(call obj,$(format_src)) ; $(archive)
$(BUILD)/libreplay.a: $(call obj,$(filter-out replay/main.c,$(replay_src))) ; $(archive)
$(BUILD)/libanalyzer.a: $(call obj,$(analyzer_src)) ; $(archive)
$(BUILD)/libcollector.a: $(call obj,$(filter-out %/main.c,$(collector_src))) ; $(archive)
$(BUILD)/libpreload.a: $(call obj,$(preload_src)) $(unwind) ; $(archive)

group = $(if $(strip $(1)),-Wl$(comma)--start-group $(1) -Wl$(comma)--end-group)
link = $(Q)$(CC) $(CFLAGS) $(tool_flags) $(san_ldflags) $(LDFLAGS) -o $@
$(BUILD)/memrec: $(call obj,recorder/collector/main.c) $(collector_lib) $(format_lib)
	$(call say,LINK,$@)
	$(link) $^ $(TOOL_LIBS)

$(BUILD)/memreplay: $(call obj,replay/main.c) $(analyzer_lib) $(replay_lib) $(format_lib)
	$(call say,LINK,$@)
	$(link) $(filter %.o,$^) $(call group,$(filter %.a,$^)) $(TOOL_LIBS) $(NAME_LIBS)

# Man pages and completions, from the tables of options that the programs are made from.
$(BUILD)/tools/manual: $(call obj,$(wildcard tools/manual/*.c))
	@mkdir -p $(@D)
	$(link) $^

manual_rule = @mkdir -p $(@D)
$(BUILD)/share/man/man1/%.1: docs/man/%.1.in $(BUILD)/tools/manual
	$(manual_rule)
	$(Q)$(BUILD)/tools/manual page $* $< > $@.part && sed 's/@version@/$(VERSION)/' $@.part > $@ && rm $@.part
$(BUILD)/share/bash-completion/completions/%: $(BUILD)/tools/manual
	$(manual_rule)
	$(Q)$< bash $* > $@
$(BUILD)/share/zsh/site-functions/_%: $(BUILD)/tools/manual
	$(manual_rule)
	$(Q)$< zsh $* > $@
$(BUILD)/share/fish/vendor_completions.d/%.fish: $(BUILD)/tools/manual
	$(manual_rule)
	$(Q)$< fish $* > $@

$(BUILD)/pic/libshared.a: $(call pic,$(shared_src)) ; $(archive)
$(BUILD)/libmemrec.so: $(call pic,$(preload_src)) $(unwind) $(BUILD)/pic/libshared.a $(wildcard recorder/preload/exports.map)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(preload_ldflags) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) \
		$(patsubst %,-Wl$(comma)--version-script=%,$(filter %.map,$^)) $(PRELOAD_LIBS)

# Tests of the library's parts link its archive after libc, so that the hooks (malloc and so on) are never pulled in.
$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(collector_lib) $(analyzer_lib) $(replay_lib) $(format_lib) $(preload_lib)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(link) $< $(call group,$(collector_lib) $(analyzer_lib) $(replay_lib) $(format_lib)) \
		$(TEST_LIBS) $(TOOL_LIBS) $(NAME_LIBS) $(if $(findstring /test_preload_,$@),-lc $(call group,$(preload_lib) $(collector_lib) $(format_lib)))

# Fuzz targets: one object each, what they share, and a main that replays a corpus, or the fuzzer's own.
fuzz_shared := $(filter-out $(fuzz_src) tests/fuzz/main.c tests/fuzz/dissect.c,$(wildcard tests/fuzz/*.c))
fuzz_main := $(if $(FUZZ)$(AFL),,$(BUILD)/obj/tests/fuzz/main.o)
fuzz_flags = $(if $(FUZZ)$(AFL),-fsanitize=fuzzer) $(patsubst %,-Wl$(comma)--wrap=%,$(fuzz_wrapped_$(@F)))
fuzz_wrapped_ring := output_event opendir
$(BUILD)/libfuzz.a: $(call obj,$(fuzz_shared)) ; $(archive)
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(fuzz_main) $(BUILD)/libfuzz.a $(collector_lib) $(analyzer_lib) $(replay_lib) $(format_lib)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(link) $(fuzz_flags) $(filter %.o,$^) $(call group,$(filter %.a,$^)) $(TOOL_LIBS) $(NAME_LIBS)

$(BUILD)/fuzz-dissect: $(BUILD)/obj/tests/fuzz/dissect.o $(BUILD)/libfuzz.a $(format_lib)
	$(call say,LINK,$@)
	$(link) $^ $(TOOL_LIBS)

walk_src := $(preload_src) recorder/collector/lines.c
$(BUILD)/pic/libwalk.a: $(call pic,$(walk_src)) $(unwind) ; $(archive)
$(BUILD)/tests/walk/%.so: $(BUILD)/pic/tests/walk/%.o $(BUILD)/pic/libwalk.a $(BUILD)/pic/libshared.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(preload_ldflags) $(LDFLAGS) -o $@ $< -lc $(call group,$(filter %.a,$^)) $(PRELOAD_LIBS)

# Programs that get recorded: never sanitized, in one place for all variants. Those that embed Python may fail.
extra = $$(sed -n 's/^.*build-flags: *//p' $<)
libpython = $$(PATH=/usr/bin:/bin python3-config --cflags --ldflags --embed 2>/dev/null)
program_flags := -O1 -g -std=gnu11 -Wall -Wextra -D_GNU_SOURCE= -pthread
build/tests/programs/%.so: tests/programs/%.so.c | build/.test-packages
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(program_flags) -shared -fPIC -o $@ $< $(extra)

build/tests/programs/%: tests/programs/%.c | build/.test-packages
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(program_flags) $(if $(findstring /static_,$@),-static) -o $@ $< $(extra) -ldl \
		$(if $(findstring /embed,$@),$(libpython) || echo 'not built: $@ (no shared libpython with headers)')

build/tests/programs/%: tests/programs/%.cc | build/.test-packages
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) -O1 -g -std=c++17 -Wall -Wextra -pthread -o $@ $< $(extra) -ldl

# An environment of their own at pinned versions: pytest and what examples import. The bench makes its own.
build/venv/.ready: tests/requirements.txt
	$(call say,VENV,$(@D))
	$(Q)PYTHON='$(PYTHON)' tools/setup --venv $(@D) $<
	@touch $@

-include $(shell find $(BUILD)/obj $(BUILD)/pic -name '*.d' 2>/dev/null)
