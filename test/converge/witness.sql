-- witness.sql: the same published tables, without any rule that could keep a row from being shown.
CREATE TABLE p (id integer PRIMARY KEY, v text, w text, b text, big text, n bigint, m bigint, tags text[]);
CREATE TABLE c (id integer, sub text, pid integer, v text, n bigint, tags text[], PRIMARY KEY (id, sub));
CREATE TABLE d (id bigint PRIMARY KEY, pid integer, v text, n bigint);
CREATE TABLE e (id integer PRIMARY KEY, pid integer, v text);
CREATE TABLE q (id text PRIMARY KEY, u integer, v text, n bigint, m bigint, tags text[]);
CREATE TABLE t (id integer PRIMARY KEY, n bigint, v text);
SELECT vecmark.track('p', '{"name": "a.p", "counters": ["n", "m"], "sets": ["tags"]}');
SELECT vecmark.track('c', '{"counters": ["n"], "sets": ["tags"]}');
SELECT vecmark.track('d', '{"counters": ["n"]}');
SELECT vecmark.track('e');
SELECT vecmark.track('q', '{"counters": ["n", "m"], "sets": ["tags"]}');
SELECT vecmark.track('t', '{"counters": ["n"]}');
