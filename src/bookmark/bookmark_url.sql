-- bookmark_url.sql: keys, hashes and identifiers of URLs.

CREATE FUNCTION vecmark.url_key(url text) RETURNS text
AS 'MODULE_PATHNAME', 'vecmark_url_key'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION vecmark.url_key(text) IS
	'the normalised form by which two spellings of one URL are found equal (printable ASCII; rules: vecmark.url_rules()); error for an empty URL and for one over 65,536 bytes';

CREATE FUNCTION vecmark_internal.url_problem(url text) RETURNS text
AS 'MODULE_PATHNAME', 'vecmark_url_problem'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION vecmark_internal.url_problem(text) IS
	'why a URL cannot have a key, or null when it can';

CREATE FUNCTION vecmark.url_hash(url text) RETURNS bigint
AS 'MODULE_PATHNAME', 'vecmark_url_hash'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;

COMMENT ON FUNCTION vecmark.url_hash(text) IS
	'XXH3-64 of the key of a URL, as in the column url_hash; compare url_key too, since hashes of different keys can be equal';

CREATE FUNCTION vecmark.url_digest(url_key text) RETURNS uuid
AS 'MODULE_PATHNAME', 'vecmark_url_digest'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION vecmark.url_digest(text) IS
	'XXH3-128 of a key, as 16 bytes: what the unique index of a bookmarks table holds in place of keys of any length';

CREATE FUNCTION vecmark_internal.url_id(url_key text, attempt integer DEFAULT 0) RETURNS uuid
AS 'MODULE_PATHNAME', 'vecmark_url_id'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION vecmark_internal.url_id(text, integer) IS
	'identifier derived from a key (a UUID of version 8); attempt above 0 gives others, for when one is taken';

CREATE FUNCTION vecmark_internal.url_host(url_key text) RETURNS text
AS 'MODULE_PATHNAME', 'vecmark_url_host'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 2;

COMMENT ON FUNCTION vecmark_internal.url_host(text) IS
	'host name in a key, without user name and port; null when it has none';

CREATE FUNCTION vecmark.url_rules() RETURNS integer
AS 'MODULE_PATHNAME', 'vecmark_url_rules'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1;

COMMENT ON FUNCTION vecmark.url_rules() IS
	'number of the rule set of vecmark.url_key; a bookmarks table remembers the one it was made with';
