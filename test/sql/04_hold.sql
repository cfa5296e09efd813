-- Pause, maintenance, acknowledgement: configuration that tells the coordinator to hold.

\pset format unaligned

SELECT failover_pause();
SELECT failover_register('g', 'a', 'host=127.0.0.1 port=1');
SELECT failover_create_group('h');

SELECT failover_pause('g', reason => E'upgrade of the network\nby night');
SELECT group_name, paused_until FROM failover_group ORDER BY 1;
SELECT paused_until FROM failover_status('g');
SELECT failover_pause('g', '1 hour');
SELECT group_name, paused_until BETWEEN now() + '59min' AND now() + '61min' AS for_an_hour FROM failover_group ORDER BY 1;
SELECT failover_resume('g', 'done');
SELECT failover_resume('g');
SELECT failover_pause(duration => '2 days');
SELECT count(*) FROM failover_group WHERE paused_until > now();
SELECT failover_resume();
SELECT count(*) FROM failover_group WHERE paused_until IS NOT NULL;
-- a pause that has run out is none
UPDATE failover_group SET paused_until = now() - interval '1s' WHERE group_name = 'h';
SELECT failover_resume('h');

SELECT * FROM try($$SELECT failover_pause('nowhere')$$);
SELECT * FROM try($$SELECT failover_resume('nowhere')$$);
SELECT * FROM try($$SELECT failover_pause('g', '0')$$);
SELECT * FROM try($$SELECT failover_pause('g', '-1 day')$$);
SELECT * FROM try($$SELECT failover_pause('g', '1 month -60 days')$$);
SELECT * FROM try($$SELECT failover_pause('g', '178000000 years')$$);

SELECT failover_set_maintenance('g', 'a', true);
SELECT peer_name, maintenance_until FROM failover_peers;
SELECT failover_set_maintenance('g', 'a', true, '30 min', 'new disk');
SELECT maintenance_until BETWEEN now() + '29min' AND now() + '31min' AS for_half_an_hour FROM failover_peers;
SELECT failover_set_maintenance('g', 'a', false);
SELECT failover_set_maintenance('g', 'a', false);
SELECT peer_name, maintenance_until FROM failover_peers;
SELECT * FROM try($$SELECT failover_set_maintenance('g', 'nobody', true)$$);
SELECT * FROM try($$SELECT failover_set_maintenance('nowhere', 'a', true)$$);
SELECT * FROM try($$SELECT failover_set_maintenance('g', 'a', NULL)$$);
SELECT * FROM try($$SELECT failover_set_maintenance('g', 'a', true, '-1s')$$);
SELECT * FROM try($$SELECT failover_set_maintenance('g', 'a', false, '1s')$$);

SELECT failover_acknowledge('g', 'seen');
SELECT acknowledged_at BETWEEN now() - interval '1min' AND clock_timestamp() AS just_now FROM failover_group WHERE group_name = 'g';
SELECT * FROM try($$SELECT failover_acknowledge('nowhere')$$);
SELECT * FROM try($$SELECT failover_acknowledge(NULL)$$);

SELECT group_name, peer_name, kind, regexp_replace(message, 'until .* by', 'until ... by') AS message, detail ->> 'reason' AS reason
  FROM failover_events
 WHERE kind IN ('paused', 'resumed', 'maintenance_begun', 'maintenance_ended', 'acknowledged')
 ORDER BY event_id;

SELECT failover_drop_group('g', true);
SELECT failover_drop_group('h');
