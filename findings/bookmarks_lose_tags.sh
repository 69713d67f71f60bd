#!/bin/bash
# Browsers and bookmark services write tags as an attribute TAGS of a link and a
# description as text after <DD>.  Two npm packages read this format and keep
# neither, so that an import through them loses both, without an error.
# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"

npm_packages node-bookmarks-parser@2.0.0 bookmarks-parser@1.5.0
cat >"$folder/lose.js" <<'JS'
const html = `<!DOCTYPE NETSCAPE-Bookmark-file-1>
<TITLE>Bookmarks</TITLE>
<H1>Bookmarks</H1>
<DL><p>
    <DT><A HREF="https://a.example/" ADD_DATE="1600000000" TAGS="one,two">A</A>
    <DD>What it is about
</DL><p>
`;
const fields = (tree) => {
	const leaf = (nodes) => nodes.map((n) => n.type === 'bookmark' ? n : leaf(n.children)).flat()[0];
	return Object.keys(leaf(tree)).sort().join(' ');
};
const parse = require('node-bookmarks-parser');
console.log(fields((parse.default || parse)(html)));
require('bookmarks-parser')(html, (error, result) => console.log(fields(result.bookmarks)));
JS
mapfile -t seen < <(cd "$folder" && node lose.js)
expect "node-bookmarks-parser keeps" 'addDate title type url' "${seen[0]}"
expect "bookmarks-parser keeps" 'add_date title type url' "${seen[1]}"
done_with
