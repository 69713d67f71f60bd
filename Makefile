# Makefile: builds vecmark with PGXS, in this directory or out of it (make -f SOURCE/Makefile).

# The directory this file is in: "./" in place, the source path in an out-of-tree build.
here := $(dir $(firstword $(MAKEFILE_LIST)))

EXTENSION  = vecmark
MODULE_big = vecmark
VM_VERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(here)vecmark.control)
SCRIPT    := $(EXTENSION)--$(VM_VERSION).sql

OBJS = \
	src/bookmark/bookmark_embed.o \
	src/bookmark/bookmark_glue.o \
	src/bookmark/bookmark_import.o \
	src/bookmark/bookmark_match.o \
	src/bookmark/bookmark_url.o \
	src/bookmark/embed.o \
	src/bookmark/netscape.o \
	src/bookmark/url_key.o \
	src/crdt/clock.o \
	src/crdt/delta_decode.o \
	src/crdt/delta_encode.o \
	src/crdt/delta_prefix.o \
	src/crdt/row_state.o \
	src/crdt/version.o \
	src/graph/code.o \
	src/graph/geometry.o \
	src/graph/graph.o \
	src/graph/prune.o \
	src/graph/rotation.o \
	src/graph/sparse.o \
	src/graph/walk.o \
	src/hnsw/hnsw.o \
	src/hnsw/hnsw_build.o \
	src/hnsw/hnsw_build_load.o \
	src/hnsw/hnsw_build_parallel.o \
	src/hnsw/hnsw_build_team.o \
	src/hnsw/hnsw_build_write.o \
	src/hnsw/hnsw_census.o \
	src/hnsw/hnsw_check.o \
	src/hnsw/hnsw_check_directory.o \
	src/hnsw/hnsw_check_node.o \
	src/hnsw/hnsw_check_page.o \
	src/hnsw/hnsw_cost.o \
	src/hnsw/hnsw_directory.o \
	src/hnsw/hnsw_extend.o \
	src/hnsw/hnsw_insert.o \
	src/hnsw/hnsw_inspect.o \
	src/hnsw/hnsw_opclass.o \
	src/hnsw/hnsw_ivfflat.o \
	src/hnsw/hnsw_option.o \
	src/hnsw/hnsw_page.o \
	src/hnsw/hnsw_place.o \
	src/hnsw/hnsw_repair.o \
	src/hnsw/hnsw_scan.o \
	src/hnsw/hnsw_settings.o \
	src/hnsw/hnsw_tids.o \
	src/hnsw/hnsw_vacuum.o \
	src/merkle/leaf.o \
	src/merkle/merkle_build.o \
	src/merkle/merkle_fetch.o \
	src/merkle/merkle_rejoin.o \
	src/merkle/merkle_row.o \
	src/merkle/merkle_scan.o \
	src/merkle/merkle_store.o \
	src/merkle/merkle_table.o \
	src/merkle/merkle_tell.o \
	src/merkle/merkle_view.o \
	src/peer/peer.o \
	src/replaced/replaced.o \
	src/simd/simd.o \
	src/simd/simd_avx2.o \
	src/simd/simd_avx512.o \
	src/simd/simd_code_avx2.o \
	src/simd/simd_code_avx512.o \
	src/simd/simd_code_neon.o \
	src/simd/simd_code_scalar.o \
	src/simd/simd_half_avx2.o \
	src/simd/simd_half_avx512.o \
	src/simd/simd_half_neon.o \
	src/simd/simd_half_scalar.o \
	src/simd/simd_neon.o \
	src/simd/simd_scalar.o \
	src/sync/sync_alloc.o \
	src/sync/sync_anew.o \
	src/sync/sync_apply.o \
	src/sync/sync_build.o \
	src/sync/sync_capture.o \
	src/sync/sync_changes.o \
	src/sync/sync_check.o \
	src/sync/sync_death.o \
	src/sync/sync_dots.o \
	src/sync/sync_dump.o \
	src/sync/sync_events.o \
	src/sync/sync_form.o \
	src/sync/sync_group.o \
	src/sync/sync_held.o \
	src/sync/sync_hidden.o \
	src/sync/sync_image.o \
	src/sync/sync_json.o \
	src/sync/sync_key.o \
	src/sync/sync_lack.o \
	src/sync/sync_log.o \
	src/sync/sync_merge.o \
	src/sync/sync_meta.o \
	src/sync/sync_missing.o \
	src/sync/sync_order.o \
	src/sync/sync_owner.o \
	src/sync/sync_pack.o \
	src/sync/sync_park.o \
	src/sync/sync_peer.o \
	src/sync/sync_read.o \
	src/sync/sync_refer.o \
	src/sync/sync_rights.o \
	src/sync/sync_row.o \
	src/sync/sync_site.o \
	src/sync/sync_stream.o \
	src/sync/sync_table.o \
	src/sync/sync_tell.o \
	src/sync/sync_told.o \
	src/sync/sync_track.o \
	src/sync/sync_types.o \
	src/sync/sync_walk.o \
	src/sync/sync_write.o \
	src/testpoint/testpoint.o \
	src/vecmark.o \
	src/vector/bit.o \
	src/vector/hyperbolic.o \
	src/vector/hyperbolic_math.o \
	src/vector/sparsevec_cast.o \
	src/vector/sparsevec_distance.o \
	src/vector/sparsevec_io.o \
	src/vector/sparsevec_ops.o \
	src/vector/sparsevec_parse.o \
	src/vector/vector_aggregate.o \
	src/vector/vector_cast.o \
	src/vector/vector_io.o \
	src/vector/vector_ops.o \
	src/vector/vector_parse.o \
	src/vector/halfvec_aggregate.o \
	src/vector/halfvec_binary.o \
	src/vector/halfvec_cast.o \
	src/vector/halfvec_io.o \
	src/vector/halfvec_ops.o

# The install script is these pieces, in this order.
SQL_PIECES = \
	src/vecmark.sql \
	src/hnsw/hnsw_name.sql \
	src/vector/vector.sql \
	src/vector/bit.sql \
	src/vector/hyperbolic.sql \
	src/vector/halfvec.sql \
	src/vector/sparsevec.sql \
	src/hnsw/hnsw.sql \
	src/hnsw/ivfflat.sql \
	src/closed_path.sql \
	src/hnsw/hnsw_inspect.sql \
	src/sync/sync_types.sql \
	src/sync/sync.sql \
	src/merkle/merkle.sql \
	src/peer/peer.sql \
	src/peer/peer_exchange.sql \
	src/peer/peer_verify.sql \
	src/peer/peer_rejoin.sql \
	src/upkeep.sql \
	src/dump.sql \
	src/bookmark/bookmark_url.sql \
	src/bookmark/bookmark_table.sql \
	src/bookmark/bookmark_edit.sql \
	src/bookmark/bookmark_search.sql \
	src/bookmark/bookmark_import.sql \
	src/bookmark/bookmark_api.sql

DATA        = $(patsubst $(here)%,%,$(wildcard $(here)sql/install/*.sql))
DATA_built  = $(SCRIPT)
DOCS        = README.md
PG_CPPFLAGS = -I$(here)src -DVECMARK_VERSION='"$(VM_VERSION)"'
# In PG_CFLAGS, since the compiler of bitcode would write the same .d files.
PG_CFLAGS   = -fvisibility=hidden -MMD -MP
SHLIB_LINK  = -lm -Wl,-Bsymbolic
EXTRA_CLEAN = $(OBJS:.o=.d) $(OBJS:.o=.bc)

REGRESS        = $(patsubst $(here)sql/%.sql,%,$(wildcard $(here)sql/*.sql))
REGRESS_OPTS   = --load-extension=$(EXTENSION)
# Other specs and the TAP tests need a build with test points: test/run.
ISOLATION      = import_overlap
ISOLATION_OPTS = --inputdir=$(here)test/isolation --load-extension=$(EXTENSION)

ifneq ($(here),./)
VPATH := $(here)
endif
# An out-of-tree build starts in an empty directory.
$(shell mkdir -p $(sort $(dir $(OBJS))))

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Rooms that know no server are compiled without its headers: what they include is C's,
# xxHash's, or this tree's.
PURE_ROOMS = crdt graph simd
PURE_OBJS := $(filter $(PURE_ROOMS:%=src/%/%),$(OBJS))
$(PURE_OBJS) $(PURE_OBJS:.o=.bc): override CPPFLAGS := \
	$(filter-out -I$(includedir_server) -I$(includedir_internal),$(CPPFLAGS))

# A piece that changes remakes the script, and so does this list.
$(SCRIPT): $(SQL_PIECES) $(here)Makefile
	cat $(filter %.sql,$^) > $@

-include $(OBJS:.o=.d)
# Bitcode has no .d files of its own: it is made anew with its object.
$(OBJS:.o=.bc): %.bc: %.o

# Extension "vector", an alias of this one: only on demand, and never over pgvector's.
ALIAS     := $(notdir $(wildcard $(here)alias/vector*))
ALIAS_DIR  = $(DESTDIR)$(datadir)/extension
# And library "vector", for servers that preload it: one file with ours, which is loaded once.
ALIAS_LIB  = $(DESTDIR)$(pkglibdir)/vector$(DLSUFFIX)
ALIAS_LINK = vecmark$(DLSUFFIX)

.PHONY: install-alias uninstall-alias
install-alias:
	@for file in '$(ALIAS_DIR)'/vector.control '$(ALIAS_DIR)'/vector--*.sql; do \
		if [ -e "$$file" ] && ! grep -q vecmark "$$file"; then \
			echo "$$file is not vecmark's: is pgvector installed?  Remove it first." >&2; exit 1; \
		fi; \
	done
	@if { [ -e '$(ALIAS_LIB)' ] || [ -L '$(ALIAS_LIB)' ]; } && [ "$$(readlink '$(ALIAS_LIB)')" != '$(ALIAS_LINK)' ]; then \
		echo "$(ALIAS_LIB) is not vecmark's: is pgvector installed?  Remove it first." >&2; exit 1; \
	fi
	$(MKDIR_P) '$(ALIAS_DIR)' '$(DESTDIR)$(pkglibdir)'
	$(INSTALL_DATA) $(addprefix $(here)alias/,$(ALIAS)) '$(ALIAS_DIR)/'
	ln -sf '$(ALIAS_LINK)' '$(ALIAS_LIB)'

uninstall-alias:
	@for file in $(ALIAS); do \
		if grep -qs vecmark '$(ALIAS_DIR)'/"$$file"; then \
			echo rm "$$file"; rm '$(ALIAS_DIR)'/"$$file"; \
		fi; \
	done
	@if [ "$$(readlink '$(ALIAS_LIB)')" = '$(ALIAS_LINK)' ]; then \
		echo rm vector$(DLSUFFIX); rm '$(ALIAS_LIB)'; \
	fi
