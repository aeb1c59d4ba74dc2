# ragd: question answering over your own documents.  `make help` lists the
# targets.  Third-party parts come from ./setup (see third_party/parts.env).

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
OPT     ?= -O2
SAN     ?=
WERROR  ?=

include third_party/parts.env
CACHE := $(or $(RAGD_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ragd)
LEVEL := $(shell third_party/cpu-level)
FAISS := $(CACHE)/$(FAISS_PART)-$(LEVEL)

ROOMS    := base embed index ingest generate daemon client
PROGRAMS := $(BUILD)/rag-ingest $(BUILD)/ragd $(BUILD)/rag

# ---- flags -------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wvla -Wformat=2 -Wcast-qual $(if $(WERROR),-Werror)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -g1)
# Paths into the cache are relative to it: the cache moves with the user.
DEFS := -D_GNU_SOURCE -DRAG_VERSION='"$(VERSION)"' \
        -DRAG_ENCODER_FILE='"$(ENCODER_FILE)"' \
        -DRAG_GENERATOR_FILE='"$(GENERATOR_FILE)"' \
        -DRAG_LLAMA_SERVER='"$(LLAMA_PART)-$(LEVEL)/bin/llama-server"' \
        -DRAG_ADAPTER_FILE='"gemma3-270m-ragd.lora.gguf"' \
        -DRAG_ENCODER_ADAPTER_FILE='"e5-small-encoder-ko-en.gguf"' \
        -DRAG_READER_FILE='"e5-small-reader-ko-en.gguf"' \
        -DRAG_CARD_FILE='"gemma3-270m-ragd.card"' \
        -DRAG_DATA_DIR='"$(PREFIX)/share/ragd"' \
        -DRAG_SOURCE_DIR='"$(CURDIR)"'
PKGS_base     := libpcre2-8 jansson libutf8proc libcurl nettle libxxhash
PKGS_index    := sqlite3
PKGS_ingest   := libxml-2.0 uchardet
PKGS_generate := inih
PKGS_daemon   := libmicrohttpd inih
PKGS := $(sort $(foreach r,$(ROOMS),$(PKGS_$(r))))
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)

ALL_CFLAGS = -std=gnu11 $(OPT) -g -fPIE -fno-math-errno $(WARN) $(SANFLAGS) \
             $(DEFS) -I. -isystem $(FAISS)/include $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie $(SANFLAGS) -Wl,-z,relro,-z,now $(LDFLAGS)

LIBS_base     := $(shell pkg-config --libs $(PKGS_base) 2>/dev/null)
LIBS_embed    := -ldnnl -lgomp
LIBS_index    := $(shell pkg-config --libs $(PKGS_index) 2>/dev/null) \
                 -L$(FAISS)/lib -lfaiss_c -lfaiss -lopenblas -llapack \
                 -lstdc++ -lgomp
LIBS_ingest   := $(shell pkg-config --libs $(PKGS_ingest) 2>/dev/null)
LIBS_generate := $(shell pkg-config --libs $(PKGS_generate) 2>/dev/null)
LIBS_daemon   := $(shell pkg-config --libs $(PKGS_daemon) 2>/dev/null)
LIBS_client   :=
LIBS_SYS      := -lpthread -lm

# ---- what is made of what ----------------------------------------------

MAIN_SRC := $(wildcard ingest/main*.c) daemon/main.c client/main.c
$(foreach r,$(ROOMS),$(eval SRC_$(r) := $(filter-out $(MAIN_SRC),$(sort \
    $(wildcard $(r)/*.c)))))
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
lib = $(BUILD)/librag_$(1).a
ENGINE := ingest embed index generate base

# rooms a program or a test of a room needs, in link order
NEED_base     := base
NEED_embed    := embed base
NEED_index    := index base
NEED_ingest   := ingest base
NEED_generate := generate base
NEED_daemon   := daemon $(ENGINE)
NEED_client   := client base
NEED_rag-ingest := ingest embed index generate base
NEED_all      := daemon client $(ENGINE)

link = $(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group \
       $(filter %.a,$^) -Wl,--end-group \
       $(foreach r,$(1),$(LIBS_$(r))) $(LIBS_SYS)

.PHONY: all
all: parts-present doors $(PROGRAMS)

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Objects are made again when flags change.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(CC) $(ALL_CFLAGS))' | cmp -s - $@ || \
	    echo '$(subst ','\'',$(CC) $(ALL_CFLAGS))' > $@
.PHONY: FORCE
FORCE:

define room_rules
$(call lib,$(1)): $(call obj,$(SRC_$(1)))
	@mkdir -p $(BUILD) && rm -f $$@
	$$(AR) rcs $$@ $$^
.PHONY: lib-$(1) test-$(1)
lib-$(1): $(call lib,$(1))
UNIT_$(1) := $$(patsubst %.c,$(BUILD)/%,$$(wildcard tests/unit/test_$(1)_*.c))
$$(UNIT_$(1)): %: %.o $(foreach r,$(NEED_$(1)),$(call lib,$(r)))
	$$(call link,$(NEED_$(1))) -lcmocka
test-$(1): $$(UNIT_$(1))
	@tests/run.py $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_rules,$(r))))

$(BUILD)/rag-ingest: $(call obj,$(wildcard ingest/main*.c)) \
    $(foreach r,$(NEED_rag-ingest),$(call lib,$(r)))
	$(call link,$(NEED_rag-ingest))
$(BUILD)/ragd: $(call obj,daemon/main.c) \
    $(foreach r,$(NEED_daemon),$(call lib,$(r)))
	$(call link,$(NEED_daemon))
$(BUILD)/rag: $(call obj,client/main.c) \
    $(foreach r,$(NEED_client),$(call lib,$(r)))
	$(call link,$(NEED_client))

# ---- tests ---------------------------------------------------------------

UNIT  := $(foreach r,$(ROOMS),$(UNIT_$(r)))
INTEG := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/integration/test_*.c))
FAULT := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fault/test_*.c))
E2E   := $(sort $(wildcard tests/e2e/test_*.py))
TOOLS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/eval/*.c) \
    $(wildcard tests/bench/*.c))

$(INTEG) $(FAULT): %: %.o $(foreach r,$(NEED_all),$(call lib,$(r)))
	$(call link,$(NEED_all)) -lcmocka
$(TOOLS): %: %.o $(foreach r,$(NEED_all),$(call lib,$(r)))
	$(call link,$(NEED_all))

.PHONY: check e2e asan tsan fuzz fuzz-smoke bench eval
check: all $(UNIT) $(INTEG) $(FAULT)
	@RAG_BUILD=$(abspath $(BUILD)) tests/run.py --jobs 2 \
	    $(UNIT) $(INTEG) $(FAULT) samples/check.py

e2e: all
	@RAG_BUILD=$(abspath $(BUILD)) tests/run.py --timeout 600 $(E2E)

# Instrumented code confuses gcc's flow analysis, so its warnings are errors in
# the plain build only.
asan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan WERROR= \
	    SAN=address,undefined OPT=-O1 \
	    CFLAGS='-fno-sanitize-recover=undefined $(CFLAGS)' check
tsan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan WERROR= \
	    SAN=thread OPT=-O1 \
	    tsan-run
.PHONY: tsan-run
TSAN := $(UNIT_base) $(UNIT_index) $(UNIT_daemon)
tsan-run: $(TSAN)
	@RAG_BUILD=$(abspath $(BUILD)) \
	    TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp" \
	    setarch -R tests/run.py $(TSAN)

# libFuzzer targets want clang; each runs for FUZZ_SECONDS on its corpus.
FUZZ_SECONDS ?= 20
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz-build:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz WERROR= CC=clang \
	    OPT=-O1 SAN=address,undefined \
	    CFLAGS='-fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined \
	    $(CFLAGS)' $(addprefix $(BUILD)/fuzz/tests/fuzz/,$(FUZZ))
.PHONY: fuzz-build
$(addprefix $(BUILD)/tests/fuzz/,$(FUZZ)): %: %.o \
    $(foreach r,$(NEED_all),$(call lib,$(r)))
	$(call link,$(NEED_all)) -fsanitize=fuzzer
fuzz-smoke: fuzz-build
	@RAG_BUILD=$(abspath $(BUILD)/fuzz) FUZZ_SECONDS=$(FUZZ_SECONDS) \
	    tests/fuzz/run.sh $(FUZZ)
fuzz: FUZZ_SECONDS = 600
fuzz: fuzz-smoke

bench: all $(TOOLS)
	@RAG_BUILD=$(abspath $(BUILD)) tests/bench/run.sh
eval: all $(TOOLS)
	@RAG_BUILD=$(abspath $(BUILD)) tests/eval/run.sh $(DATA)

# ---- order ----------------------------------------------------------------

.PHONY: doors format format-check parts-present
doors:
	@tests/doors.sh
SOURCES = $(wildcard $(addsuffix /*.[ch],$(ROOMS)) tests/*/*.[ch])
format:
	clang-format -i $(SOURCES)
format-check:
	@clang-format --dry-run -Werror $(SOURCES) && echo "format: ok"

# Says in one go what is missing, instead of a compiler's first complaint.
parts-present:
	@third_party/present "$(CACHE)" "$(FAISS)" $(PKGS)

# ---- installing ------------------------------------------------------------

.PHONY: install uninstall clean help
SHARE := $(DESTDIR)$(PREFIX)/share
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/ragd $(SHARE)/doc/ragd \
	    $(SHARE)/man/man1 $(SHARE)/man/man5 $(SHARE)/man/man8 \
	    $(DESTDIR)$(PREFIX)/lib/systemd/user
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(wildcard generate/models/* embed/models/*) $(SHARE)/ragd
	install -m 644 docs/ragd.conf.example README.md LICENSE CHANGES \
	    $(SHARE)/doc/ragd
	install -m 644 man/*.1 $(SHARE)/man/man1
	install -m 644 man/*.5 $(SHARE)/man/man5
	install -m 644 man/*.8 $(SHARE)/man/man8
	for u in docs/ragd.service docs/ragd.socket; do \
	    sed 's|@PREFIX@|$(PREFIX)|g' $$u > \
	    $(DESTDIR)$(PREFIX)/lib/systemd/user/$${u#docs/}; done
uninstall:
	cd $(DESTDIR)$(PREFIX)/bin && rm -f $(notdir $(PROGRAMS))
	rm -rf $(SHARE)/ragd $(SHARE)/doc/ragd
	cd $(SHARE)/man && rm -f $(patsubst man/%.1,man1/%.1,$(wildcard \
	    man/*.1)) $(patsubst man/%.5,man5/%.5,$(wildcard man/*.5)) \
	    $(patsubst man/%.8,man8/%.8,$(wildcard man/*.8))
	rm -f $(DESTDIR)$(PREFIX)/lib/systemd/user/ragd.service \
	    $(DESTDIR)$(PREFIX)/lib/systemd/user/ragd.socket
clean:
	rm -rf $(BUILD)

help:
	@echo 'make               ragd, rag and rag-ingest in $(BUILD)/'
	@echo 'make check         unit and integration tests (two minutes)'
	@echo 'make e2e           end-to-end tests with the real models'
	@echo 'make asan | tsan   the tests under sanitizers'
	@echo 'make fuzz-smoke    each fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo 'make bench         benchmarks, one "name value unit" a line'
	@echo 'make eval DATA=DIR quality on docs.jsonl and queries.jsonl'
	@echo 'make install       into DESTDIR= and PREFIX=$(PREFIX)'
	@echo 'make format        clang-format; format-check only looks'
	@echo 'make doors         no room includes what it must not'
	@echo 'make clean         removes $(BUILD)/'
	@echo 'Parts: $(CACHE), made by ./setup'

-include $(shell [ -d $(BUILD) ] && find $(BUILD) -name '*.d' 2>/dev/null)
