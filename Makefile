# make            build the server and its page
# make run        install what is missing, build, start
# make check      install what is missing, build, run every test
# make bench      print every figure that the documents quote
# make help       the rest
#
# Variants live in folders of their own: make BUILD=build/asan CONFIGURE_FLAGS='--enable-asan'

BUILD ?= build
CONFIGURE_FLAGS ?=
LAYERS := core turn relay signaling app

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# Goals that need no configuration.
BARE_GOALS := setup run check bench clean distclean help
ifneq ($(filter-out $(BARE_GOALS),$(or $(MAKECMDGOALS),all)),)
include $(BUILD)/config.mk
endif

configure: configure.ac
	@echo "== making ./configure"
	autoconf
	autoheader 2>/dev/null

$(BUILD)/config.mk: configure config.mk.in
	@echo "== configuring $(BUILD)"
	@mkdir -p $(BUILD)
	@cd $(BUILD) && $(CURDIR)/configure -q $(CONFIGURE_FLAGS) && touch config.mk

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wcast-qual -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough
HARDENING := $(if $(SANITIZE),-fno-omit-frame-pointer,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE
COMPILE = $(CC) -std=gnu11 -D_GNU_SOURCE -MMD -MP -I. -I$(BUILD) $(PACKAGE_CFLAGS) $(WARNINGS) \
	$(WERROR) $(HARDENING) $(SANITIZE) $(CFLAGS)
LINK = $(CC) $(CFLAGS) $(SANITIZE) -pie -Wl,-z,relro,-z,now $(LDFLAGS)

# --- the server ------------------------------------------------------------------------------
SOURCES := $(filter-out app/main.c,$(foreach layer,$(LAYERS),$(wildcard $(layer)/*.c)))
ifeq ($(HAVE_IPSEC_MB),0)
SOURCES := $(filter-out relay/srtp_ipsec_mb.c,$(SOURCES))
endif
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
MAIN_OBJECT := $(BUILD)/obj/app/main.o
LIBRARY := $(BUILD)/libmeetopia.a
SERVER := $(BUILD)/meetopia-relay

.PHONY: all server web setup run check bench test-programs tests fuzz install clean distclean help
all: server web
server: $(SERVER)

$(BUILD)/obj/%.o: %.c $(BUILD)/config.mk
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(COMPILE) -c -o $@ $<

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(SERVER): $(MAIN_OBJECT) $(LIBRARY)
	@echo "  LINK $@"
	@$(LINK) -o $@ $(MAIN_OBJECT) $(LIBRARY) $(LIBS)

# --- the page --------------------------------------------------------------------------------
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
WEB := build/web/index.html
web: $(WEB)
$(WEB): $(WEB_SOURCES)
	@echo "== building the page (npm)"
	@scripts/build-web.sh build/web

# --- tests, fuzz targets, tools, benchmarks -----------------------------------------------------
# One program a file: tests/<layer>/x_test.c, tests/sim/x_test.c, tests/fuzz/x_fuzz.c,
# tests/tools/x.c and bench/x.c that define main(). Files named *_lib.c are linked into all of them.
TEST_LIB_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/*/*_lib.c bench/*_lib.c))
TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/*/*_test.c))
TOOLS := $(patsubst %.c,$(BUILD)/%,$(filter-out %_lib.c,$(wildcard tests/tools/*.c bench/*.c)))
FUZZERS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/*_fuzz.c))

TEST_LIBRARY := $(BUILD)/libtest.a
$(TEST_LIBRARY): $(TEST_LIB_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(TESTS) $(TOOLS): $(BUILD)/%: $(BUILD)/obj/%.o $(TEST_LIBRARY) $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(LINK) -o $@ $< $(TEST_LIBRARY) $(LIBRARY) $(LIBS)

# Without --enable-fuzz a target replays its corpus; with it, it is a libFuzzer program.
FUZZ_MAIN := $(if $(filter 1,$(FUZZ)),,$(BUILD)/obj/tests/fuzz/replay.o)
$(FUZZERS): $(BUILD)/%: $(BUILD)/obj/%.o $(FUZZ_MAIN) $(TEST_LIBRARY) $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(LINK) $(if $(filter 1,$(FUZZ)),-fsanitize=fuzzer) -o $@ $^ $(LIBS)

test-programs: tests $(TOOLS)
tests: $(TESTS) $(FUZZERS)
fuzz: $(FUZZERS)

# --- what a person types ------------------------------------------------------------------------
setup:
	@scripts/setup.sh

run:
	@scripts/setup.sh run
	@$(MAKE) --no-print-directory -j"$$(nproc)" all
	@exec $(SERVER) $(ARGS)

check:
	@scripts/setup.sh check
	@exec tests/run.sh

bench:
	@scripts/setup.sh check
	@$(MAKE) --no-print-directory -j"$$(nproc)" all test-programs
	@scripts/bench.sh

install: all
	$(INSTALL) -d $(DESTDIR)$(bindir) $(DESTDIR)$(datadir)/meetopia-relay/web
	$(INSTALL) -m 755 $(SERVER) $(DESTDIR)$(bindir)/meetopia-relay
	cp -R build/web/. $(DESTDIR)$(datadir)/meetopia-relay/web/

clean:
	rm -rf build
distclean: clean
	rm -rf configure autom4te.cache config.h.in config.h.in~ web/node_modules tests/node_modules
help:
	@sed -n '1,/^$$/p' Makefile | sed 's/^# \{0,1\}//'
	@echo "make install    DESTDIR and prefix as usual (set prefix with ./configure --prefix=DIR)"
	@echo "make fuzz       the fuzz targets (make BUILD=build/fuzz CONFIGURE_FLAGS='CC=clang --enable-fuzz --enable-asan' fuzz)"

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
