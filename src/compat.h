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

/* RelFileNode became RelFileLocator in 16. */
#if PG_VERSION_NUM >= 160000
#include "storage/relfilelocator.h"
#define VmRelLocator RelFileLocator
#define VM_REL_LOCATOR(rel) ((rel)->rd_locator)
#define VM_REL_LOCATOR_EQUALS(a, b) RelFileLocatorEquals(a, b)
#else
#include "storage/relfilenode.h"
#define VmRelLocator RelFileNode
#define VM_REL_LOCATOR(rel) ((rel)->rd_node)
#define VM_REL_LOCATOR_EQUALS(a, b) RelFileNodeEquals(a, b)
#endif

/*
 * Make new blocks at the end of a fork whose extension lock is held: at least one, at
 * most "count".  Returns how many.  Needs storage/bufmgr.h.
 */
#if PG_VERSION_NUM >= 160000
#define VM_EXTEND_BY 64
#define vm_extend_fork(rel, fork, count) \
	({ \
		Buffer vm_buffers[VM_EXTEND_BY]; \
		uint32 vm_made; \
		ExtendBufferedRelBy(BMR_REL(rel), fork, NULL, EB_SKIP_EXTENSION_LOCK, \
							Min(count, VM_EXTEND_BY), vm_buffers, &vm_made); \
		for (uint32 vm_i = 0; vm_i < vm_made; vm_i++) \
			ReleaseBuffer(vm_buffers[vm_i]); \
		vm_made; \
	})
#else
#define vm_extend_fork(rel, fork, count) \
	((void) (count), ReleaseBuffer(ReadBufferExtended(rel, fork, P_NEW, RBM_NORMAL, NULL)), 1)
#endif

/* The oldest transaction whose outcome is kept.  Needs access/transam.h. */
#if PG_VERSION_NUM >= 170000
#define vm_oldest_xid() (TransamVariables->oldestXid)
#else
#define vm_oldest_xid() (ShmemVariableCache->oldestXid)
#endif

/* Whether this backend has a lock, in this mode.  Needs storage/lock.h. */
#if PG_VERSION_NUM >= 170000
#define vm_lock_held(tag, mode) LockHeldByMe(tag, mode, false)
#else
#define vm_lock_held(tag, mode) LockHeldByMe(tag, mode)
#endif

/* The number of this backend's transaction.  Needs storage/proc.h. */
#if PG_VERSION_NUM >= 170000
#define vm_local_xid() (MyProc->vxid.lxid)
#else
#define vm_local_xid() (MyProc->lxid)
#endif

/* Whether a role owns a table.  Needs utils/acl.h. */
#if PG_VERSION_NUM >= 160000
#define vm_owns_table(relid, role) object_ownercheck(RelationRelationId, relid, role)
#else
#define vm_owns_table(relid, role) pg_class_ownercheck(relid, role)
#endif

/* Whether a role owns the database.  Needs utils/acl.h, and from 16 on catalog/pg_database_d.h. */
#if PG_VERSION_NUM >= 160000
#define vm_owns_database(role) object_ownercheck(DatabaseRelationId, MyDatabaseId, role)
#else
#define vm_owns_database(role) pg_database_ownercheck(MyDatabaseId, role)
#endif

/*
 * Whether a role owns an extension, or a schema.  Needs utils/acl.h, and from 16 on
 * catalog/pg_extension_d.h and catalog/pg_namespace_d.h.
 */
#if PG_VERSION_NUM >= 160000
#define vm_owns_extension(extension, role) object_ownercheck(ExtensionRelationId, extension, role)
#define vm_owns_schema(schema, role) object_ownercheck(NamespaceRelationId, schema, role)
#else
#define vm_owns_extension(extension, role) pg_extension_ownercheck(extension, role)
#define vm_owns_schema(schema, role) pg_namespace_ownercheck(schema, role)
#endif

/* Whether a role may create schemas in the database.  Needs utils/acl.h, and from 16 on catalog/pg_database_d.h. */
#if PG_VERSION_NUM >= 160000
#define vm_may_create_in_database(role) (object_aclcheck(DatabaseRelationId, MyDatabaseId, role, ACL_CREATE) == ACLCHECK_OK)
#else
#define vm_may_create_in_database(role) (pg_database_aclcheck(MyDatabaseId, role, ACL_CREATE) == ACLCHECK_OK)
#endif

/* Whether a role may become another by SET ROLE.  Needs utils/acl.h. */
#if PG_VERSION_NUM >= 160000
#define vm_may_become(role, other) member_can_set_role(role, other)
#else
#define vm_may_become(role, other) is_member_of_role(role, other)
#endif

/* Whether a role may use a foreign server.  Needs utils/acl.h, and from 16 on catalog/pg_foreign_server_d.h. */
#if PG_VERSION_NUM >= 160000
#define vm_may_use_server(server, role) (object_aclcheck(ForeignServerRelationId, server, role, ACL_USAGE) == ACLCHECK_OK)
#else
#define vm_may_use_server(server, role) (pg_foreign_server_aclcheck(server, role, ACL_USAGE) == ACLCHECK_OK)
#endif

/* EXPLAIN ANALYZE shows searches of an index from 18 on. */
#if PG_VERSION_NUM >= 180000
#define vm_count_index_search(scan) \
	do { \
		if ((scan)->instrument) \
			(scan)->instrument->nsearches++; \
	} while (0)
#else
#define vm_count_index_search(scan) ((void) (scan))
#endif

/* The server's record of a setting, or NULL.  Needs utils/guc_tables.h. */
#if PG_VERSION_NUM >= 160000
#define vm_find_setting(name) find_option(name, false, true, 0)
#else
#define vm_find_setting(name) \
	({ \
		struct config_generic **vm_settings = get_guc_variables(); \
		struct config_generic *vm_found = NULL; \
		for (int vm_i = GetNumConfigOptions(); --vm_i >= 0;) \
		{ \
			if (pg_strcasecmp(vm_settings[vm_i]->name, name) == 0) \
				vm_found = vm_settings[vm_i]; \
		} \
		vm_found; \
	})
#endif

/* An access method says from 17 on that it can build in parallel. */
#if PG_VERSION_NUM >= 170000
#define VM_AM_CAN_BUILD_PARALLEL(routine) ((routine)->amcanbuildparallel = true)
#else
#define VM_AM_CAN_BUILD_PARALLEL(routine) ((void) (routine))
#endif

/* A path that must not be taken: infinite cost was enough before 18. */
#if PG_VERSION_NUM >= 180000
#define VM_DISABLE_PATH(path) ((path)->disabled_nodes = 2)
#else
#define VM_DISABLE_PATH(path) ((void) (path))
#endif

/* A pause of vacuum, if it has a cost limit, and a check for interrupts. */
#if PG_VERSION_NUM >= 180000
#define vm_vacuum_delay_point() vacuum_delay_point(false)
#else
#define vm_vacuum_delay_point() vacuum_delay_point()
#endif

/* Whether a role owns a relation.  Needs utils/acl.h and catalog/pg_class.h. */
#if PG_VERSION_NUM >= 160000
#define vm_owns_relation(relation, role) object_ownercheck(RelationRelationId, relation, role)
#else
#define vm_owns_relation(relation, role) pg_class_ownercheck(relation, role)
#endif

/* A scan of an index for the nearest rows; 18 counts searches for EXPLAIN. */
#if PG_VERSION_NUM >= 180000
#define vm_index_beginscan(heap, index, snapshot, keys, orderbys) \
	index_beginscan(heap, index, snapshot, NULL, keys, orderbys)
#else
#define vm_index_beginscan(heap, index, snapshot, keys, orderbys) \
	index_beginscan(heap, index, snapshot, keys, orderbys)
#endif

/* The next of sorted values that need no copy, without its abbreviation. */
#if PG_VERSION_NUM >= 160000
#define vm_tuplesort_getdatum(state, value, is_null) \
	tuplesort_getdatum(state, true, false, value, is_null, NULL)
#else
#define vm_tuplesort_getdatum(state, value, is_null) \
	tuplesort_getdatum(state, true, value, is_null, NULL)
#endif

/* The module's name and version show up in pg_get_loaded_modules() from 18 on. */
#if PG_VERSION_NUM >= 180000
#define VM_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "vecmark", .version = VECMARK_VERSION)
#else
#define VM_MODULE_MAGIC PG_MODULE_MAGIC
#endif

#endif							/* VECMARK_COMPAT_H */
