-- schema.sql: what each server of the partition test has.
CREATE EXTENSION vecmark;
CREATE EXTENSION dblink;

CREATE TABLE folders (id uuid PRIMARY KEY, name text);
CREATE TABLE people (id uuid PRIMARY KEY, name text);
CREATE TABLE notes (id uuid PRIMARY KEY, folder uuid NOT NULL REFERENCES folders ON DELETE CASCADE,
	lead uuid REFERENCES people ON DELETE SET NULL, body text, n bigint NOT NULL DEFAULT 0, tags text[] NOT NULL DEFAULT '{}');
CREATE INDEX ON notes (folder);
CREATE INDEX ON notes (lead);

SELECT vecmark.track('folders'), vecmark.track('people'), vecmark.track('notes', '{"counters": ["n"], "sets": ["tags"]}');
SELECT vecmark.build_digest(t) FROM unnest('{folders,people,notes}'::regclass[]) AS t;
SELECT vecmark.create_outbox('changes');
