/*
 * vector_common.h: what vector and the other vector types have in common; not
 * for other rooms.
 */
#ifndef VECMARK_VECTOR_COMMON_H
#define VECMARK_VECTOR_COMMON_H

#include "nodes/nodes.h"
#include "utils/array.h"
#include "vector/vector_parse.h"

/* vector_io.c */
extern Datum vector_report_parse_error(Node *escontext, const char *type, const char *input,
									   const VectorParseResult *parsed);
extern int32 vector_read_typmod(ArrayType *array, const char *type);

/* vector_cast.c */
extern int	vector_count_elements(ArrayType *array);
extern void vector_get_elements(ArrayType *array, int count, float *x);
extern ArrayType *vector_make_float4_array(int count);

/* vector_aggregate.c */
extern ArrayType *vector_state_add(FunctionCallInfo fcinfo, const char *caller, const float *x,
								   int dim);
extern int	vector_state_mean(FunctionCallInfo fcinfo, const char *caller, float *x);

#endif							/* VECMARK_VECTOR_COMMON_H */
