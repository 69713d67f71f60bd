/*
 * bookmark_match.c: whether a row has one of many tags, or is on one of many
 * sites, in time that hardly depends on how many they are.
 *
 * What is looked for is put in order once a query.  For each row the few
 * texts that could be among it are taken from the row and searched for.
 */
#include "postgres.h"
#include "compat.h"

#include "bookmark/url_key.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/plancat.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

VM_FUNCTION_INFO(vecmark_tags_have);
VM_FUNCTION_INFO(vecmark_tags_have_support);
VM_FUNCTION_INFO(vecmark_tags_below);
VM_FUNCTION_INFO(vecmark_url_on_site);

/* Bytes of a text, not terminated. */
typedef struct MatchText
{
	const char *data;
	size_t		length;
} MatchText;

/* Texts in the order of compare_texts. */
typedef struct MatchSet
{
	int			count;
	MatchText	texts[FLEXIBLE_ARRAY_MEMBER];
} MatchSet;

/* By length first: most comparisons look at no byte. */
static int
compare_texts(const void *a, const void *b)
{
	const MatchText *left = a;
	const MatchText *right = b;

	if (left->length != right->length)
		return left->length < right->length ? -1 : 1;
	return memcmp(left->data, right->data, left->length);
}

/* The elements of a text[] that are not null; points into the array. */
static MatchSet *
set_of_array(ArrayType *array)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	MatchSet   *set;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	set = palloc(offsetof(MatchSet, texts) + sizeof(MatchText) * count);
	set->count = 0;
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			continue;
		set->texts[set->count].data = VARDATA_ANY(DatumGetPointer(elements[i]));
		set->texts[set->count++].length = VARSIZE_ANY_EXHDR(DatumGetPointer(elements[i]));
	}
	pfree(elements);
	pfree(nulls);
	return set;
}

/*
 * The second argument of a call, in order.  Kept for the calls that follow
 * when it is a constant, as the arguments of a query given to EXECUTE are.
 */
static const MatchSet *
wanted_texts(FunctionCallInfo fcinfo)
{
	FmgrInfo   *function = fcinfo->flinfo;
	MatchSet   *set = function->fn_extra;
	Node	   *call = function->fn_expr;
	MemoryContext caller_context = CurrentMemoryContext;
	bool		constant;

	if (set != NULL)
		return set;
	constant = call != NULL && IsA(call, FuncExpr) && IsA(lsecond(((FuncExpr *) call)->args), Const);
	if (constant)
		MemoryContextSwitchTo(function->fn_mcxt);
	set = set_of_array(DatumGetArrayTypePCopy(PG_GETARG_DATUM(1)));
	qsort(set->texts, set->count, sizeof(MatchText), compare_texts);
	if (constant)
		function->fn_extra = set;
	MemoryContextSwitchTo(caller_context);
	return set;
}

static bool
has_text(const MatchSet *set, const char *data, size_t length)
{
	MatchText	key = {data, length};

	return bsearch(&key, set->texts, set->count, sizeof(MatchText), compare_texts) != NULL;
}

/*
 * SQL: vecmark_internal.tags_have(tags text[], wanted text[]) -> boolean: whether one
 * of the tags is wanted; as tags && wanted, which compares each with each.
 */
Datum
vecmark_tags_have(PG_FUNCTION_ARGS)
{
	const MatchSet *wanted = wanted_texts(fcinfo);
	const MatchSet *tags = set_of_array(PG_GETARG_ARRAYTYPE_P(0));

	for (int i = 0; i < tags->count; i++)
	{
		if (has_text(wanted, tags->texts[i].data, tags->texts[i].length))
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}

/*
 * Planner support of tags_have: an index on tags serves it, and it is as
 * selective, as tags && wanted.
 */
Datum
vecmark_tags_have_support(PG_FUNCTION_ARGS)
{
	Node	   *node = (Node *) PG_GETARG_POINTER(0);
	Node	   *result = NULL;

	if (IsA(node, SupportRequestSelectivity))
	{
		SupportRequestSelectivity *request = (SupportRequestSelectivity *) node;

		if (!request->is_join)
		{
			request->selectivity = restriction_selectivity(request->root, OID_ARRAY_OVERLAP_OP, request->args,
														   request->inputcollid, request->varRelid);
			result = node;
		}
	}
	else if (IsA(node, SupportRequestIndexCondition))
	{
		SupportRequestIndexCondition *request = (SupportRequestIndexCondition *) node;

		if (request->indexarg == 0 && IsA(request->node, FuncExpr) &&
			op_in_opfamily(OID_ARRAY_OVERLAP_OP, request->opfamily))
		{
			FuncExpr   *call = (FuncExpr *) request->node;
			Expr	   *tags = linitial(call->args);
			Expr	   *wanted = lsecond(call->args);

			if (is_pseudo_constant_for_index(request->root, (Node *) wanted, request->index))
			{
				request->lossy = false;
				result = (Node *) list_make1(make_opclause(OID_ARRAY_OVERLAP_OP, BOOLOID, false, tags, wanted,
														   InvalidOid, call->inputcollid));
			}
		}
	}
	PG_RETURN_POINTER(result);
}

/*
 * SQL: vecmark_internal.tags_below(tags text[], trees text[]) -> boolean: whether one
 * of the tags is one of the trees or, behind a "/", below it.
 */
Datum
vecmark_tags_below(PG_FUNCTION_ARGS)
{
	const MatchSet *trees = wanted_texts(fcinfo);
	const MatchSet *tags = set_of_array(PG_GETARG_ARRAYTYPE_P(0));

	for (int i = 0; i < tags->count; i++)
	{
		const char *tag = tags->texts[i].data;
		size_t		length = tags->texts[i].length;

		for (size_t end = 0; end <= length; end++)
		{
			if ((end == length || tag[end] == '/') && has_text(trees, tag, end))
				PG_RETURN_BOOL(true);
		}
	}
	PG_RETURN_BOOL(false);
}

/*
 * SQL: vecmark_internal.url_on_site(url_key text, hosts text[]) -> boolean: whether
 * the host in a key is one of the hosts or, before a ".", below it.
 */
Datum
vecmark_url_on_site(PG_FUNCTION_ARGS)
{
	text	   *key = PG_GETARG_TEXT_PP(0);
	const MatchSet *hosts = wanted_texts(fcinfo);
	const char *host;
	size_t		length;

	if (!url_key_host(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), &host, &length))
		PG_RETURN_BOOL(false);
	for (size_t start = 0; start <= length; start++)
	{
		if ((start == 0 || host[start - 1] == '.') && has_text(hosts, host + start, length - start))
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}
