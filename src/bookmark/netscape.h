/* netscape.h: a pull parser for the bookmark files that every browser exports. */
#ifndef VECMARK_NETSCAPE_H
#define VECMARK_NETSCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Deepest nesting of lists below the outermost one. */
#define NETSCAPE_MAX_DEPTH 100

/*
 * Most bytes of the names of a bookmark's folders, with one between each two:
 * of the outermost, which may be the browser's own, and of those below it.
 */
#define NETSCAPE_MAX_PATH 1000

/* A date that is absent, zero or unreadable. */
#define NETSCAPE_NO_DATE INT64_MIN

/*
 * How the parser obtains memory.  pointer is NULL or from an earlier call;
 * size 0 frees it.  Returns NULL if there is no memory, or does not return:
 * the parser keeps nothing outside its struct, so a callback may jump out.
 * One entry may need as much memory as the whole input has bytes.
 */
typedef void *(*NetscapeRealloc) (void *context, void *pointer, size_t size);

typedef enum NetscapeStatus
{
	NETSCAPE_ENTRY,				/* *entry holds the next bookmark */
	NETSCAPE_END,				/* no more */
	NETSCAPE_TOO_DEEP,			/* lists nest beyond NETSCAPE_MAX_DEPTH */
	NETSCAPE_NO_MEMORY			/* the callback returned NULL */
} NetscapeStatus;

/* Decoded text, not terminated.  Empty when absent; data is never NULL. */
typedef struct NetscapeText
{
	const char *data;
	size_t		length;
} NetscapeText;

/*
 * One bookmark.  Character references are decoded to UTF-8.  All pointers are
 * good until the next call on the parser.
 */
typedef struct NetscapeEntry
{
	NetscapeText url;			/* never empty; spaces at its ends gone */
	NetscapeText title;			/* runs of white space are one space */
	NetscapeText description;	/* line breaks kept, as line feeds */
	NetscapeText tags;			/* the attribute, commonly comma separated */
	const NetscapeText *folders;	/* names, outermost first, none empty */
	size_t		folder_count;	/* 0 when the path is too long */
	bool		path_too_long;	/* names beyond NETSCAPE_MAX_PATH */
	int64_t		add_date;		/* seconds since 1970, or NETSCAPE_NO_DATE */
	int64_t		last_modified;
	int64_t		last_visit;
	bool		is_private;
	bool		to_read;
	size_t		line;			/* where its <A stands, from 1 */
} NetscapeEntry;

typedef struct NetscapeBuffer
{
	char	   *data;
	size_t		length;
	size_t		size;
} NetscapeBuffer;

/* A parser.  Callers own the struct and look at nothing in it. */
typedef struct NetscapeParser
{
	const char *html;
	const char *end;
	const char *position;		/* next byte to read */
	const char *line_position;	/* where lines were last counted */
	size_t		line;
	NetscapeRealloc reallocate;
	void	   *context;
	NetscapeStatus failure;		/* NETSCAPE_ENTRY while there is none */

	/* names of the open lists end to end, then a heading that may become one */
	NetscapeBuffer names;
	size_t		names_open;		/* length without that heading */
	size_t		depth;			/* open lists */
	size_t		name_start[NETSCAPE_MAX_DEPTH + 1];
	NetscapeText folders[NETSCAPE_MAX_DEPTH + 1];

	/* URL, tags, title and description of the bookmark in hand, end to end */
	NetscapeBuffer text;
	size_t		tags_start;
	size_t		title_start;
	size_t		description_start;
	bool		has_entry;
	NetscapeEntry entry;

	int			capture;		/* which text is being collected */
	bool		after_term;		/* only white space since a <DT> */
	bool		has_term;		/* bookmark or heading came right after one */
	bool		space_pending;	/* white space to write before more text */
	bool		after_break;	/* a line feed after <BR> adds no line */
} NetscapeParser;

/*
 * Whether the text looks like a bookmark file: it has the document type
 * NETSCAPE-Bookmark-file, or an <A HREF> right after a <DT> or inside a <DL>.
 * Reads as much as it needs to find one, at worst everything, once.
 */
extern bool netscape_recognise(const char *html, size_t length);

/*
 * Begin to parse.  The text must outlive the parser; it is UTF-8, and bytes
 * that are not pass through.  Allocates nothing yet.
 */
extern void netscape_begin(NetscapeParser *parser,
						   const char *html, size_t length,
						   NetscapeRealloc reallocate, void *context);

/*
 * Get the next bookmark.  After an error every further call returns the same
 * error; entry->line then tells where it is, and nothing else in *entry means
 * anything.  Time over the whole file is linear.
 *
 * An entry is an <A> with a non-empty HREF, whatever its scheme: place: links
 * of Firefox and javascript: are for the caller to judge.  Its folders are
 * the <H3> headings of the <DL> lists it stands in; it has none of them when
 * their names are too long together, so that all entries have not more to
 * copy than the file has times a constant.  Its description is the
 * text of the <DD> that follows; <BR> is a line break, other tags there leave
 * their text, links included.  A <DD> after a heading is passed over.  In a
 * truncated file the last entry counts if its <A> tag is whole.
 *
 * Dates: exporters do not agree on a unit, so magnitude decides.  Below 10^11
 * seconds (the year 5138); below 10^14 milliseconds; below 1.16 * 10^16
 * microseconds; from there to 10^17 microseconds since 1601, as Chromium
 * keeps them.  Anything else, and 1970 itself, is NETSCAPE_NO_DATE.
 */
extern NetscapeStatus netscape_next(NetscapeParser *parser,
									NetscapeEntry *entry);

/* Free what the parser holds.  It may then begin anew. */
extern void netscape_end(NetscapeParser *parser);

#endif							/* VECMARK_NETSCAPE_H */
