/*
 * netscape.c: reads the Netscape bookmark file format; netscape.h says how.
 *
 * The format is what browsers have written since 1996, without a standard:
 *
 *	<DL><p>
 *		<DT><H3>Folder</H3>
 *		<DD>description of the folder
 *		<DL><p>
 *			<DT><A HREF="..." ADD_DATE="..." TAGS="...">Title</A>
 *			<DD>description of the bookmark
 *		</DL><p>
 *	</DL><p>
 *
 * Elements are left open, so what ends a title or description is the next
 * element of the structure.  The parser looks at one tag at a time and keeps
 * nothing but the open folders and the bookmark in hand.  A bookmark is
 * complete when a tag comes that cannot belong to it; that tag is not
 * consumed but read again by the next call.
 */
#include "bookmark/netscape.h"

#include <string.h>

#include "bookmark/html_reference.h"
#include "bookmark/utf8.h"

#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

typedef enum NetscapeTag
{
	TAG_NONE,					/* no markup, a literal < */
	TAG_SKIPPED,				/* a comment or declaration */
	TAG_OTHER,
	TAG_A,
	TAG_A_END,
	TAG_BR,
	TAG_DD,
	TAG_DD_END,
	TAG_DL,
	TAG_DL_END,
	TAG_DT,
	TAG_DT_END,
	TAG_H3,
	TAG_H3_END,
	TAG_HR
} NetscapeTag;

typedef enum NetscapeCapture
{
	CAPTURE_NOTHING,
	CAPTURE_TITLE,
	CAPTURE_DESCRIPTION,
	CAPTURE_HEADING,
	CAPTURE_NOTE				/* a description without a bookmark, dropped */
} NetscapeCapture;

typedef enum NetscapeSpace
{
	SPACE_KEPT,
	SPACE_COLLAPSED,			/* a run of white space becomes one space */
	SPACE_LINES					/* line ends become line feeds */
} NetscapeSpace;

typedef struct NetscapeAttribute
{
	const char *name;			/* NULL at the end of the tag */
	size_t		name_length;
	const char *value;
	size_t		value_length;
} NetscapeAttribute;

static inline bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static inline char
to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static inline bool
is_alpha(char c)
{
	c = to_lower(c);
	return c >= 'a' && c <= 'z';
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Whether text is word, a string in lower case, in any case. */
static bool
is_word(const char *text, size_t length, const char *word)
{
	if (length != strlen(word))
		return false;
	for (size_t i = 0; i < length; i++)
	{
		if (to_lower(text[i]) != word[i])
			return false;
	}
	return true;
}

/* Markup. */

/* The end of the comment at p, which begins with <!--, or end. */
static const char *
skip_comment(const char *p, const char *end)
{
	/* the opening dashes may be the closing ones too */
	for (p += 4; p < end; p++)
	{
		p = memchr(p, '>', end - p);
		if (p == NULL)
			return end;
		if (p[-1] == '-' && p[-2] == '-')
			return p + 1;
	}
	return end;
}

/*
 * Read what the < at *position begins.  *position moves behind it: behind the
 * name of a tag, whose attributes are then to be read, behind the whole of a
 * comment or declaration, or behind the < if that is all.  One that ends the
 * input is the rest of a tag cut off.
 */
static NetscapeTag
read_markup(const char **position, const char *end)
{
	static const struct
	{
		const char	name[3];
		NetscapeTag start;
		NetscapeTag end;
	}			names[] = {
		{"a", TAG_A, TAG_A_END},
		{"br", TAG_BR, TAG_BR},
		{"dd", TAG_DD, TAG_DD_END},
		{"dl", TAG_DL, TAG_DL_END},
		{"dt", TAG_DT, TAG_DT_END},
		{"h3", TAG_H3, TAG_H3_END},
		{"hr", TAG_HR, TAG_OTHER},
	};
	const char *p = *position + 1;
	const char *name;
	bool		is_end = false;

	if (end - p >= 3 && memcmp(p, "!--", 3) == 0)
	{
		*position = skip_comment(*position, end);
		return TAG_SKIPPED;
	}
	if (p < end && *p == '/')
	{
		is_end = true;
		p++;
	}
	if (p == end || !is_alpha(*p))
	{
		if (!is_end && p < end && *p != '!' && *p != '?')
		{
			*position = p;
			return TAG_NONE;
		}
		p = memchr(p, '>', end - p);
		*position = p == NULL ? end : p + 1;
		return TAG_SKIPPED;
	}

	name = p;
	while (p < end && !is_space(*p) && *p != '/' && *p != '>')
		p++;
	*position = p;
	for (size_t i = 0; i < LENGTH_OF(names); i++)
	{
		if (is_word(name, p - name, names[i].name))
			return is_end ? names[i].end : names[i].start;
	}
	return TAG_OTHER;
}

/*
 * Read an attribute at p.  Returns where the next one is looked for, or NULL
 * if the text ends before the tag does.
 */
static const char *
read_attribute(const char *p, const char *end, NetscapeAttribute *attribute)
{
	attribute->name = NULL;
	while (p < end && (is_space(*p) || *p == '/'))
		p++;
	if (p == end)
		return NULL;
	if (*p == '>')
		return p + 1;

	/* an = here is part of the name */
	attribute->name = p++;
	while (p < end && !is_space(*p) && *p != '/' && *p != '>' && *p != '=')
		p++;
	attribute->name_length = p - attribute->name;
	attribute->value = p;
	attribute->value_length = 0;

	while (p < end && is_space(*p))
		p++;
	if (p == end)
		return NULL;
	if (*p != '=')
		return p;
	p++;
	while (p < end && is_space(*p))
		p++;
	if (p == end)
		return NULL;

	if (*p == '"' || *p == '\'')
	{
		const char *close = memchr(p + 1, *p, end - p - 1);

		if (close == NULL)
			return NULL;
		attribute->value = p + 1;
		attribute->value_length = close - p - 1;
		return close + 1;
	}
	attribute->value = p;
	while (p < end && !is_space(*p) && *p != '>')
		p++;
	attribute->value_length = p - attribute->value;
	return p;
}

/* The end of a tag whose attributes begin at p, or NULL if it has none. */
static const char *
skip_attributes(const char *p, const char *end)
{
	NetscapeAttribute attribute;

	do
		p = read_attribute(p, end, &attribute);
	while (p != NULL && attribute.name != NULL);
	return p;
}

/* Decoding. */

/*
 * Make room for more bytes.  Text never grows in decoding, so a buffer larger
 * than the input is not asked for.  False if there is no memory.
 */
static bool
reserve(NetscapeParser *parser, NetscapeBuffer *buffer, size_t more)
{
	size_t		input = parser->end - parser->html;
	size_t		size;
	char	   *data;

	if (more > SIZE_MAX - buffer->length)
		return false;
	if (buffer->length + more <= buffer->size)
		return true;
	size = buffer->size > SIZE_MAX / 2 ? SIZE_MAX : buffer->size * 2;
	if (size > input)
		size = input;
	if (size < 256)
		size = 256;
	if (size < buffer->length + more)
		size = buffer->length + more;
	data = parser->reallocate(parser->context, buffer->data, size);
	if (data == NULL)
		return false;
	buffer->data = data;
	buffer->size = size;
	return true;
}

/*
 * Append text to the field that begins at start in a buffer, decoded, without
 * white space at its beginning.
 */
static bool
append_text(NetscapeParser *parser, NetscapeBuffer *buffer, size_t start,
			const char *text, const char *end, NetscapeSpace space)
{
	char	   *out;

	/* one byte for the space that an earlier text may have left to write */
	if (!reserve(parser, buffer, (size_t) (end - text) + 1))
		return false;

	for (out = buffer->data + buffer->length; text < end;)
	{
		char		decoded[UTF8_MAX_BYTES];
		int			length = 1;
		uint32_t	code;
		size_t		consumed = 1;

		decoded[0] = *text;
		if (*text == '&')
		{
			consumed = html_decode_reference(text, end, &code);
			if (consumed > 0)
				length = utf8_encode(code, decoded);
			else
				consumed = 1;
		}
		else if (*text == '\r' && space == SPACE_LINES)
		{
			decoded[0] = '\n';
			if (end - text > 1 && text[1] == '\n')
				consumed = 2;
		}
		text += consumed;

		if (decoded[0] == '\n' && parser->after_break)
		{
			parser->after_break = false;
			continue;
		}
		parser->after_break = false;
		if (is_space(decoded[0]))
		{
			if (out == buffer->data + start)
				continue;
			if (space == SPACE_COLLAPSED)
			{
				parser->space_pending = true;
				continue;
			}
		}
		else if (parser->space_pending)
		{
			*out++ = ' ';
			parser->space_pending = false;
		}
		memcpy(out, decoded, length);
		out += length;
	}
	buffer->length = out - buffer->data;
	return true;
}

/* Drop white space from the end of the field that begins at start. */
static void
trim_end(NetscapeBuffer *buffer, size_t start)
{
	while (buffer->length > start && is_space(buffer->data[buffer->length - 1]))
		buffer->length--;
}

/* Seconds since 1970 from an attribute; netscape.h tells the units. */
static int64_t
read_date(const NetscapeAttribute *attribute)
{
	const int64_t microseconds_1601_to_1970 = INT64_C(11644473600000000);
	const char *p = attribute->value;
	const char *end = p + attribute->value_length;
	const char *digits;
	int64_t		date = 0;

	while (p < end && is_space(*p))
		p++;
	for (digits = p; p < end && is_digit(*p); p++)
	{
		if (p - digits == 18)
			return NETSCAPE_NO_DATE;
		date = date * 10 + (*p - '0');
	}
	if (p < end && *p == '.')
	{
		for (p++; p < end && is_digit(*p);)
			p++;
	}
	while (p < end && is_space(*p))
		p++;
	if (p < end || date >= INT64_C(100000000000000000))
		return NETSCAPE_NO_DATE;

	if (date >= microseconds_1601_to_1970)
		date = (date - microseconds_1601_to_1970) / 1000000;
	else if (date >= INT64_C(100000000000000))
		date = date / 1000000;
	else if (date >= INT64_C(100000000000))
		date = date / 1000;
	return date != 0 ? date : NETSCAPE_NO_DATE;
}

static bool
read_bool(const NetscapeAttribute *attribute)
{
	return is_word(attribute->value, attribute->value_length, "1") ||
		is_word(attribute->value, attribute->value_length, "true") ||
		is_word(attribute->value, attribute->value_length, "yes");
}

/* Structure. */

/* Count lines up to p, which never goes back. */
static void
count_lines(NetscapeParser *parser, const char *p)
{
	const char *newline = parser->line_position;

	while ((newline = memchr(newline, '\n', p - newline)) != NULL)
	{
		parser->line++;
		newline++;
	}
	parser->line_position = p;
}

static NetscapeStatus
fail(NetscapeParser *parser, NetscapeStatus failure)
{
	parser->failure = failure;
	return failure;
}

/* Forget a heading that no list followed. */
static void
drop_heading(NetscapeParser *parser)
{
	parser->names.length = parser->names_open;
}

/* Change what is being collected. */
static void
set_capture(NetscapeParser *parser, NetscapeCapture capture)
{
	if (parser->capture == CAPTURE_TITLE)
		parser->description_start = parser->text.length;
	parser->capture = capture;
	parser->space_pending = false;
	parser->after_break = false;
}

/*
 * Begin a bookmark from the attributes of an <A>, or nothing if it has no
 * URL.  Returns the end of the tag, NULL if the input is cut off before it,
 * with failure set if there is no memory.
 */
static const char *
begin_entry(NetscapeParser *parser, const char *attributes)
{
	static const NetscapeAttribute none = {"", 0, "", 0};
	enum
	{
		HREF, TAGS, ADD_DATE, LAST_MODIFIED, LAST_VISIT, PRIVATE, TOREAD, COUNT
	};
	static const char *const names[COUNT] = {
		"href", "tags", "add_date", "last_modified", "last_visit", "private",
		"toread"
	};
	NetscapeAttribute found[COUNT] = {
		none, none, none, none, none, none, none
	};
	NetscapeAttribute attribute;
	NetscapeEntry *entry = &parser->entry;
	const char *p = attributes;

	for (;;)
	{
		p = read_attribute(p, parser->end, &attribute);
		if (p == NULL)
			return NULL;
		if (attribute.name == NULL)
			break;
		for (int i = 0; i < COUNT; i++)
		{
			/* the first of a name counts */
			if (found[i].name_length == 0 &&
				is_word(attribute.name, attribute.name_length, names[i]))
				found[i] = attribute;
		}
	}

	set_capture(parser, CAPTURE_NOTHING);
	parser->text.length = 0;
	if (!append_text(parser, &parser->text, 0, found[HREF].value,
					 found[HREF].value + found[HREF].value_length, SPACE_KEPT))
	{
		fail(parser, NETSCAPE_NO_MEMORY);
		return NULL;
	}
	trim_end(&parser->text, 0);
	if (parser->text.length == 0)
		return p;

	parser->tags_start = parser->text.length;
	if (!append_text(parser, &parser->text, parser->tags_start, found[TAGS].value,
					 found[TAGS].value + found[TAGS].value_length, SPACE_KEPT))
	{
		fail(parser, NETSCAPE_NO_MEMORY);
		return NULL;
	}
	trim_end(&parser->text, parser->tags_start);
	parser->title_start = parser->text.length;
	parser->description_start = parser->text.length;

	entry->add_date = read_date(&found[ADD_DATE]);
	entry->last_modified = read_date(&found[LAST_MODIFIED]);
	entry->last_visit = read_date(&found[LAST_VISIT]);
	entry->is_private = read_bool(&found[PRIVATE]);
	entry->to_read = read_bool(&found[TOREAD]);
	entry->line = parser->line;
	parser->has_entry = true;
	return p;
}

/* Add text between tags to what is being collected.  False: no memory. */
static bool
take_text(NetscapeParser *parser, const char *text, const char *end)
{
	for (const char *p = text; parser->after_term && p < end; p++)
		parser->after_term = is_space(*p);

	switch (parser->capture)
	{
		case CAPTURE_TITLE:
			return append_text(parser, &parser->text, parser->title_start,
							   text, end, SPACE_COLLAPSED);
		case CAPTURE_DESCRIPTION:
			return append_text(parser, &parser->text, parser->description_start,
							   text, end, SPACE_LINES);
		case CAPTURE_HEADING:
			return append_text(parser, &parser->names, parser->names_open,
							   text, end, SPACE_COLLAPSED);
		default:
			return true;
	}
}

/* Add a line break to what is being collected.  False: no memory. */
static bool
take_break(NetscapeParser *parser)
{
	static const char line_feed[] = "\n";

	parser->after_break = false;
	return take_text(parser, line_feed, line_feed + 1);
}

/* Give out the bookmark in hand. */
static NetscapeStatus
finish_entry(NetscapeParser *parser, NetscapeEntry *entry)
{
	const char *text = parser->text.data;
	size_t		count = 0;
	size_t		path = 0;		/* bytes of the names below the outermost */
	bool		too_long = false;

	set_capture(parser, CAPTURE_NOTHING);
	trim_end(&parser->text, parser->description_start);
	for (size_t i = 0; i < parser->depth; i++)
	{
		size_t		start = parser->name_start[i];
		size_t		end = parser->names_open;

		if (i + 1 < parser->depth)
			end = parser->name_start[i + 1];
		if (start < end)
		{
			if (count > 0)
				path += (count > 1) + (end - start);
			too_long = too_long || path > NETSCAPE_MAX_PATH ||
				end - start > NETSCAPE_MAX_PATH;
			parser->folders[count].data = parser->names.data + start;
			parser->folders[count++].length = end - start;
		}
	}

	*entry = parser->entry;
	entry->url.data = text;
	entry->url.length = parser->tags_start;
	entry->tags.data = text + parser->tags_start;
	entry->tags.length = parser->title_start - parser->tags_start;
	entry->title.data = text + parser->title_start;
	entry->title.length = parser->description_start - parser->title_start;
	entry->description.data = text + parser->description_start;
	entry->description.length = parser->text.length - parser->description_start;
	entry->folders = parser->folders;
	entry->folder_count = too_long ? 0 : count;
	entry->path_too_long = too_long;

	parser->has_entry = false;
	return NETSCAPE_ENTRY;
}

/* Begin a list, in the heading before it if there is one. */
static bool
open_list(NetscapeParser *parser)
{
	if (parser->depth == LENGTH_OF(parser->name_start))
		return false;
	parser->name_start[parser->depth++] = parser->names_open;
	parser->names_open = parser->names.length;
	return true;
}

static void
close_list(NetscapeParser *parser)
{
	if (parser->depth > 0)
		parser->names_open = parser->name_start[--parser->depth];
	drop_heading(parser);
}

/* Whether a tag ends the bookmark before it. */
static bool
ends_entry(NetscapeTag tag)
{
	switch (tag)
	{
		case TAG_A:
		case TAG_DL:
		case TAG_DL_END:
		case TAG_DT:
		case TAG_H3:
		case TAG_HR:
			return true;
		default:
			return false;
	}
}

/*
 * Deal with the < at markup, and move behind what it begins unless that ends
 * the bookmark in hand.  NETSCAPE_END means to go on.
 */
static NetscapeStatus
take_markup(NetscapeParser *parser, const char *markup, NetscapeEntry *entry)
{
	const char *p = markup;
	NetscapeTag tag = read_markup(&p, parser->end);
	bool		after_term = parser->after_term;

	/* a link within a description that a <DT> will end is text there */
	if (tag == TAG_A && parser->has_term &&
		(parser->capture == CAPTURE_DESCRIPTION ||
		 parser->capture == CAPTURE_NOTE))
		tag = TAG_OTHER;
	if (parser->has_entry && ends_entry(tag))
	{
		parser->position = markup;
		return finish_entry(parser, entry);
	}

	if (tag == TAG_NONE || tag == TAG_SKIPPED)
	{
		parser->position = p;
		if (tag == TAG_NONE && !take_text(parser, markup, p))
			return fail(parser, NETSCAPE_NO_MEMORY);
		return NETSCAPE_END;
	}
	count_lines(parser, markup);
	p = tag == TAG_A ? begin_entry(parser, p) : skip_attributes(p, parser->end);
	parser->position = p != NULL ? p : parser->end;
	if (p == NULL)
		return parser->failure == NETSCAPE_ENTRY ? NETSCAPE_END : parser->failure;

	parser->after_term = tag == TAG_DT;
	switch (tag)
	{
		case TAG_A:
			drop_heading(parser);
			parser->has_term = after_term;
			set_capture(parser,
						parser->has_entry ? CAPTURE_TITLE : CAPTURE_NOTHING);
			break;
		case TAG_A_END:
			if (parser->capture == CAPTURE_TITLE)
				set_capture(parser, CAPTURE_NOTHING);
			break;
		case TAG_BR:
			if (!take_break(parser))
				return fail(parser, NETSCAPE_NO_MEMORY);
			parser->after_break = parser->capture == CAPTURE_DESCRIPTION;
			break;
		case TAG_DD:
			set_capture(parser,
						parser->has_entry ? CAPTURE_DESCRIPTION : CAPTURE_NOTE);
			if (!take_break(parser))
				return fail(parser, NETSCAPE_NO_MEMORY);
			break;
		case TAG_DD_END:
			if (parser->capture == CAPTURE_DESCRIPTION ||
				parser->capture == CAPTURE_NOTE)
				set_capture(parser, CAPTURE_NOTHING);
			break;
		case TAG_DL:
			set_capture(parser, CAPTURE_NOTHING);
			parser->has_term = false;
			if (!open_list(parser))
				return fail(parser, NETSCAPE_TOO_DEEP);
			break;
		case TAG_DL_END:
			set_capture(parser, CAPTURE_NOTHING);
			parser->has_term = false;
			close_list(parser);
			break;
		case TAG_DT:
		case TAG_DT_END:
			set_capture(parser, CAPTURE_NOTHING);
			break;
		case TAG_H3:
			drop_heading(parser);
			parser->has_term = after_term;
			set_capture(parser, CAPTURE_HEADING);
			break;
		case TAG_H3_END:
			if (parser->capture == CAPTURE_HEADING)
				set_capture(parser, CAPTURE_NOTHING);
			break;
		case TAG_HR:
			drop_heading(parser);
			parser->has_term = false;
			set_capture(parser, CAPTURE_NOTHING);
			break;
		default:
			break;
	}
	return NETSCAPE_END;
}

/* Contract in netscape.h. */
bool
netscape_recognise(const char *html, size_t length)
{
	static const char doctype[] = "!doctype netscape-bookmark-file";
	const char *end = html + length;
	const char *p = html;
	bool		in_list = false;
	bool		after_term = false;

	while (p != NULL && p < end)
	{
		const char *markup = memchr(p, '<', end - p);
		NetscapeTag tag;
		NetscapeAttribute attribute;

		if (markup == NULL)
			break;
		for (; after_term && p < markup; p++)
			after_term = is_space(*p);
		if ((size_t) (end - markup) >= sizeof(doctype) &&
			is_word(markup + 1, sizeof(doctype) - 1, doctype))
			return true;

		p = markup;
		tag = read_markup(&p, end);
		if (tag == TAG_NONE)
			after_term = false;
		if (tag == TAG_NONE || tag == TAG_SKIPPED)
			continue;
		if (tag != TAG_A || !(in_list || after_term))
			p = skip_attributes(p, end);
		else
		{
			while ((p = read_attribute(p, end, &attribute)) != NULL &&
				   attribute.name != NULL)
			{
				if (attribute.value_length > 0 &&
					is_word(attribute.name, attribute.name_length, "href"))
					return true;
			}
		}
		in_list = in_list || tag == TAG_DL;
		after_term = tag == TAG_DT;
	}
	return false;
}

/* Contract in netscape.h. */
void
netscape_begin(NetscapeParser *parser, const char *html, size_t length,
			   NetscapeRealloc reallocate, void *context)
{
	memset(parser, 0, sizeof(*parser));
	parser->html = html;
	parser->position = html;
	parser->end = html + length;
	parser->line_position = html;
	parser->line = 1;
	parser->reallocate = reallocate;
	parser->context = context;
	parser->failure = NETSCAPE_ENTRY;
	parser->capture = CAPTURE_NOTHING;
}

/* Contract in netscape.h. */
NetscapeStatus
netscape_next(NetscapeParser *parser, NetscapeEntry *entry)
{
	NetscapeStatus status = parser->failure;

	if (status == NETSCAPE_ENTRY)
		status = NETSCAPE_END;
	while (status == NETSCAPE_END && parser->position < parser->end)
	{
		const char *text = parser->position;
		const char *markup = memchr(text, '<', parser->end - text);
		const char *text_end = markup != NULL ? markup : parser->end;

		parser->position = text_end;
		if (!take_text(parser, text, text_end))
			status = fail(parser, NETSCAPE_NO_MEMORY);
		else if (markup != NULL)
			status = take_markup(parser, markup, entry);
	}
	if (status == NETSCAPE_END && parser->has_entry)
		status = finish_entry(parser, entry);
	if (status != NETSCAPE_ENTRY)
		entry->line = parser->line;
	return status;
}

/* Contract in netscape.h. */
void
netscape_end(NetscapeParser *parser)
{
	if (parser->text.data != NULL)
		parser->reallocate(parser->context, parser->text.data, 0);
	if (parser->names.data != NULL)
		parser->reallocate(parser->context, parser->names.data, 0);
	memset(&parser->text, 0, sizeof(parser->text));
	memset(&parser->names, 0, sizeof(parser->names));
}
