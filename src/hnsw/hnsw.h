/*
 * hnsw.h: what the server side of the index shares: pages, buffers, settings.
 *
 * README explains pages, locks, logging and invariants; read it first.
 */
#ifndef HNSW_H
#define HNSW_H

#include "access/amapi.h"
#include "access/generic_xlog.h"
#include "access/reloptions.h"
#include "storage/bufmgr.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

#include "graph/walk.h"

#define HNSW_META_BLOCK 0
#define HNSW_META_MAGIC 0x766d6877
#define HNSW_VERSION 2

/* Phases of CREATE INDEX, in pg_stat_progress_create_index. */
#define HNSW_PHASE_LOAD 2
#define HNSW_PHASE_WRITE 3

/*
 * Neighbours that an insert lets link back: each is a page to change and log.  A
 * build, which logs pages once, has no such limit (src/graph/README.md, "Links").
 */
#define HNSW_BACK_LINKS(m) Max((m) * 5 / 8, 2)

/* The repair of vacuum waits until this share of nodes is dead. */
#define HNSW_REPAIR_SHARE 0.15

/* Options and settings; the ranges are pgvector's. */
#define HNSW_DEFAULT_M 16
#define HNSW_DEFAULT_EF_CONSTRUCTION 64
#define HNSW_MIN_EF_CONSTRUCTION 4
#define HNSW_MAX_EF_CONSTRUCTION 1000
#define HNSW_DEFAULT_EF_SEARCH 40
#define HNSW_MAX_EF_SEARCH 1000
#define HNSW_DEFAULT_SEED 1

/* One in so many nodes of a level is also on the next. */
#define HNSW_BRANCHING 64

/* Support functions of an operator class. */
#define HNSW_DISTANCE_PROC 1
#define HNSW_OPCLASS_PROC 2

/* What support function 2 of an operator class returns. */
typedef struct HnswOpclass
{
	GraphMetric metric;
	int			max_dim;
	bool		sparse;			/* vectors are GraphSparse */
	const char *mismatch;		/* message: dimensions of two vectors */

	/*
	 * Store a value, which may be toasted, as floats, neither scaled nor
	 * rotated.  Returns its dimensions, and stores nothing if they are not
	 * dim.  Errors: XX001 for a corrupted value.
	 */
	int			(*load) (Datum value, int dim, float *out);
} HnswOpclass;

typedef enum HnswIterativeScan
{
	HNSW_ITERATIVE_OFF,
	HNSW_ITERATIVE_RELAXED,
	HNSW_ITERATIVE_STRICT
} HnswIterativeScan;

/* WITH (...) of an index.  Negative: the setting of the session counts. */
typedef struct HnswOptions
{
	int32		vl_len_;
	int			m;
	int			ef_construction;
	GraphStorage storage;
	int			seed;
	int			ef_search;
	int			iterative_scan;
	int			max_scan_tuples;
	int			lists;			/* of access method ivfflat */
} HnswOptions;

/* How a scan goes, from settings and options. */
typedef struct HnswScanSettings
{
	int			ef_search;
	HnswIterativeScan iterative_scan;
	int			max_scan_tuples;
	const char *limit_name;		/* the setting that max_scan_tuples is from */
	double		share;			/* of all nodes: as many may be read, if that
								 * is more */
	double		memory_limit;	/* bytes */
	bool		goes_on;		/* without order, where memory ends the walk */
	bool		exact;			/* every node is read before the first row */
} HnswScanSettings;

/* The contents of block 0. */
typedef struct HnswMeta
{
	uint32		magic;
	uint32		version;
	int32		dim;
	uint8		metric;
	uint8		storage;
	uint8		bits;
	uint8		reserved;
	uint16		links;
	uint16		m;
	uint16		ef_construction;
	uint16		branching;
	uint64		seed;
	uint32		entry;			/* a node of the highest level, or
								 * GRAPH_NO_NODE */
	int32		entry_level;
	uint32		odd;			/* node of the vectors that have no direction */
} HnswMeta;

/* The special space of every page. */
typedef struct HnswPageSpecial
{
	uint16		kind;			/* HNSW_PAGE_... */
	uint16		reserved;
	uint32		page_id;
} HnswPageSpecial;

#define HNSW_PAGE_ID 0x766d6878
#define HNSW_PAGE_META 1
#define HNSW_PAGE_DIRECTORY 2
#define HNSW_PAGE_SLOTS 3

StaticAssertDecl(GRAPH_PAGE_HEADER == MAXALIGN(SizeOfPageHeaderData), "slots begin after the header");
StaticAssertDecl(GRAPH_PAGE_ROOM == BLCKSZ - MAXALIGN(SizeOfPageHeaderData) - MAXALIGN(sizeof(HnswPageSpecial)),
				 "a page has this much room (vecmark needs blocks of 8 kB)");

/* What a directory says of a node. */
typedef struct HnswEntry
{
	union
	{
		ItemPointerData tid;	/* of LIVE: the first */
		BlockIdData chain;		/* of LIVE with HNSW_ENTRY_CHAIN: the slot
								 * that its TIDs begin in, as a number */
		BlockIdData base;		/* of UPPER: the node below, as a number */
	};
	uint16		state;			/* HNSW_ENTRY_..., if LIVE perhaps with MORE
								 * or CHAIN */
} HnswEntry;

#define HNSW_ENTRY_FREE 0		/* the slot may be taken; it may hold an old
								 * node */
#define HNSW_ENTRY_LIVE 1		/* a node of level 0 with rows */
#define HNSW_ENTRY_DEAD 2		/* a node of level 0 whose rows are gone */
#define HNSW_ENTRY_UPPER 3		/* a node of an upper level; lives as long as
								 * base */
#define HNSW_ENTRY_TIDS 4		/* a slot of further TIDs */
#define HNSW_ENTRY_STATE(entry) ((entry)->state & 0xff)
#define HNSW_ENTRY_BASE(entry) BlockIdGetBlockNumber(&(entry)->base)
#define HNSW_ENTRY_FIRST(entry) BlockIdGetBlockNumber(&(entry)->chain)
#define HNSW_ENTRY_MORE 0x100	/* there are further TIDs in this page */
#define HNSW_ENTRY_CHAIN 0x200	/* all TIDs are in slots of kind TIDS */

/* One more TID of the node with this index in the directory page. */
typedef struct HnswExtraTid
{
	ItemPointerData tid;
	uint16		index;
} HnswExtraTid;

StaticAssertDecl(sizeof(HnswEntry) == 8, "an entry has 8 bytes");
StaticAssertDecl(sizeof(HnswExtraTid) == 8, "a further TID has 8 bytes");

/* The contents of a directory page; after group_nodes entries follow extra TIDs. */
typedef struct HnswDirectory
{
	uint16		used;			/* entries that were ever taken */
	uint16		extra;			/* further TIDs in this page */
	uint32		chained;		/* slots of TIDs that nodes of this page were
								 * given, ever */
	HnswEntry	entries[FLEXIBLE_ARRAY_MEMBER];
} HnswDirectory;

#define HNSW_DIRECTORY(page) ((HnswDirectory *) PageGetContents(page))
#define HNSW_EXTRA_TIDS(g, directory) ((HnswExtraTid *) ((directory)->entries + (g)->group_nodes))
#define HNSW_EXTRA_ROOM(g) \
	((int) ((GRAPH_PAGE_ROOM - offsetof(HnswDirectory, entries)) / sizeof(HnswEntry) - (g)->group_nodes))

/*
 * A slot of kind GRAPH_SLOT_TIDS: some of the TIDs of one node.  A TID stays in the
 * slot that it was put into; new ones go into the first of the chain.
 */
typedef struct HnswTidSlot
{
	uint32		number;			/* its own; as of a GraphSlot */
	uint8		kind;
	uint8		level;			/* 0 */
	uint16		count;
	uint32		next;			/* or GRAPH_NO_NODE */
	uint32		owner;			/* the node */
	uint32		serial;			/* "chained" of the directory page when it was
								 * made: along a chain it falls */
	uint32		reserved;		/* 0 */
	ItemPointerData tids[FLEXIBLE_ARRAY_MEMBER];
} HnswTidSlot;

StaticAssertDecl(offsetof(HnswTidSlot, kind) == offsetof(GraphSlot, kind) &&
				 offsetof(HnswTidSlot, count) == offsetof(GraphSlot, count), "both kinds of slots begin alike");

/* TIDs that a slot of them has room for. */
#define HNSW_TID_SLOT_ROOM(g) \
	((int) ((Min((g)->slot_size, GRAPH_PAGE_ROOM) - offsetof(HnswTidSlot, tids)) / sizeof(ItemPointerData)))

/* The slot of TIDs of a number in its page. */
#define HNSW_TID_SLOT(g, page, number) ((HnswTidSlot *) ((char *) (page) + graph_slot_offset(g, number)))

/* An open index.  Made by hnsw_open in the current memory context. */
typedef struct HnswIndex
{
	Relation	rel;
	const HnswOpclass *opclass;
	HnswMeta	meta;			/* as it was when opened, or last read again */
	GraphGeometry geometry;
	uint64_t   *signs;			/* of the rotation */
	bool		log;			/* changes are WAL-logged */
	uint32		node_limit;		/* node numbers seen to be in range */
	BufferAccessStrategy strategy;	/* of who reads all of it, or NULL */
	struct HnswHints *hints;	/* where blocks were last seen; NULL for local
								 * buffers */
	Buffer		buffer;			/* of the slot that is open */
	char	   *image;			/* of a slot of several pages, when open */
	uint64		pages_read;
} HnswIndex;

/* A slot being changed: see hnsw_edit_open. */
typedef struct HnswEdit
{
	HnswIndex  *index;
	Buffer		buffer;			/* its first page, locked exclusively */
	uint32		node;
	GraphSlot  *slot;			/* to read, and after hnsw_edit_start to write */
	GenericXLogState *state;
	char	   *before;			/* image, if the slot has several pages */
} HnswEdit;

/* What the free space map says of a directory page that has free entries. */
#define HNSW_FREE_SPACE (BLCKSZ / 2)

/* The TIDs of a node, as they are read: see hnsw_tids_begin. */
typedef struct HnswTids
{
	ItemPointerData *tids;
	int			count;
	int			room;
	uint32		node;
	bool		more;			/* there is a slot to read */
	uint32		next;			/* that slot */
	bool		begun;			/* one has been read */
	uint32		serial;			/* of that */
	ItemPointerData *seen;		/* sorted: those read before it was begun anew */
	int			seen_count;
	int			begun_anew;		/* how often */
} HnswTids;

/* hnsw_option.c */
extern struct config_generic *hnsw_defined_setting(const char *name);
extern int	hnsw_int_value(const struct config_generic *record, int otherwise);
extern double hnsw_real_value(const struct config_generic *record, double otherwise);
extern const char *hnsw_enum_value(struct config_generic *record);
extern bytea *hnsw_parse_options(Datum reloptions, bool validate, relopt_kind kind);

/* hnsw_ivfflat.c */
extern relopt_kind hnsw_ivfflat_define_settings(void);
extern bytea *hnsw_ivfflat_options(Datum reloptions, bool validate);
extern bool hnsw_is_ivfflat(Relation rel);
extern void hnsw_ivfflat_adjust(Relation rel, HnswScanSettings *settings);

/* hnsw_settings.c */
extern HnswScanSettings hnsw_scan_settings(Relation rel);
extern void hnsw_define_settings(void);
extern bytea *hnsw_options(Datum reloptions, bool validate);

/* hnsw_extend.c */
extern BlockNumber hnsw_extend(Relation rel, ForkNumber fork, BlockNumber blocks);

/* hnsw_page.c */
extern const HnswOpclass *hnsw_opclass(Relation rel);
extern HnswIndex *hnsw_open(Relation rel);
extern HnswIndex *hnsw_open_with(Relation rel, const HnswMeta *meta);
extern void hnsw_read_meta(HnswIndex *index);
extern void hnsw_init_page(Page page, uint16 kind);
extern void hnsw_set_entry(HnswIndex *index, uint32 node, int level, bool force);
extern bool hnsw_make_first(HnswIndex *index, bool odd,
							uint32 (*make) (void *context, BlockNumber *blocks), void *context);
extern void hnsw_forget_odd(HnswIndex *index, uint32 node);
extern bool hnsw_form_vector(const HnswIndex *index, Datum value, float *vector);
extern Buffer hnsw_read_buffer(HnswIndex *index, BlockNumber block);
extern void hnsw_check_page(HnswIndex *index, Page page, BlockNumber block, uint16 kind);
extern bool hnsw_same_vector(const HnswIndex *index, const GraphSlot *slot, const GraphSlot *image);
extern uint64 hnsw_hash_vector(const HnswIndex *index, const float *vector);
extern void hnsw_refresh_limit(HnswIndex *index);
extern bool hnsw_in_range(HnswIndex *index, uint32 node);
extern const GraphSlot *hnsw_slot_open(HnswIndex *index, uint32 node);
extern void hnsw_slot_close(HnswIndex *index);
extern void hnsw_prefetch(HnswIndex *index, uint32 node);
extern void hnsw_source_init(GraphSource *source, HnswIndex *index);
extern bool hnsw_edit_open(HnswEdit *edit, HnswIndex *index, uint32 node);
extern void hnsw_edit_start(HnswEdit *edit);
extern void hnsw_edit_finish(HnswEdit *edit);
extern void hnsw_edit_close(HnswEdit *edit);
extern Page hnsw_change_page(GenericXLogState *state, Buffer buffer);
extern void hnsw_finish_change(GenericXLogState *state, Buffer first, Buffer second);
extern void hnsw_copy_to_page(HnswIndex *index, Page page, const char *image, uint32 part);
extern void hnsw_write_further(HnswIndex *index, Buffer first, uint32 node, const char *image);
extern void hnsw_corrupt(HnswIndex *index, BlockNumber block, const char *what) __attribute__((noreturn));

/* hnsw_directory.c */
extern BlockNumber hnsw_directory_of(const HnswIndex *index, uint32 node);
extern uint32 hnsw_node_try_add(HnswIndex *index, GraphSlot *image, uint16 state, ItemPointer tid, uint32 base,
								BlockNumber *blocks);
extern uint32 hnsw_node_add(HnswIndex *index, GraphSlot *image, uint16 state, ItemPointer tid, uint32 base);
extern void hnsw_directory_set_lower(const HnswIndex *index, HnswDirectory *directory);
extern uint16 hnsw_node_state(HnswIndex *index, uint32 node);
extern bool hnsw_node_lives(HnswIndex *index, uint32 node, int level);

/* hnsw_tids.c */
extern bool hnsw_node_add_tid(HnswIndex *index, uint32 node, ItemPointer tid, const GraphSlot *image);
extern uint16 hnsw_tids_begin(HnswIndex *index, uint32 node, HnswTids *tids);
extern bool hnsw_tids_read_on(HnswIndex *index, HnswTids *tids);
extern HnswTidSlot *hnsw_tid_slot_open(HnswIndex *index, uint32 number, uint32 owner, int mode, Buffer *buffer);
extern void hnsw_tids_unlink(HnswIndex *index, uint32 node, uint32 before, uint32 number, uint32 next);
extern void hnsw_tids_settle(HnswIndex *index, uint32 node);

/* hnsw_insert.c */
extern void hnsw_await_inserts(HnswIndex *index);
extern void hnsw_insert_vector(HnswIndex *index, const float *vector, ItemPointer tid);
extern void hnsw_link_anew(HnswIndex *index, uint32 node);
extern void hnsw_link_back(HnswIndex *index, GraphQuery *query, uint32 node, uint32 fresh, int level,
						   float distance, bool must);

/* hnsw_repair.c */
extern void hnsw_repair(HnswIndex *index);

/* The access method's functions, each in the file of its name. */
extern IndexBuildResult *hnsw_build(Relation heap, Relation index, struct IndexInfo *info);
extern void hnsw_build_empty(Relation index);
extern bool hnsw_insert(Relation index, Datum *values, bool *isnull, ItemPointer tid, Relation heap,
						IndexUniqueCheck unique, bool unchanged, struct IndexInfo *info);
extern IndexBulkDeleteResult *hnsw_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
											   IndexBulkDeleteCallback callback, void *state);
extern IndexBulkDeleteResult *hnsw_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats);
extern void hnsw_cost_estimate(struct PlannerInfo *root, struct IndexPath *path, double loops, Cost *startup,
							   Cost *total, Selectivity *selectivity, double *correlation, double *pages);
extern IndexScanDesc hnsw_begin_scan(Relation index, int keys, int orderbys);
extern void hnsw_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys);
extern bool hnsw_get_tuple(IndexScanDesc scan, ScanDirection direction);
extern void hnsw_end_scan(IndexScanDesc scan);

#endif							/* HNSW_H */
