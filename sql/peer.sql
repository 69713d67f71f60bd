-- Peers that are reached over a connection: what is on record, and what is refused.  test/t/031 exchanges.
\set SHOW_CONTEXT never
CREATE TABLE held (id integer PRIMARY KEY, v text);
SELECT vecmark.track('held'), vecmark.build_digest('held');
INSERT INTO held SELECT g, 'v' FROM generate_series(1, 10) AS g;
SELECT vecmark.add_peer('edge', 'no_server');
SELECT vecmark.add_peer(NULL, 'no_server') IS NULL AS nothing;
SELECT vecmark_internal.register_peer(NULL, 'no_server');
CALL vecmark.pull('edge');
CALL vecmark.push('edge');
CALL vecmark.sync('edge');
CALL vecmark.sync('edge', repair => 'both');
CALL vecmark.sync('edge', repair => NULL);
SELECT vecmark.drop_peer('edge');
SELECT * FROM vecmark.connected_peers;
SELECT * FROM vecmark.alarms;
SELECT ok, detail FROM vecmark.health WHERE part = 'alarms';
SELECT vecmark_internal.raise_alarm('edge', 'held', '{"leaves": 1}');
SELECT vecmark_internal.raise_alarm('edge', 'held', '{"leaves": 2}');
SELECT peer, rel, times, detail FROM vecmark.alarms;
SELECT ok FROM vecmark.health WHERE part = 'alarms';
SELECT vecmark.clear_alarms();
SELECT vecmark.clear_alarms();

CALL vecmark.pull(NULL);
CALL vecmark.pull('edge', max_bytes => NULL);
CALL vecmark.push('edge', most_deleted => NULL);
CALL vecmark.sync(NULL);
CALL vecmark.rejoin('edge', most_deleted => NULL);
SELECT vecmark_internal.register_peer(repeat('x', 56), NULL);
SELECT vecmark_internal.register_peer('edge', 'no_server');

-- within a transaction nothing can be committed on the way
BEGIN;
CALL vecmark.pull('edge');
ROLLBACK;

-- what a delta deletes here
SELECT d AS row FROM vecmark.changes('{}', '{held}') AS d \gset
DELETE FROM held WHERE id <= 3;
SELECT d AS dead FROM vecmark.changes('{}', '{held}') AS d \gset
SELECT count(*) FROM vecmark_internal.deletes(:'row');
SELECT count(*) FROM vecmark_internal.deletes(:'dead');
SELECT m.status, m.applied, m.parked, m.deleted FROM vecmark_internal.guarded_merge(:'dead', 'strict', 0.2) AS m;
SELECT vecmark_internal.deletes(NULL);
SELECT vecmark_internal.guarded_merge(:'dead', 'nonsense', 0.2);
SELECT vecmark_internal.guarded_merge(:'dead', NULL, 0.2);
SELECT vecmark_internal.guarded_merge(:'dead', 'strict', NULL);
SELECT vecmark_internal.guarded_merge(NULL, 'strict', 0.2);
SELECT vecmark.untrack('held');
DROP TABLE held;
