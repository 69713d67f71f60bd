/* netscape_test.c: bookmark files as the known exporters write them, and broken ones. */
/* sources: src/bookmark/netscape.c */

/*
 * A file is parsed and its bookmarks are written out again, one a line, as
 *
 *	line [folder/folder] url "title" {tags} (description) dates flags
 *
 * without the parts that are absent, to be compared with what is expected.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bookmark/html_reference.h"
#include "bookmark/netscape.h"
#include "counted_memory.h"
#include "tap.h"

#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

static Memory
memory_for(int allocations)
{
	Memory		memory = {allocations, 0, 0, 0};

	return memory;
}

static void
put(FILE *out, const char *before, const NetscapeText *text, const char *after)
{
	if (text->length > 0)
	{
		fputs(before, out);
		fwrite(text->data, 1, text->length, out);
		fputs(after, out);
	}
}

static void
put_date(FILE *out, const char *name, int64_t date)
{
	if (date != NETSCAPE_NO_DATE)
		fprintf(out, " %s=%" PRId64, name, date);
}

/* Parse a file and write out what it holds; the caller frees the result. */
static char *
dump(const char *html, size_t length, Memory *memory)
{
	char	   *copy = malloc(length > 0 ? length : 1);
	char	   *result = NULL;
	size_t		result_length;
	FILE	   *out = open_memstream(&result, &result_length);
	NetscapeParser parser;
	NetscapeEntry entry;
	NetscapeStatus status;

	if (copy == NULL || out == NULL)
		abort();
	memcpy(copy, html, length);
	netscape_begin(&parser, copy, length, reallocate, memory);
	while ((status = netscape_next(&parser, &entry)) == NETSCAPE_ENTRY)
	{
		fprintf(out, "%zu", entry.line);
		for (size_t i = 0; i < entry.folder_count; i++)
			put(out, i == 0 ? " [" : "/", &entry.folders[i], "");
		if (entry.folder_count > 0)
			fputs("]", out);
		if (entry.path_too_long)
			fputs(" [too long]", out);
		put(out, " ", &entry.url, "");
		put(out, " \"", &entry.title, "\"");
		put(out, " {", &entry.tags, "}");
		put(out, " (", &entry.description, ")");
		put_date(out, "added", entry.add_date);
		put_date(out, "modified", entry.last_modified);
		put_date(out, "visited", entry.last_visit);
		if (entry.is_private)
			fputs(" private", out);
		if (entry.to_read)
			fputs(" to_read", out);
		fputs("\n", out);
	}
	if (status == NETSCAPE_TOO_DEEP)
		fprintf(out, "too deep in line %zu\n", entry.line);
	if (status == NETSCAPE_NO_MEMORY)
		fprintf(out, "no memory in line %zu\n", entry.line);
	if (netscape_next(&parser, &entry) != status)
		fputs("another status at the next call\n", out);
	netscape_end(&parser);
	netscape_end(&parser);
	if (memory->blocks != 0)
		fputs("memory not freed\n", out);
	fclose(out);
	free(copy);
	return result;
}

static bool
gives(const char *html, const char *expected)
{
	Memory		memory = memory_for(-1);
	char	   *result = dump(html, strlen(html), &memory);
	bool		passed = strcmp(result, expected) == 0;

	if (!passed)
		printf("# expected:\n%s# got:\n%s", expected, result);
	free(result);
	return passed;
}

typedef struct Case
{
	const char *name;
	const char *html;
	const char *expected;
} Case;

static const char firefox[] =
"<!DOCTYPE NETSCAPE-Bookmark-file-1>\n"
"<!-- This is an automatically generated file.\n"
"     It will be read and overwritten.\n"
"     DO NOT EDIT! -->\n"
"<META HTTP-EQUIV=\"Content-Type\" CONTENT=\"text/html; charset=UTF-8\">\n"
"<meta http-equiv=\"Content-Security-Policy\"\n"
"      content=\"default-src 'self'; img-src data: *; object-src 'none'\"></meta>\n"
"<TITLE>Bookmarks</TITLE>\n"
"<H1>Bookmarks Menu</H1>\n"
"\n"
"<DL><p>\n"
"    <DT><A HREF=\"place:sort=8&maxResults=10\" ADD_DATE=\"1300000000\">Recent</A>\n"
"    <HR>    <DT><H3 ADD_DATE=\"1300000001\" LAST_MODIFIED=\"1300000002\" PERSONAL_TOOLBAR_FOLDER=\"true\">Bookmarks Toolbar</H3>\n"
"    <DD>Add bookmarks to this folder\n"
"    <DL><p>\n"
"        <DT><A HREF=\"https://a.example/?x=1&copy=2\" ADD_DATE=\"1300000003\" LAST_MODIFIED=\"1300000004\" ICON_URI=\"https://a.example/i\" ICON=\"data:image/png;base64,iVBORw0KGgo=\" SHORTCUTURL=\"a\" TAGS=\"one,two\">A &amp; B</A>\n"
"        <DD>first\n"
"    </DL><p>\n"
"    <DT><A HREF=\"http://b.example/\">B</A>\n"
"</DL>\n";

static const Case cases[] = {
	{"Firefox", firefox,
		"12 place:sort=8&maxResults=10 \"Recent\" added=1300000000\n"
		"16 [Bookmarks Toolbar] https://a.example/?x=1&copy=2 \"A & B\" {one,two} (first) added=1300000003 modified=1300000004\n"
	"19 http://b.example/ \"B\"\n"},

	{"Chrome",
		"<!DOCTYPE NETSCAPE-Bookmark-file-1>\n"
		"<DL><p>\n"
		"    <DT><H3 ADD_DATE=\"1\" LAST_MODIFIED=\"0\" PERSONAL_TOOLBAR_FOLDER=\"true\">Bookmarks bar</H3>\n"
		"    <DL><p>\n"
		"        <DT><H3 ADD_DATE=\"1\">News</H3>\n"
		"        <DL><p>\n"
		"            <DT><A HREF=\"https://n.example/?a=1&amp;b=2\" ADD_DATE=\"1700000000\" ICON=\"data:image/png;base64,AA>BB\">It&#39;s &quot;n&quot;</A>\n"
		"        </DL><p>\n"
		"        <DT><H3>Empty</H3>\n"
		"        <DL><p>\n"
		"        </DL><p>\n"
		"        <DT><A HREF=\"javascript:alert(1)\" ADD_DATE=\"0\">x</A>\n"
		"    </DL><p>\n"
		"</DL><p>\n",
		"7 [Bookmarks bar/News] https://n.example/?a=1&b=2 \"It's \"n\"\" added=1700000000\n"
	"12 [Bookmarks bar] javascript:alert(1) \"x\"\n"},

	{"Safari",
		"<!DOCTYPE NETSCAPE-Bookmark-file-1>\n"
		"\t<HTML>\n\t<Title>Bookmarks</Title>\n\t<H1>Bookmarks</H1>\n"
		"\t<DT><H3 FOLDED>Favorites</H3>\n\t<DL><p>\n"
		"\t\t<DT><A HREF=\"https://s.example/\">S</A>\n\t</DL><p>\n"
		"\t<DT><A HREF=\"https://t.example/\">T</A>\n</HTML>\n",
		"7 [Favorites] https://s.example/ \"S\"\n"
	"9 https://t.example/ \"T\"\n"},

	{"Pinboard",
		"<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DL><p><DT><A HREF=\"https://p.example/\" ADD_DATE=\"1400000000\" PRIVATE=\"1\" TOREAD=\"1\" TAGS=\"a,b c\">P</A>\n"
		"<DD>one\n\n  two\n"
		"<DT><A HREF=\"https://q.example/\" PRIVATE=\"0\" TOREAD=\"0\" TAGS=\"\">Q</A>\n</DL></p>",
		"2 https://p.example/ \"P\" {a,b c} (one\n\n  two) added=1400000000 private to_read\n"
	"6 https://q.example/ \"Q\"\n"},

	{"linkding",
		"<!DOCTYPE NETSCAPE-Bookmark-file-1>\n\r<DL><p>\n\r"
		"<DT><A HREF=\"https://l.example/\" ADD_DATE=\"1600000000\" LAST_MODIFIED=\"1600000001\" PRIVATE=\"0\" TOREAD=\"1\" TAGS=\"a,b\">L</A>\n\r"
		"<DD>d &lt;b&gt;[linkding-notes]n[/linkding-notes]\n\r</DL><p>",
	"3 https://l.example/ \"L\" {a,b} (d <b>[linkding-notes]n[/linkding-notes]) added=1600000000 modified=1600000001 to_read\n"},

	{"Raindrop",
		"<DL><p>\n<DT><H3 ADD_DATE=\"1\">Unsorted</H3>\n<DL><p>\n"
		"<DT><A HREF=\"https://r.example/\" ADD_DATE=\"1650000000\" LAST_MODIFIED=\"1650000001\" TAGS=\"x,y\" DATA-COVER=\"https://c.example/c.jpg\" DATA-IMPORTANT=\"true\">R</A>\n"
		"<DD>note</DD>\n</DL><p>\n</DL><p>",
	"4 [Unsorted] https://r.example/ \"R\" {x,y} (note) added=1650000000 modified=1650000001\n"},

	{"Delicious",
		"<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DL><p><DT><A HREF=\"http://d.example/\" LAST_VISIT=\"1200000000\" ADD_DATE=\"1200000001\" TAGS=\"a,b\">D</A>\n</DL><p>",
	"2 http://d.example/ \"D\" {a,b} added=1200000001 visited=1200000000\n"},

	/* attributes */
	{"lower case, unquoted and single quotes",
		"<dl><dt><a add_date=7 href=http://a/?b=c/ tags='x \"y\"'private=1>t</a>",
	"1 http://a/?b=c/ \"t\" {x \"y\"} added=7 private\n"},
	{"spaces around an equals sign",
	"<DT><A\n HREF = \"a\"\tTAGS\n=\nb>t</A>", "1 a \"t\" {b}\n"},
	{"attributes without a value",
	"<DT><A HREF=a TOREAD PRIVATE= TAGS>t</A>", "1 a \"t\"\n"},
	{"the first of two attributes counts",
	"<DT><A HREF=a HREF=b TAGS=x TAGS=y>t</A>", "1 a \"t\" {x}\n"},
	{"spaces around a URL go",
	"<DT><A HREF=\" \n a b&#32;\r \" TAGS=\" x , y \">t</A>", "1 a b \"t\" {x , y}\n"},
	{"no bookmark without a URL",
		"<DT><A>t</A><DT><A HREF>t</A><DT><A HREF=\" \">t</A><DD>d<DT><A NAME=a>t</A><DT><A HREF=b>u</A>",
	"1 b \"u\"\n"},
	{"> and < in quotes", "<DT><A HREF=\"<a>\">t</A>", "1 <a> \"t\"\n"},
	{"a slash before an attribute", "<DT><A/HREF=a /PRIVATE=1/>t</A>", "1 a \"t\"\n"},
	{"flags in words",
		"<DT><A HREF=a PRIVATE=TRUE TOREAD=Yes><DT><A HREF=b PRIVATE=false TOREAD=no>",
	"1 a private to_read\n1 b\n"},

	{"= in place of a name", "<DT><A =\" HREF=a \">t</A>", "1 a \"t\"\n"},

	/* dates */
	{"milliseconds, microseconds",
		"<DT><A HREF=a ADD_DATE=1376683982550 LAST_MODIFIED=1376683982550123 LAST_VISIT=13021157582550123>",
	"1 a added=1376683982 modified=1376683982 visited=1376683982\n"},
	{"the limits of the units",
		"<DT><A HREF=a ADD_DATE=99999999999 LAST_MODIFIED=100000000000 LAST_VISIT=99999999999999>"
		"<DT><A HREF=b ADD_DATE=100000000000000 LAST_MODIFIED=11644473599999999 LAST_VISIT=11644473601000000>"
		"<DT><A HREF=c ADD_DATE=99999999999999999 LAST_MODIFIED=100000000000000000 LAST_VISIT=99999999999999999999>",
		"1 a added=99999999999 modified=100000000 visited=99999999999\n"
		"1 b added=100000000 modified=11644473599 visited=1\n"
	"1 c added=88355526399\n"},
	{"dates that are none",
	"<DT><A HREF=a ADD_DATE=\"\" LAST_MODIFIED=\"0\" LAST_VISIT=\"2010-01-01\"><DT><A HREF=b ADD_DATE=-5 LAST_MODIFIED=11644473600000000>", "1 a\n1 b\n"},
	{"spaces and fractions of a date",
	"<DT><A HREF=a ADD_DATE=\" 12 \" LAST_MODIFIED=\"13.75\" LAST_VISIT=\"14.5x\">", "1 a added=12 modified=13\n"},

	/* character references */
	{"references",
		"<DT><A HREF=\"a?b&amp;c&lt;\" TAGS=\"&eacute;&#44;\">&lt;&gt;&AMP;&quot;&apos;&nbsp;&yuml;&AElig;&hellip;</A>",
	"1 a?b&c< \"<>&\"'\xc2\xa0\xc3\xbf\xc3\x86\xe2\x80\xa6\" {\xc3\xa9,}\n"},
	{"numeric references",
		"<DT><A HREF=a>&#65;&#x42;&#X63;&#8217;&#x1F600;&#146;&#00000000065;&#000000000000000000000000000000065;</A>",
	"1 a \"ABc\xe2\x80\x99\xf0\x9f\x98\x80\xe2\x80\x99" "A&#000000000000000000000000000000065;\"\n"},
	{"numbers that are no character",
		"<DT><A HREF=a>&#0;&#xD800;&#xdfff;&#x110000;&#99999999999999999999;&#4294967361;</A>",
	"1 a \"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"\n"},
	{"no references",
		"<DT><A HREF=\"a?x&lt=1&copy=2&amp\">& && &; &#; &#x; &#g; &amp &bogus; &ltx; &l; &#12a; &zzzzzzzzzzzzzzzzzzzz;</A>",
	"1 a?x&lt=1&copy=2&amp \"& && &; &#; &#x; &#g; &amp &bogus; &ltx; &l; &#12a; &zzzzzzzzzzzzzzzzzzzz;\"\n"},
	{"a reference is decoded once", "<DT><A HREF=a>&amp;lt;</A>", "1 a \"&lt;\"\n"},
	{"bytes that are not UTF-8 pass", "<DT><A HREF=a\xff>\xc3\x28\x80</A>", "1 a\xff \"\xc3\x28\x80\"\n"},

	/* titles */
	{"white space in a title", "<DT><A HREF=a>\n one\t\r\n two&#32;&#10;three <b> four</b>\n</A>", "1 a \"one two three four\"\n"},
	{"a title with tags", "<DT><A HREF=a>x<b>y</b><BR>z<IMG SRC=\"<q>\">w</A>", "1 a \"xy zw\"\n"},
	{"a title with a comment and a <", "<DT><A HREF=a>1 < 2<!-- </A> --> <3</A>", "1 a \"1 < 2 <3\"\n"},
	{"an open title ends at the next bookmark", "<DT><A HREF=a>t\n<DT><A HREF=b>u\n<A HREF=c>v<HR>x", "1 a \"t\"\n2 b \"u\"\n3 c \"v\"\n"},
	{"an open title ends at the description", "<DT><A HREF=a>t <DD> d", "1 a \"t\" (d)\n"},
	{"text after a title is dropped", "<DT><A HREF=a>t</A>x<DD>d", "1 a \"t\" (d)\n"},

	/* descriptions */
	{"line breaks in a description",
		"<DT><A HREF=a>t</A><DD>\r\n one\r\ntwo\rthree<BR>four\n-<br>\nfive<BR>\r\nsix<BR/><BR>seven\n\n</DL>",
	"1 a \"t\" (one\ntwo\nthree\nfour\n-\nfive\nsix\n\nseven)\n"},
	{"break at the start of a description", "<DT><A HREF=a>t</A><DD><BR><BR> \n d", "1 a \"t\" (d)\n"},
	{"spaces in a description are kept", "<DT><A HREF=a>t</A><DD> x  y\t z \n", "1 a \"t\" (x  y\t z)\n"},
	{"a link in a description is text",
		"<DT><A HREF=a>t</A><DD>see <A HREF=b>this</A>, too\n<DT><A HREF=c>u</A>",
	"1 a \"t\" (see this, too)\n2 c \"u\"\n"},
	{"without <DT> it is a bookmark",
		"<DL><A HREF=a>t</A><DD>d <A HREF=b>u</A>",
	"1 a \"t\" (d)\n1 b \"u\"\n"},
	{"text between <DT> and link", "<DT>x<A HREF=a>t<DD>d<A HREF=b>u", "1 a \"t\" (d)\n1 b \"u\"\n"},
	{"a description after a list begins or ends",
		"<DT><A HREF=a>t</A><DL><DD>x<A HREF=b>u<DT><A HREF=c></DL><DD>y<A HREF=d>",
	"1 a \"t\"\n1 b \"u\"\n1 c\n1 d\n"},
	{"two descriptions", "<DT><A HREF=a>t</A><DD>x <DD>y</DD>no<DD>z", "1 a \"t\" (x \ny\nz)\n"},
	{"closed elements", "<DT><A HREF=a>t</A></DT>x<DD>d</DD>y<DT><A HREF=b>u</DT>v", "1 a \"t\" (d)\n1 b \"u\"\n"},

	/* folders */
	{"nested folders",
		"<DL><DT><H3> a\n b </H3><DL><DT><H3>c&amp;</H3><DL><DT><A HREF=1></DL><DT><A HREF=2></DL><DT><A HREF=3></DL><DT><A HREF=4>",
	"2 [a b/c&] 1\n2 [a b] 2\n2 3\n2 4\n"},
	{"folders one after the other",
		"<DT><H3>a</H3><DL><DT><A HREF=1></DL><DT><H3>bb</H3><DL><DT><A HREF=2></DL>",
	"1 [a] 1\n1 [bb] 2\n"},
	{"a list without a heading", "<DL><DL><DT><H3></H3><DL><DT><H3>a</H3><DL><DL><A HREF=1>", "1 [a] 1\n"},
	{"a heading without a list",
		"<DT><H3>a</H3><DT><H3>b</H3><DL><A HREF=1></DL><H3>c</H3><A HREF=2><DL><A HREF=3></DL><H3>d</H3><HR><DL><A HREF=4>",
	"1 [b] 1\n1 2\n1 3\n1 4\n"},
	{"text after a heading", "<DT><H3>a</H3>b<DL><A HREF=1>", "1 [a] 1\n"},
	{"an open heading ends at a bookmark", "<H3>a <A HREF=1 TAGS=x>t", "1 1 \"t\" {x}\n"},
	{"an open heading ends at its list", "<DT><H3>a<DL><DT><A HREF=1>", "1 [a] 1\n"},
	{"more lists closed than opened", "</DL></DL><DL><DT><H3>a</H3><DL></DL></DL></DL></DL><A HREF=1>", "1 1\n"},
	{"a heading's description with a link", "<DT><H3>a</H3><DD>d <A HREF=0>x</A><BR><DL><DT><A HREF=1>", "1 [a] 1\n"},
	{"a description after a separator", "<DT><A HREF=1><HR><DD>d <A HREF=2>t", "1 1\n1 2 \"t\"\n"},
	{"only the third heading is a folder", "<H1>a</H1><H2>b</H2><DL><A HREF=1>", "1 1\n"},

	/* cut short */
	{"nothing", "", ""},
	{"no bookmarks", "plain text & <p>a paragraph</p> < <", ""},
	{"cut in a title", "<DT><A HREF=a>t &amp; u", "1 a \"t & u\"\n"},
	{"cut after a <", "<DT><A HREF=a>t <", "1 a \"t\"\n"},
	{"cut in a closing tag", "<DT><A HREF=a>t</", "1 a \"t\"\n"},
	{"cut in a bookmark's tag", "<DT><A HREF=a>t<DT><A HREF=\"b", "1 a \"t\"\n"},
	{"cut after an attribute", "<DT><A HREF=a>t<DT><A HREF=\"b\"", "1 a \"t\"\n"},
	{"cut in a tag's name", "<DT><A HREF=a>t<D", "1 a \"t\"\n"},
	{"cut in a comment", "<DT><A HREF=a>t<!-- <DT><A HREF=b>", "1 a \"t\"\n"},
	{"short comments", "<!--><A HREF=a>t<!---></A><!----><A HREF=b>u<!-- -->", "1 a \"t\"\n1 b \"u\"\n"},
	{"> in a comment", "<!-- -> -- > <A HREF=a> --><A HREF=b>u", "1 b \"u\"\n"},
	{"declarations", "<?xml <A HREF=a>?><!ELEMENT <A HREF=b>></ <A HREF=c>", ""},
	{"names that only begin alike", "<DLX><ABBR HREF=a><H33>f</H33><DT2><AA HREF=b>", ""},
};

static const Case recognised[] = {
	{"document type", "<!DOCTYPE NETSCAPE-Bookmark-file-1>", "yes"},
	{"document type in lower case", "\xef\xbb\xbf \n<!-- x --><!doctype netscape-bookmark-file-1>", "yes"},
	{"term and link", "<DT> \n<!-- x --> <A HREF=a>", "yes"},
	{"list and link", "<dl><p>x<a title=\"b\" href='a'>", "yes"},
	{"link without list", "<p><A HREF=a><DL>", "no"},
	{"term, text, link", "<DT>x<A HREF=a>", "no"},
	{"term, <, link", "<DT> < <A HREF=a>", "no"},
	{"term, tag, link", "<DT><P><A HREF=a>", "no"},
	{"link without URL in a list", "<DL><DT><A NAME=a>t</A><DT><A HREF=\"\">", "no"},
	{"link in a comment", "<!-- <DL><DT><A HREF=a>", "no"},
	{"a link cut short", "<DL><DT><A HREF=\"a", "no"},
	{"a link after one without URL", "<DL><A NAME=b><A HREF=a>", "yes"},
	{"text with a pair of words", "NETSCAPE-Bookmark-file-1", "no"},
	{"document type cut short", "<!DOCTYPE NETSCAPE-Bookmark-fil", "no"},
	{"another document type", "<!DOCTYPE html><html><body><a href=x>y</a>", "no"},
	{"nothing", "", "no"},
};

static void
test_recognise(void)
{
	for (size_t i = 0; i < LENGTH_OF(recognised); i++)
	{
		size_t		length = strlen(recognised[i].html);
		char	   *copy = malloc(length > 0 ? length : 1);
		char		name[100];

		if (copy == NULL)
			abort();
		memcpy(copy, recognised[i].html, length);
		snprintf(name, sizeof(name), "recognised: %s", recognised[i].name);
		ok(netscape_recognise(copy, length) ==
		   (recognised[i].expected[0] == 'y'), name);
		free(copy);
	}
}

static void
test_references(void)
{
	bool		sorted = true;
	bool		found = true;

	for (size_t i = 0; i < LENGTH_OF(html_references); i++)
	{
		const HtmlReference *reference = &html_references[i];
		char		text[20];
		uint32_t	code = 0;
		size_t		length;

		if (i > 0 && strcmp(html_references[i - 1].name, reference->name) >= 0)
			sorted = false;
		length = snprintf(text, sizeof(text), "&%s;", reference->name);
		if (html_decode_reference(text, text + length, &code) != length ||
			code != reference->code)
			found = false;
		if (html_decode_reference(text, text + length - 1, &code) != 0)
			found = false;
	}
	ok(sorted, "the named references are in order");
	ok(found, "every named reference is found");
}

/* A file of nested folders, each with a heading, and a bookmark inside. */
static char *
nest(int depth)
{
	char	   *html = NULL;
	size_t		length;
	FILE	   *out = open_memstream(&html, &length);

	if (out == NULL)
		abort();
	fputs("<DL>\n", out);
	for (int i = 1; i <= depth; i++)
		fprintf(out, "<H3>%d</H3><DL>\n", i);
	fputs("<A HREF=a>", out);
	fclose(out);
	return html;
}

static void
test_depth(void)
{
	char	   *html = nest(NETSCAPE_MAX_DEPTH);
	Memory		memory = memory_for(-1);
	char	   *result = dump(html, strlen(html), &memory);

	ok(strncmp(result, "102 [1/2/3/", 11) == 0 &&
	   strstr(result, "/99/100] a\n") != NULL, "100 nested folders");
	free(html);
	free(result);

	html = nest(NETSCAPE_MAX_DEPTH + 1);
	ok(gives(html, "too deep in line 102\n"), "101 nested folders");
	free(html);
}

/* Names of folders so long together, below an outermost one. */
static char *
names(int outermost, int first, int second)
{
	char	   *html = NULL;
	size_t		length;
	FILE	   *out = open_memstream(&html, &length);

	if (out == NULL)
		abort();
	fprintf(out, "<DL><H3>%0*d</H3><DL><H3>%0*d</H3><DL><H3>%0*d</H3><DL>"
			"<A HREF=a></A><A HREF=b></A></DL></DL><A HREF=c>",
			outermost, 0, first, 0, second, 0);
	fclose(out);
	return html;
}

static void
test_path(void)
{
	static const char refused[] =
		"1 [too long] a\n1 [too long] b\n";
	char	   *html = names(1000, 499, 500);
	Memory		memory = memory_for(-1);
	char	   *result = dump(html, strlen(html), &memory);

	ok(strstr(result, "too long") == NULL && strstr(result, "0] b\n") != NULL,
	   "names of 1,000 bytes");
	free(html);
	free(result);

	html = names(1, 500, 500);
	memory = memory_for(-1);
	result = dump(html, strlen(html), &memory);
	ok(strncmp(result, refused, strlen(refused)) == 0 &&
	   strstr(result, "0] c\n") != NULL,
	   "names of 1,001 bytes, and a bookmark above them");
	free(html);
	free(result);

	html = names(1001, 1, 1);
	ok(gives(html, "1 [too long] a\n1 [too long] b\n1 [too long] c\n"),
	   "an outermost name of 1,001 bytes");
	free(html);
}

/* Fail each allocation in turn. */
static void
test_memory(void)
{
	Memory		memory = memory_for(-1);
	char	   *html = malloc(1 << 20);
	char	   *p = html;
	char	   *result;
	int			calls;
	bool		reported = true;

	if (html == NULL)
		abort();
	p += sprintf(p, "<DL><DT><H3>");
	memset(p, 'f', 1000);
	p += 1000;
	p += sprintf(p, "</H3><DL><DT><A HREF=");
	memset(p, 'u', 1000);
	p += 1000;
	p += sprintf(p, " TAGS=");
	memset(p, 't', 2000);
	p += 2000;
	p += sprintf(p, ">");
	memset(p, 'T', 4000);
	p += 4000;
	p += sprintf(p, "</A><DD>");
	memset(p, 'D', 8000);
	p += 8000;

	result = dump(html, p - html, &memory);
	ok(strlen(result) > 16000 && memory.largest <= (size_t) (p - html),
	   "an entry larger than the first allocation");
	free(result);
	calls = memory.calls;
	for (int i = 0; i < calls; i++)
	{
		memory = memory_for(i);
		result = dump(html, p - html, &memory);
		if (strcmp(result, "no memory in line 1\n") != 0)
			reported = false;
		free(result);
	}
	ok(calls >= 5 && reported, "every failed allocation is reported");

	/* a space left over from one text, and the next fills what is reserved */
	p = html + sprintf(html, "<A HREF=a>x <B>");
	memset(p, 'T', 5000);
	memory = memory_for(-1);
	result = dump(html, p + 5000 - html, &memory);
	ok(strlen(result) == strlen("1 a \"x \"\n") + 5000, "a title in two texts");
	free(result);

	p = html + sprintf(html, "<DL><DT><A HREF=a ICON=\"data:image/png;base64,");
	memset(p, 'A', 1000000);
	p += 1000000;
	p += sprintf(p, "\">t</A><!--");
	memset(p, 'A', 1000);
	p += 1000;
	memory = memory_for(-1);
	result = dump(html, p - html, &memory);
	ok(strcmp(result, "1 a \"t\"\n") == 0 && memory.largest <= 256,
	   "an icon takes no memory");
	free(result);
	free(html);
}

/* All bookmarks of a file cut short, but the last, are those of the whole. */
static void
test_cut(void)
{
	Memory		memory = memory_for(-1);
	char	   *whole = dump(firefox, strlen(firefox), &memory);
	bool		passed = true;

	for (size_t length = 0; length < strlen(firefox); length++)
	{
		char	   *part = dump(firefox, length, &memory);
		char	   *last = part;

		for (char *p = part; (p = strchr(p, '\n')) != NULL && p[1] != '\0';)
			last = ++p;
		if (strncmp(part, whole, last - part) != 0)
			passed = false;
		free(part);
	}
	ok(passed, "a file cut short anywhere");
	free(whole);
}

int
main(void)
{
	for (size_t i = 0; i < LENGTH_OF(cases); i++)
		ok(gives(cases[i].html, cases[i].expected), cases[i].name);
	test_recognise();
	test_references();
	test_depth();
	test_path();
	test_memory();
	test_cut();
	return done_testing();
}
