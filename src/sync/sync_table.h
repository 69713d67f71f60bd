/*
 * sync_table.h: tracked tables: what is known of them, canonical values, their rows, and the names of columns in deltas.
 */
#ifndef SYNC_TABLE_H
#define SYNC_TABLE_H

#include "crdt/delta.h"
#include "crdt/varint.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* The column that has a row's clock. */
#define SYNC_CLOCK_COLUMN "_vm"

/* sync_table.c: what is known of a tracked table. */
typedef enum SyncKind
{
	SYNC_REGISTER = 'r',
	SYNC_COUNTER = 'c',
	SYNC_SET = 's',
	SYNC_LOCAL = 'l',			/* not replicated */
} SyncKind;

typedef struct SyncColumn
{
	AttrNumber	attnum;
	SyncKind	kind;
	ColumnId	id;
	char	   *name;			/* published */
	char	   *attname;
	Oid			type;
	Oid			base;			/* the type, or that of a domain */
	int32		typmod;			/* of the base */
	int16		typlen;
	bool		byval;
	char		align;
	uint8		type_form;		/* an ImageForm: that of the type */
	uint8		form;			/* of images: of keys and elements of sets
								 * that which the type had when the table was
								 * tracked */
	bool		is_recorded;	/* when the table was tracked */
	bool		exact;			/* holds whatever its form says, as it is */
	bool		identity_always;
	bool		is_key;
	FmgrInfo	write;			/* of the type, or of a set's element */
	FmgrInfo	read;
	Oid			ioparam;
	Oid			element;		/* of a set */
	int16		element_len;
	bool		element_byval;
	char		element_align;
} SyncColumn;

/* A prepared statement on a table, by its text. */
typedef struct SyncPlan
{
	char	   *sql;
	bool		lifted;			/* made where policies do not apply to owners */
	struct _SPI_plan *plan;
} SyncPlan;

typedef struct SyncTable
{
	Oid			relid;			/* this table or partition */
	Oid			root;			/* the tracked table */
	Oid			owner;
	char	   *name;			/* published */
	char	   *qualified;		/* root, for SQL */
	AttrNumber	clock;
	int			column_count;
	SyncColumn *columns;		/* ascending by attnum; without _vm and
								 * generated ones */
	int			key_count;
	SyncColumn **by_id;			/* ascending by id */
	int		   *key;			/* index into columns, in the order of the
								 * primary key */
	Oid			key_index;
	bool		stale;			/* to be read anew */
	bool		notify;
	bool		needs_settings; /* text of a register depends on settings */
	Version    *floor;			/* the log has no dots that it covers */
	struct SyncNames *names;	/* of columns that are told */
	List	   *plans;			/* of SyncPlan */
	struct _SPI_plan *read_row;
	struct _SPI_plan *lock_row;
	struct _SPI_plan *send_row;
	struct _SPI_plan *delete_row;
	MemoryContext context;
} SyncTable;

extern SyncTable *sync_table_find(Oid relid);
extern void sync_table_changed(Oid relid);
extern SyncTable *sync_table_get(Oid relid);
extern Oid	sync_table_by_name(const char *name);
extern char *sync_name_on_record(Oid root);
extern List *sync_table_list(Snapshot snapshot);
extern Version *sync_floors(void);
extern void sync_raise_floors(const Version *version);
extern void sync_raise_floor(Oid root, const Version *version);
extern bool sync_column_was_dropped(const SyncTable *table, const char *name);
extern const SyncColumn *sync_table_column(const SyncTable *table, const char *name);
extern bool sync_key_type(Oid type);
extern bool sync_portable_type(Oid type);
extern ColumnId sync_column_id(const char *name);

/* The type of what images of a column are of: its own, or that of its elements. */
static inline Oid
sync_value_type(const SyncColumn *column)
{
	return column->kind == SYNC_SET ? column->element : column->base;
}

/* sync_form.c: forms of values. */
extern const char *sync_form_name(ImageForm form);
extern ImageForm sync_form_by_name(const char *name);
extern ImageForm sync_form_of_type(Oid type);
extern Datum sync_receive(FmgrInfo *function, Image image, Oid ioparam, int32 typmod);
extern char *sync_form_text(const char *column, ImageForm form, Image image);
extern Image sync_form_image(ImageForm form, char *written);
extern char *sync_whole_number(char *text);
extern bool sync_is_same_value(ImageForm from, const char *came, ImageForm to, const char *shown);
extern _Noreturn void sync_refuse_unlike_value(const SyncColumn *column, ImageForm from, const char *came, const char *shown);

/* sync_image.c: canonical values. */
extern int	sync_begin_images(void);
extern void sync_end_images(int level);
extern Image sync_image(const SyncColumn *column, Datum value, bool isnull);
extern Datum sync_value(const SyncColumn *column, const Register *reg, bool *isnull);
extern Image sync_write_image(const SyncColumn *column, Datum value);
extern Datum sync_read_image(const SyncColumn *column, ImageForm form, Image image);
extern void sync_sort_elements(ElementSet *set);
extern void sync_convert_set(const SyncColumn *column, ElementSet *set);
extern Datum sync_bytea(Image image);
extern Image sync_image_of_bytea(Datum datum);
extern Element *sync_set_elements(const SyncColumn *column, Datum value, bool isnull, int *count);
extern Datum sync_set_value(const SyncColumn *column, const Element *elements, int count);
extern int64 sync_counter_value(const SyncColumn *column, Datum value, bool isnull);
extern Datum sync_counter_datum(const SyncColumn *column, int64 value);

/* sync_build.c: deltas, row by row. */
typedef struct SyncNames
{
	int			key_count;
	const uint8 *key_forms;		/* of columns of the key */
	int			count;
	ColumnId   *ids;
	DeltaColumn *columns;
} SyncNames;

typedef struct SyncBuilder
{
	MemoryContext context;
	Delta		delta;
	int		   *column_rooms;	/* of each relation */
	int		   *row_rooms;
	ColumnId  **ids;
	size_t		size;			/* of what was added, about */
} SyncBuilder;

extern SyncNames *sync_names_of_table(const SyncTable *table);
extern SyncNames *sync_names_of_relation(const DeltaRelation *relation);
extern SyncNames *sync_names_union(const SyncNames *a, const SyncNames *b);
extern SyncBuilder *sync_builder_begin(Site sender);
extern void sync_builder_add(SyncBuilder *builder, const char *relation, const SyncNames *names, Image key, const RowState *state);
extern Delta *sync_builder_end(SyncBuilder *builder);
extern RowState *sync_state_of(const SyncNames *names, const RowState *row);

/* sync_key.c: keys. */
extern Image sync_key_image(const SyncTable *table, const Datum *values);
extern void sync_key_values(const SyncTable *table, Image key, Datum *values, bool *nulls);
extern bool sync_key_can_be(SyncTable *table, Image key, Datum *values, bool *nulls);
extern Datum sync_key_texts(const SyncTable *table, Image key);
extern bool sync_key_is_own(const SyncTable *table, const SyncNames *names);
extern Image sync_own_key(const SyncTable *table, const SyncNames *names, Image key);
extern SyncTable *sync_table_with_key(Oid root, const SyncNames *names, Image *key);
extern bool sync_is_parkable(const ErrorData *error);
extern ErrorData *sync_try(void (*work) (void *about), void *about);
extern uint64_t sync_key_hash(Site site, uint64_t txn, Image key);
extern bool sync_next_key(Reader *reader, Image *key);

/* sync_read.c: rows of users' tables. */
extern struct _SPI_plan *sync_plan(SyncTable *table, const char *sql, int count, const Oid *types);
extern void sync_append_key(StringInfo sql, const SyncTable *table, int before);
extern char *sync_select(const SyncTable *table, const char *from);
extern void sync_take_row(const SyncTable *table, HeapTuple tuple, TupleDesc desc, Datum *values, bool *nulls, RowState **clock);
extern bool sync_read_row(SyncTable *table, bool lock, Datum *values, bool *nulls, RowState **clock);

extern bool sync_row_is_there(SyncTable *table, Image key);

/* sync_walk.c: all rows of a table. */
typedef struct SyncSeen
{
	Image		key;
	RowState   *clock;			/* or the tombstone */
	Datum	   *values;			/* of all columns; NULL for a tombstone */
	bool	   *nulls;
} SyncSeen;

typedef void (*SyncVisit) (void *about, const SyncSeen *seen);

extern void sync_walk_rows(SyncTable *table, bool read_only, SyncVisit visit, void *about);
extern void sync_walk_relation(SyncTable *table, const char *from, SyncVisit visit, void *about);

/* sync_rights.c: what a role must be able to do. */
extern void sync_check_owner(Oid relid);
extern bool sync_may_merge(Oid root, Oid role);
extern bool sync_may_see(Oid root);
extern Oid	sync_table_owner(Oid relid);
extern bool sync_is_hidden(Oid root);
extern void sync_refuse_hidden(Oid root);
extern List *sync_counted_tables(void);
extern bool sync_may_exchange(void);
extern bool sync_may_merge_any(void);
extern void sync_check_rights(const char *what);
extern void sync_check_all_rights(const char *what);
extern bool sync_may_administer(Oid role);

/* sync_owner.c: acting as who owns a table. */
typedef struct SyncOwner
{
	Oid			user;			/* who was before */
	int			security;
	int			level;			/* of settings */
	bool		restricted;		/* so that nothing can be deferred */
} SyncOwner;

extern void sync_set_constraints(const char *mode);
extern SyncOwner sync_begin_owner(Oid owner);
extern SyncOwner sync_begin_table_owner(Oid root);
extern void sync_end_owner(const SyncOwner *before);
extern SyncOwner sync_begin_reading(Oid root);
extern void sync_end_reading(const SyncOwner *before);

#endif							/* SYNC_TABLE_H */
