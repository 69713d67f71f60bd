/*
 * compat.h: the differences between PostgreSQL versions, and nothing else.
 *
 * Include it right after postgres.h.  Every test of PG_VERSION_NUM in the
 * project is in this file.
 */
#ifndef VECMARK_COMPAT_H
#define VECMARK_COMPAT_H

#include "fmgr.h"

#if PG_VERSION_NUM < 150000
#error "vecmark needs PostgreSQL 15 or newer"
#endif

/* Values of variable length: their macros left postgres.h in 16. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * Symbols are hidden unless marked.  Before 16 the server's headers neither
 * define the mark nor put it on the functions of PG_FUNCTION_INFO_V1.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

/* PG_FUNCTION_INFO_V1 that also exports the function itself. */
#define VM_FUNCTION_INFO(name) \
	PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)

/* Input functions report bad input without an exception from 16 on. */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#else
#define ereturn(context, dummy_value, ...) \
	do { \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
		return dummy_value; \
	} while (0)
#endif

/* The module's name and version show up in pg_get_loaded_modules() from 18 on. */
#if PG_VERSION_NUM >= 180000
#define VM_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "vecmark", .version = VECMARK_VERSION)
#else
#define VM_MODULE_MAGIC PG_MODULE_MAGIC
#endif

#endif							/* VECMARK_COMPAT_H */
