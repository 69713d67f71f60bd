# packages.awk: a Debian package index as CSV for vecmark.import_table: url, title, tags.
#
# A package with a homepage becomes a bookmark of it; its short description is
# part of the title, and its section and debtags are tags, facet::tag as
# facet/tag.  The shortest name of a homepage comes first (the caller sorts),
# so that it gives the title.

BEGIN {
	RS = ""
	FS = "\n"
}

function quoted(text)
{
	gsub(/"/, "\"\"", text)
	return "\"" text "\""
}

{
	name = homepage = description = section = tags = field = ""
	for (i = 1; i <= NF; i++) {
		if ($i ~ /^ /) {
			if (field == "Tag")
				tags = tags $i
			continue
		}
		field = substr($i, 1, index($i, ":") - 1)
		value = substr($i, index($i, ":") + 2)
		if (field == "Package")
			name = value
		else if (field == "Homepage")
			homepage = value
		else if (field == "Description" || field == "Description-en")
			description = value
		else if (field == "Section")
			section = value
		else if (field == "Tag")
			tags = value
	}
	if (homepage == "")
		next
	gsub(/::/, "/", tags)
	gsub(/, +/, ",", tags)
	print length(name) "\t" name "\t" quoted(homepage) "," quoted(name ": " description) "," quoted(section (tags == "" ? "" : "," tags))
}
