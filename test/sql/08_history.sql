-- What is remembered: operations, their steps, downtime.

\pset format unaligned

SELECT failover_register('g', 'a', 'host=127.0.0.1 port=1');
BEGIN;
INSERT INTO failover_operation (event_id, group_name, kind, trigger, from_peer, to_peer, status, reason, initiated_by, term, rule,
                                started_at, finished_at, detection_ms, total_ms, lost_bytes)
VALUES (1000001, 'g', 'failover', 'connection', 'a', 'b', 'completed', 'primary is dead', 'somebody', 1, 10, now(), now() + '2s', 40, 2000, 0),
       (1000002, 'g', 'failover', 'manual', 'b', 'a', 'failed', 'drill', 'somebody', 2, NULL, now(), now() + '6s', NULL, 6000, NULL),
       (1000003, 'gone', 'switchover', 'manual', 'x', 'y', 'completed', NULL, 'somebody', 5, NULL, now(), now(), NULL, 10, 0);
INSERT INTO failover_step (event_id, step_no, step, peer_name, status, duration_ms)
VALUES (1000001, 2, 'promote', 'b', 'done', 50), (1000001, 1, 'term', NULL, 'done', 1);

SELECT event_id, group_name, kind, trigger, from_peer, to_peer, status, total_ms FROM failover_history WHERE event_id > 1000000;
SELECT event_id, kind, status, rule, lost_bytes FROM failover_history('g', 1);
SELECT event_id FROM failover_history('g');
SELECT event_id FROM failover_history('gone', NULL);
SELECT * FROM try($$SELECT failover_history('nowhere')$$);
SELECT event_id FROM failover_history(max_rows => 2);
SELECT event_id FROM failover_history(max_rows => 0);
SELECT event_id, step_no, step, peer_name, status, duration_ms, group_name FROM failover_timeline WHERE event_id = 1000001;
SELECT group_name, peer_name, outages, total, longest, availability FROM failover_downtime WHERE peer_name IS NULL;
ROLLBACK;
SELECT * FROM try($$SELECT failover_history('g', -1)$$);
-- one that has done nothing has a history without rows; one that is gone, and did nothing, none
SELECT count(*) FROM failover_history('g');
SELECT * FROM try($$SELECT failover_history('gone')$$);
SELECT peer_name FROM failover_health(NULL, 'a');
SELECT * FROM try($$SELECT failover_health(NULL, 'nobody')$$);
SELECT * FROM try($$SELECT failover_health('g', 'nobody')$$);

-- the downtime of a peer includes the outage that goes on
BEGIN;
DELETE FROM failover_peer_state WHERE group_name = 'g';
INSERT INTO failover_peer_state (group_name, peer_name, outages, downtime, longest, down_since, observed_since)
VALUES ('g', 'a', 3, '10 min', '6 min', now() - interval '15 min', now() - interval '100 min');
SELECT outages, total, longest, availability FROM failover_downtime WHERE peer_name = 'a';
ROLLBACK;
SELECT failover_drop_group('g', true);
