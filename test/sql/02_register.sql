-- Groups and peers: created, changed, dropped; and everything that is refused.

\pset format unaligned

SELECT failover_create_group('g');
SELECT * FROM try($$SELECT failover_create_group('g')$$);
SELECT * FROM try($$SELECT failover_create_group('s', kind => 'service')$$);
SELECT * FROM try($$SELECT failover_create_group('s', kind => 'Streaming')$$);

-- names
SELECT * FROM try($$SELECT failover_create_group(NULL)$$);
SELECT * FROM try($$SELECT failover_create_group('')$$);
SELECT * FROM try($$SELECT failover_create_group(repeat('x', 64))$$);
SELECT * FROM try($$SELECT failover_create_group(repeat('é', 32))$$);
SELECT * FROM try($$SELECT failover_create_group(E'a\nb')$$);
SELECT * FROM try($$SELECT failover_create_group(E'a\u0085b')$$);
SELECT * FROM try($$SELECT failover_create_group('g', NULL)$$);
SELECT failover_create_group(repeat('x', 63));
SELECT failover_create_group('Ünï "quoted" ''g''; --');
SELECT group_name, kind, created_by = current_user AS by_us FROM failover_group ORDER BY 1;
SELECT failover_drop_group(repeat('x', 63));
SELECT failover_drop_group('Ünï "quoted" ''g''; --');
-- a name that is too long is not cut to one that exists
SELECT failover_create_group(repeat('y', 63));
SELECT * FROM try($$SELECT failover_drop_group(repeat('y', 64))$$);
SELECT failover_drop_group(repeat('y', 63));

-- peers; port 1 of this host refuses connections
SELECT failover_register('g', 'a', 'host=127.0.0.1 port=1');
SELECT failover_register('g', 'b', 'port=1 host=127.0.0.1 user=failover dbname=postgres', 50, 2, 'east', false);
SELECT failover_register(group_name => 'new', peer_name => 'a', conninfo => 'postgresql://failover@127.0.0.1:4/postgres');
SELECT group_name, peer_name, conninfo, priority, weight, zone, promotable FROM failover_peers ORDER BY 1, 2;
SELECT failover_register('g', 'twin', 'host=127.0.0.1 port=1');
SELECT failover_unregister('g', 'twin');

SELECT * FROM try($$SELECT failover_register('g', 'a', 'host=127.0.0.1 port=2')$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', NULL)$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', '')$$);
-- the hint has what this libpq knows, which is more with each version
SELECT state, message, hint ~ 'Allowed keywords: host, hostaddr, port, .*, target_session_attrs' AS has_keywords, hint ~ 'password|service' AS has_secrets
FROM try($$SELECT failover_register('g', 'c', 'nonsense')$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', 'port=5432')$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', 'host=127.0.0.1 port=99999')$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', 'host=a,b')$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', 'host=127.0.0.1', priority => -1)$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', 'host=127.0.0.1', priority => NULL)$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', 'host=127.0.0.1', weight => -2147483648)$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', 'host=127.0.0.1', zone => repeat('z', 64))$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', 'host=127.0.0.1', promotable => NULL)$$);
SELECT * FROM try($$SELECT failover_register('g', NULL, 'host=127.0.0.1')$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', 'host=127.0.0.1 application_name=' || repeat('x', 600))$$);

-- no secret is taken, and none is repeated
SELECT * FROM try($$SELECT failover_register('g', 'c', 'host=127.0.0.1 password=hushhush')$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', 'postgresql://u:hushhush@127.0.0.1/d')$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', 'host=127.0.0.1 passfile=/etc/passwd')$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', 'host=127.0.0.1 service=x')$$);
SELECT * FROM try($$SELECT failover_register('g', 'c', 'host=127.0.0.1 options=-cfoo=bar')$$);
-- a refused registration leaves nothing, not even its new group
SELECT * FROM try($$SELECT failover_register('other', 'c', 'host=127.0.0.1 password=hushhush')$$);
SELECT count(*) FROM failover_group WHERE group_name = 'other';

-- a server belongs to one group
SELECT * FROM try($$SELECT failover_register('other', 'c', 'host=127.0.0.1 port=1')$$);

-- changes
SELECT failover_alter_peer('g', 'a', priority => 10, zone => 'west', promotable => true);
SELECT failover_alter_peer('g', 'b', weight => 0, zone => '');
SELECT failover_alter_peer('g', 'b', conninfo => 'host=127.0.0.1 port=2');
SELECT failover_alter_peer('g', 'b');
SELECT failover_alter_peer('g', 'b', priority => 50);
SELECT peer_name, conninfo, priority, weight, zone, promotable FROM failover_peers WHERE group_name = 'g' ORDER BY 1;
SELECT * FROM try($$SELECT failover_alter_peer('g', 'nobody', priority => 1)$$);
SELECT * FROM try($$SELECT failover_alter_peer('nowhere', 'a', priority => 1)$$);
SELECT * FROM try($$SELECT failover_alter_peer('g', 'a', conninfo => 'host=127.0.0.1 password=hushhush')$$);
SELECT * FROM try($$SELECT failover_alter_peer('g', 'a', weight => -1)$$);

-- shared memory has room for 20 peers here
SELECT * FROM try($$SELECT failover_register('big', 'p' || i, 'host=127.0.0.1 port=' || 100 + i) FROM generate_series(1, 18) i$$);
SELECT count(*) FROM failover_peers;

-- the primary, and a group that has peers or is busy, are not dropped by accident
UPDATE failover_group_state SET primary_peer = 'a' WHERE group_name = 'new';
INSERT INTO failover_group_state (group_name, primary_peer) VALUES ('new', 'a') ON CONFLICT DO NOTHING;
SELECT * FROM try($$SELECT failover_unregister('new', 'a')$$);
SELECT * FROM try($$SELECT failover_unregister('new', 'b')$$);
SELECT * FROM try($$SELECT failover_unregister('new', 'a', NULL)$$);
INSERT INTO failover_operation (event_id, group_name, kind, trigger, status, initiated_by, started_at)
VALUES (nextval('failover_event_id'), 'new', 'failover', 'manual', 'in_progress', 'somebody', now());
SELECT state, message FROM try($$SELECT failover_unregister('new', 'a', force => true)$$);
SELECT state, message FROM try($$SELECT failover_drop_group('new', force => true)$$);
SELECT state, message FROM try($$SELECT failover_alter_peer('new', 'a', conninfo => 'host=127.0.0.1 port=3')$$);
SELECT state, message FROM try($$SELECT failover_alter_peer('new', 'a', priority => 1)$$);
DELETE FROM failover_operation WHERE group_name = 'new';
SELECT * FROM try($$SELECT failover_drop_group('new')$$);
SELECT failover_unregister('new', 'a', force => true);
SELECT primary_peer FROM failover_group_state WHERE group_name = 'new';
SELECT failover_drop_group('new');
SELECT * FROM try($$SELECT failover_drop_group('new')$$);
SELECT failover_drop_group('g', force => true);
SELECT count(*) FROM failover_peer;

-- what was done stays written down: who, what, and no secret
SELECT group_name, peer_name, kind, severity, message, detail
  FROM failover_events
 WHERE detail ->> 'user' = current_user
 ORDER BY event_id;
