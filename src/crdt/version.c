/*
 * version.c: sets of transactions of sites, and their forms in bytes and in text.
 *
 * All that two sets become is one sweep over the ends of their ranges: inside or outside
 * changes there and nowhere else, so results are canonical by themselves.
 */
#include "crdt/version.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "crdt/crdt_alloc.h"
#include "crdt/varint.h"

/* What a set keeps of what is in none, the first, the second and both of two: bits. */
#define KEEP_UNION 0xe
#define KEEP_MINUS 0x2
#define KEEP_BOTH 0x8
#define KEEP_XOR 0x6

/* The longest texts of a site and of a number, with what stands around them. */
#define SITE_TEXT_SIZE 19
#define NUMBER_TEXT_SIZE 21

/* A range with its site, as text gives them. */
typedef struct SiteRange
{
	Site		site;
	TxnRange	range;
} SiteRange;

static Version *
version_alloc(size_t sites)
{
	Version    *version = crdt_alloc(sizeof(Version));

	version->count = 0;
	version->sites = crdt_alloc_array(sites, sizeof(SiteTxns));
	return version;
}

/*
 * What the version says of a site; NULL if it is not in it.
 */
const SiteTxns *
version_find(const Version *version, Site site)
{
	int			low = 0;
	int			high = version->count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (version->sites[middle].site < site)
			low = middle + 1;
		else
			high = middle;
	}
	return low < version->count && version->sites[low].site == site ? &version->sites[low] : NULL;
}

/*
 * Is this transaction of this site in the version?
 */
bool
version_covers(const Version *version, Site site, uint64_t txn)
{
	const SiteTxns *txns = version_find(version, site);
	int			low = 0;
	int			high;

	if (txns == NULL)
		return false;

	/* the first range that ends after it */
	high = txns->count;
	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (txns->ranges[middle].to <= txn)
			low = middle + 1;
		else
			high = middle;
	}
	return low < txns->count && txns->ranges[low].from <= txn;
}

/*
 * Is all that is in b in a too?
 */
bool
version_dominates(const Version *a, const Version *b)
{
	int			i = 0;

	for (int j = 0; j < b->count; j++)
	{
		const SiteTxns *inner = &b->sites[j];
		const SiteTxns *outer;
		int			k = 0;

		while (i < a->count && a->sites[i].site < inner->site)
			i++;
		if (i == a->count || a->sites[i].site != inner->site)
			return false;
		outer = &a->sites[i];

		/* ranges do not touch, so one of b lies in one of a, or not in a */
		for (int l = 0; l < inner->count; l++)
		{
			while (k < outer->count && outer->ranges[k].to < inner->ranges[l].to)
				k++;
			if (k == outer->count || outer->ranges[k].from > inner->ranges[l].from)
				return false;
		}
	}
	return true;
}

/*
 * Which of the two is in the other: AFTER if b is in a.
 */
VersionOrder
version_compare(const Version *a, const Version *b)
{
	bool		holds = version_dominates(a, b);
	bool		held = version_dominates(b, a);

	if (holds)
		return held ? VERSION_EQUAL : VERSION_AFTER;
	return held ? VERSION_BEFORE : VERSION_CONCURRENT;
}

/* An end of a range, by number: even ones begin, odd ones end. */
static inline uint64_t
range_end(const SiteTxns *txns, size_t number)
{
	const TxnRange *range = &txns->ranges[number / 2];

	return number % 2 == 0 ? range->from : range->to;
}

/*
 * Append what "keep" keeps of a site in two versions, if anything.
 */
static void
combine_site(Version *result, const SiteTxns *a, const SiteTxns *b, int keep)
{
	size_t		a_count = 2 * (size_t) a->count;
	size_t		b_count = 2 * (size_t) b->count;
	size_t		i = 0;
	size_t		j = 0;
	bool		inside = false;
	SiteTxns   *txns = &result->sites[result->count];

	txns->site = a->count > 0 ? a->site : b->site;
	txns->count = 0;
	txns->ranges = crdt_alloc_array((size_t) a->count + (size_t) b->count, sizeof(TxnRange));
	while (i < a_count || j < b_count)
	{
		uint64_t	at;

		if (j == b_count || (i < a_count && range_end(a, i) < range_end(b, j)))
			at = range_end(a, i);
		else
			at = range_end(b, j);
		if (i < a_count && range_end(a, i) == at)
			i++;
		if (j < b_count && range_end(b, j) == at)
			j++;

		if (((keep >> (i % 2 + 2 * (j % 2))) & 1) == inside)
			continue;
		inside = !inside;
		if (inside)
			txns->ranges[txns->count].from = at;
		else
			txns->ranges[txns->count++].to = at;
	}
	if (txns->count > 0)
		result->count++;
}

static Version *
version_combine(const Version *a, const Version *b, int keep)
{
	static const SiteTxns none = {0, 0, NULL};
	Version    *result = version_alloc((size_t) a->count + (size_t) b->count);
	int			i = 0;
	int			j = 0;

	while (i < a->count || j < b->count)
	{
		const SiteTxns *of_a = i < a->count ? &a->sites[i] : NULL;
		const SiteTxns *of_b = j < b->count ? &b->sites[j] : NULL;

		if (of_a != NULL && of_b != NULL && of_a->site != of_b->site)
		{
			if (of_a->site < of_b->site)
				of_b = NULL;
			else
				of_a = NULL;
		}
		i += of_a != NULL;
		j += of_b != NULL;
		combine_site(result, of_a != NULL ? of_a : &none, of_b != NULL ? of_b : &none, keep);
	}
	return result;
}

/*
 * What is in a or in b.
 */
Version    *
version_union(const Version *a, const Version *b)
{
	return version_combine(a, b, KEEP_UNION);
}

/*
 * What is in a and not in b.
 */
Version    *
version_minus(const Version *a, const Version *b)
{
	return version_combine(a, b, KEEP_MINUS);
}

/*
 * What is in a and in b.
 */
Version    *
version_intersect(const Version *a, const Version *b)
{
	return version_combine(a, b, KEEP_BOTH);
}

/*
 * What is in one of a and b, and not in the other.
 */
Version    *
version_xor(const Version *a, const Version *b)
{
	return version_combine(a, b, KEEP_XOR);
}

/*
 * The version that holds one transaction; none if the site is zero, or the transaction
 * UINT64_MAX, which no range can hold.
 */
Version    *
version_of_dot(Site site, uint64_t txn)
{
	TxnRange	range = {txn, txn == UINT64_MAX ? txn : txn + 1};

	return version_of_ranges(site, &range, 1);
}

/* What of each site is from one number on, below another. */
static Version *
version_between(const Version *version, uint64_t from, uint64_t to)
{
	Version    *part = version_alloc((size_t) version->count);

	for (int i = 0; i < version->count; i++)
	{
		const SiteTxns *all = &version->sites[i];
		SiteTxns   *kept = &part->sites[part->count];

		kept->site = all->site;
		kept->count = 0;
		kept->ranges = crdt_alloc_array((size_t) all->count, sizeof(TxnRange));
		for (int j = 0; j < all->count; j++)
		{
			TxnRange	range = all->ranges[j];

			range.from = range.from < from ? from : range.from;
			range.to = range.to > to ? to : range.to;
			if (range.from < range.to)
				kept->ranges[kept->count++] = range;
		}
		part->count += kept->count > 0;
	}
	return part;
}

Version    *
version_transactions(const Version *version)
{
	return version_between(version, 0, VERSION_QUESTION);
}

Version    *
version_questions(const Version *version)
{
	return version_between(version, VERSION_QUESTION, UINT64_MAX);
}

static int
compare_ranges(const void *a, const void *b)
{
	const TxnRange *x = a;
	const TxnRange *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

/* Add a range that does not begin before those that are there. */
static void
append_range(SiteTxns *txns, const TxnRange *range)
{
	TxnRange   *last = txns->count > 0 ? &txns->ranges[txns->count - 1] : NULL;

	if (range->from >= range->to)
		return;
	if (last == NULL || last->to < range->from)
		txns->ranges[txns->count++] = *range;
	else if (last->to < range->to)
		last->to = range->to;
}

/*
 * The version that holds ranges of one site, in any order, overlapping or not.  Those
 * that end where they begin, or before, are empty; of site zero there is nothing.
 * The array is sorted in place.
 */
Version    *
version_of_ranges(Site site, TxnRange *ranges, int count)
{
	Version    *version = version_alloc(1);
	SiteTxns   *txns = &version->sites[0];

	if (site == 0 || count <= 0)
		return version;
	qsort(ranges, (size_t) count, sizeof(TxnRange), compare_ranges);
	txns->site = site;
	txns->count = 0;
	txns->ranges = crdt_alloc_array((size_t) count, sizeof(TxnRange));
	for (int i = 0; i < count; i++)
		append_range(txns, &ranges[i]);
	version->count = txns->count > 0 ? 1 : 0;
	return version;
}

/*
 * How many bytes version_encode writes.
 */
size_t
version_encoded_size(const Version *version)
{
	size_t		size = varint_size((uint64_t) version->count);

	for (int i = 0; i < version->count; i++)
	{
		const SiteTxns *txns = &version->sites[i];
		uint64_t	end = 0;

		size += 8 + varint_size((uint64_t) txns->count);
		for (int j = 0; j < txns->count; j++)
		{
			const TxnRange *range = &txns->ranges[j];

			size += varint_size(range->from - end) + varint_size(range->to - range->from);
			end = range->to;
		}
	}
	return size;
}

/*
 * Write the bytes of a version; "out" has room for version_encoded_size of them.
 * Returns where they end.
 */
uint8_t    *
version_encode(const Version *version, uint8_t *out)
{
	out = varint_write(out, (uint64_t) version->count);
	for (int i = 0; i < version->count; i++)
	{
		const SiteTxns *txns = &version->sites[i];
		uint64_t	end = 0;

		out = fixed64_write(out, txns->site);
		out = varint_write(out, (uint64_t) txns->count);
		for (int j = 0; j < txns->count; j++)
		{
			const TxnRange *range = &txns->ranges[j];

			out = varint_write(out, range->from - end);
			out = varint_write(out, range->to - range->from);
			end = range->to;
		}
	}
	return out;
}

/*
 * Read the ranges of a site; those before one that is wrong stay.
 */
static void
decode_ranges(Reader *reader, SiteTxns *txns)
{
	int			count = read_int_count(reader, 2);
	uint64_t	end = 0;

	if (count == 0)
		reader_fail(reader, "a site has no transactions");
	txns->count = 0;
	txns->ranges = crdt_alloc_array((size_t) count, sizeof(TxnRange));
	for (int i = 0; i < count && reader->error == NULL; i++)
	{
		uint64_t	distance = read_varint(reader);
		uint64_t	length = read_varint(reader);

		if (reader->error != NULL)
			return;
		if (length == 0)
			reader_fail(reader, "a range is empty");
		else if (i > 0 && distance == 0)
			reader_fail(reader, "a range touches the one before it");
		else if (distance > UINT64_MAX - end || length > UINT64_MAX - end - distance)
			reader_fail(reader, "a transaction is too large");
		else
		{
			TxnRange   *range = &txns->ranges[txns->count++];

			range->from = end + distance;
			range->to = end = range->from + length;
		}
	}
}

/*
 * Read the bytes of a version: all "size" of them, and only in the form that
 * version_encode gives.  NULL, and what is wrong in *error, if they are not that.
 */
Version    *
version_decode(const uint8_t *bytes, size_t size, const char **error)
{
	Reader		reader = {bytes, bytes + size, NULL};
	int			count = read_int_count(&reader, 8 + 1 + 2);
	Version    *version = version_alloc((size_t) count);

	for (int i = 0; i < count && reader.error == NULL; i++)
	{
		SiteTxns   *txns = &version->sites[version->count++];

		txns->site = read_fixed64(&reader);
		if (reader.error == NULL && txns->site == 0)
			reader_fail(&reader, "a site is zero");
		else if (i > 0 && txns->site <= txns[-1].site)
			reader_fail(&reader, "sites are not in order");
		decode_ranges(&reader, txns);
	}
	if (reader.error == NULL && reader.at != reader.end)
		reader_fail(&reader, "goes on after its end");
	*error = reader.error;
	return reader.error == NULL ? version : NULL;
}

/*
 * The text of a version, terminated.
 */
char *
version_print(const Version *version)
{
	size_t		size = 3;
	char	   *text;
	char	   *out;

	for (int i = 0; i < version->count; i++)
		size += SITE_TEXT_SIZE + 2 * NUMBER_TEXT_SIZE * (size_t) version->sites[i].count;
	text = out = crdt_alloc(size);
	*out++ = '{';
	for (int i = 0; i < version->count; i++)
	{
		const SiteTxns *txns = &version->sites[i];

		out += snprintf(out, SITE_TEXT_SIZE + 1, "%s%016" PRIx64 ":", i > 0 ? ", " : "", txns->site);
		for (int j = 0; j < txns->count; j++)
		{
			const TxnRange *range = &txns->ranges[j];

			out += snprintf(out, NUMBER_TEXT_SIZE + 1, " %" PRIu64, range->from);
			if (range->to - range->from > 1)
				out += snprintf(out, NUMBER_TEXT_SIZE + 1, "-%" PRIu64, range->to - 1);
		}
	}
	*out++ = '}';
	*out = '\0';
	return text;
}

static inline const char *
skip_spaces(const char *p)
{
	while (*p == ' ' || (*p >= '\t' && *p <= '\r'))
		p++;
	return p;
}

/*
 * Read 16 hexadecimal digits and move past them; NULL, or what is wrong.
 */
static const char *
parse_site(const char **text, Site *site)
{
	const char *p = *text;
	int			digits = 0;

	*site = 0;
	for (;; p++, digits++)
	{
		int			digit;

		if (*p >= '0' && *p <= '9')
			digit = *p - '0';
		else if (*p >= 'a' && *p <= 'f')
			digit = *p - 'a' + 10;
		else if (*p >= 'A' && *p <= 'F')
			digit = *p - 'A' + 10;
		else
			break;
		if (digits == 16)
			return "a site has more than 16 hexadecimal digits";
		*site = *site << 4 | (Site) digit;
	}
	if (digits < 16)
		return "expected a site, of 16 hexadecimal digits";
	if (*site == 0)
		return "a site is zero";
	*text = p;
	return NULL;
}

/*
 * Read a decimal number less than UINT64_MAX and move past it; NULL, or what is wrong.
 */
static const char *
parse_txn(const char **text, uint64_t *txn)
{
	const char *p = *text;

	if (*p < '0' || *p > '9')
		return "expected a transaction's number";
	for (*txn = 0; *p >= '0' && *p <= '9'; p++)
	{
		uint64_t	digit = (uint64_t) (*p - '0');

		if (*txn > (UINT64_MAX - 1 - digit) / 10)
			return "a transaction is too large";
		*txn = *txn * 10 + digit;
	}
	*text = p;
	return NULL;
}

/*
 * Read a text: how many ranges it has, and into "found", unless that is NULL, what they
 * are.  NULL, or what is wrong.
 */
static const char *
parse_ranges(const char *text, SiteRange *found, size_t *count)
{
	const char *p = skip_spaces(text);
	const char *error;
	Site		site;
	TxnRange	range;

	*count = 0;
	if (*p != '{')
		return "expected \"{\"";
	p = skip_spaces(p + 1);
	while (*p != '}' || *count > 0)
	{
		if ((error = parse_site(&p, &site)) != NULL)
			return error;
		p = skip_spaces(p);
		if (*p != ':')
			return "expected \":\" after a site";
		p = skip_spaces(p + 1);
		do
		{
			if ((error = parse_txn(&p, &range.from)) != NULL)
				return error;
			range.to = range.from;
			p = skip_spaces(p);
			if (*p == '-')
			{
				p = skip_spaces(p + 1);
				if ((error = parse_txn(&p, &range.to)) != NULL)
					return error;
				if (range.to < range.from)
					return "a range ends before it begins";
				p = skip_spaces(p);
			}
			range.to++;
			if (found != NULL)
				found[*count] = (SiteRange)
			{
				site, range
			};
			++*count;
		} while (*p >= '0' && *p <= '9');
		if (*p != ',')
			break;
		p = skip_spaces(p + 1);
	}
	if (*p != '}')
		return "expected a transaction's number, \",\" or \"}\"";
	if (*skip_spaces(p + 1) != '\0')
		return "goes on after its end";
	return NULL;
}

static int
compare_site_ranges(const void *a, const void *b)
{
	const SiteRange *x = a;
	const SiteRange *y = b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	return compare_ranges(&x->range, &y->range);
}

/*
 * Read a text, terminated; NULL, and what is wrong in *error, if it is not a version.
 * What it allocates is by what the text holds.
 */
Version    *
version_parse(const char *text, const char **error)
{
	size_t		count;
	size_t		sites = 0;
	SiteRange  *found;
	Version    *version;

	*error = parse_ranges(text, NULL, &count);
	if (*error == NULL && count > INT_MAX)
		*error = "has more parts than it has room for";
	if (*error != NULL)
		return NULL;
	found = crdt_alloc_array(count, sizeof(SiteRange));
	parse_ranges(text, found, &count);
	if (count > 1)
		qsort(found, count, sizeof(SiteRange), compare_site_ranges);
	for (size_t i = 0; i < count; i++)
		sites += i == 0 || found[i].site != found[i - 1].site;

	version = version_alloc(sites);
	for (size_t i = 0, next; i < count; i = next)
	{
		SiteTxns   *txns = &version->sites[version->count++];

		for (next = i + 1; next < count && found[next].site == found[i].site;)
			next++;
		txns->site = found[i].site;
		txns->count = 0;
		txns->ranges = crdt_alloc_array(next - i, sizeof(TxnRange));
		for (size_t j = i; j < next; j++)
			append_range(txns, &found[j].range);
	}
	return version;
}
