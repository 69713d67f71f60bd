/*
 * sync_types.h: versions, clocks and deltas as values of SQL, and the SQLSTATEs of this room.
 */
#ifndef SYNC_TYPES_H
#define SYNC_TYPES_H

#include "crdt/delta.h"

/* SQLSTATEs of our own; class VM is not PostgreSQL's. */
#define ERRCODE_CAUSALITY_VIOLATION MAKE_SQLSTATE('V', 'M', '0', '0', '1')
#define ERRCODE_CLOCK_AHEAD MAKE_SQLSTATE('V', 'M', '0', '0', '2')
#define ERRCODE_PEER_RETIRED MAKE_SQLSTATE('V', 'M', '0', '0', '3')
#define ERRCODE_TOO_MANY_DELETED MAKE_SQLSTATE('V', 'M', '0', '0', '4')
#define ERRCODE_DELETE_WAITS MAKE_SQLSTATE('V', 'M', '0', '0', '5')

/* sync_types.c: values of SQL. */
extern Datum sync_version_datum(const Version *version);
extern Version *sync_version_from_datum(Datum datum);
extern Version *sync_questions_from_datum(Datum datum);
extern Datum sync_clock_datum(const RowState *row);
extern RowState *sync_clock_from_datum(Datum datum);
extern Datum sync_delta_datum(const Delta *delta);
extern Delta *sync_delta_from_datum(Datum datum);
extern uint64_t sync_hash_datum(Datum datum);

#endif							/* SYNC_TYPES_H */
