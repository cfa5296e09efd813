-- What many functions refuse: read-only transactions, names that nobody knows.

\pset format unaligned
SET timezone = 'UTC';
SET datestyle = 'ISO';

SELECT failover_register('g', 'a', 'host=127.0.0.1 port=1');
SELECT failover_register('g', 'b', 'host=127.0.0.1 port=2');
SELECT failover_create_group(i::text) FROM generate_series(1, 5) i;

-- whatever acts is refused in a read-only transaction, before it has asked or written anything
BEGIN READ ONLY;
SELECT query, t.* FROM unnest(ARRAY[
	$$failover_create_group('x')$$, $$failover_drop_group('g')$$,
	$$failover_register('g', 'c', 'host=127.0.0.1')$$, $$failover_alter_peer('g', 'a', priority => 1)$$, $$failover_unregister('g', 'a')$$,
	$$failover_set('g', 'max_lag', '1MB')$$, $$failover_reset('g', 'max_lag')$$, $$failover_apply_profile('g', 'production')$$,
	$$failover_trigger('g')$$, $$failover_trigger('nowhere')$$, $$failover_switchover('g', wait => false)$$, $$failover_failback('g')$$,
	$$failover_rejoin('g', 'a')$$, $$failover_drill('g')$$,
	$$failover_schedule('g', 'drill', '2100-01-01')$$, $$failover_cancel(1)$$,
	$$failover_pause()$$, $$failover_resume()$$, $$failover_set_maintenance('g', 'a', true)$$, $$failover_acknowledge('g')$$]) AS query,
	try('SELECT ' || query) t;
SELECT group_name, peers_total FROM failover_status('g');
ROLLBACK;
SET default_transaction_read_only = on;
SELECT failover_switchover('g');
RESET default_transaction_read_only;

-- what there is instead
SELECT * FROM try($$SELECT failover_status('nowhere')$$);
SELECT * FROM try($$SELECT failover_switchover('nowhere')$$);
SELECT * FROM try($$SELECT failover_switchover('g', 'nobody')$$);
SELECT * FROM try($$SELECT failover_health('g', 'nobody')$$);
SELECT * FROM try($$SELECT failover_health(NULL, 'nobody')$$);
SELECT * FROM try($$SELECT failover_switchover('1', 'a')$$);
SELECT * FROM try($$SELECT failover_history('nowhere')$$);

-- who keeps to a lease is not told that it has left
BEGIN;
UPDATE failover_peer_state SET armed = true WHERE group_name = 'g' AND peer_name = 'a';
INSERT INTO failover_peer_state (group_name, peer_name, armed) VALUES ('g', 'a', true) ON CONFLICT DO NOTHING;
SELECT failover_unregister('g', 'b');
SAVEPOINT registered;
SELECT failover_unregister('g', 'a');
ROLLBACK TO registered;
SELECT failover_drop_group('g', true);
ROLLBACK;

-- who holds things up, since when, by whose wish; nothing is left of it when that ends
SELECT failover_pause('g', '1 day', E'upgrade of the\nnetwork');
SELECT failover_set_maintenance('g', 'a', true, NULL, 'new disk');
SELECT paused_since <= now() AS since, paused_by = session_user AS by_me, paused_reason FROM failover_group WHERE group_name = 'g';
SELECT maintenance_since <= now() AS since, maintenance_by = session_user AS by_me, maintenance_reason FROM failover_peer WHERE maintenance_until IS NOT NULL;
SELECT failover_resume('g', 'done');
SELECT failover_set_maintenance('g', 'a', false, reason => 'done');
SELECT paused_since, paused_by, paused_reason FROM failover_group WHERE group_name = 'g';
SELECT maintenance_since, maintenance_by, maintenance_reason FROM failover_peer WHERE peer_name = 'a';
BEGIN;
INSERT INTO failover_operation (event_id, group_name, kind, trigger, status, initiated_by, started_at)
VALUES (1000000017, 'g', 'switchover', 'manual', 'in_progress', 'somebody', '2026-01-31 12:00:00+00');
SELECT * FROM try($$SELECT failover_unregister('g', 'a')$$);
SELECT * FROM try($$SELECT failover_drop_group('g', true)$$);
ROLLBACK;

SELECT failover_drop_group('g', true);
SELECT failover_drop_group(i::text) FROM generate_series(1, 5) i;
