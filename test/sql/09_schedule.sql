-- Operations at a time of the DBA's choice.

\pset format unaligned
SET timezone = 'UTC';
SET datestyle = 'ISO';

SELECT failover_register('g', 'a', 'host=127.0.0.1 port=1');
SELECT failover_register('g', 'b', 'host=127.0.0.1 port=2');

SELECT failover_schedule('g', 'switchover', '2100-01-01 02:00:00+00', 'b', E'new\nkernel') AS switchover \gset
SELECT failover_schedule('g', 'drill', '2099-12-31 23:59:59+00') AS drill \gset
SELECT failover_schedule('g', 'failback', '2100-01-01 03:00:00+00', reason => 'and back') AS failback \gset
SELECT group_name, operation, at, target, reason, scheduled_by = session_user AS by_me, scheduled_at <= now() AS at_known FROM failover_scheduled;
SELECT :drill < :failback AS numbered, count(*) FROM failover_history WHERE group_name = 'g';
SELECT message ~ '^switchover \d+ of group "g" scheduled for 2100-01-01 02:00:00.* by "', (detail ->> 'operation')::bigint = :switchover, detail ->> 'target', detail ->> 'reason'
  FROM failover_events WHERE kind = 'operation_scheduled' AND group_name = 'g' ORDER BY event_id LIMIT 1;

-- part of the transaction that does it
BEGIN;
SELECT failover_schedule('g', 'drill', '2100-02-01') > 0;
ROLLBACK;
SELECT count(*) FROM failover_scheduled;

-- who holds what the coordinator may have to write does not wait for the coordinator
BEGIN;
SELECT failover_unregister('g', 'b');
SELECT * FROM try($$SELECT failover_trigger('g', 'a')$$);
SELECT * FROM try($$SELECT failover_switchover('g', 'a', wait => false)$$);
SELECT * FROM try($$SELECT failover_failback('g')$$);
SELECT * FROM try($$SELECT failover_drill('g')$$);
SELECT * FROM try($$SELECT failover_rejoin('g', 'a')$$);
SELECT * FROM try(format($$SELECT failover_cancel(%s)$$, :switchover));
ROLLBACK;
SELECT peer_name FROM failover_peers WHERE group_name = 'g' ORDER BY 1;

-- nonsense changes nothing
SELECT * FROM try($$SELECT failover_schedule('nowhere', 'drill', '2100-01-01')$$);
SELECT * FROM try($$SELECT failover_schedule('g', 'switchover', '2100-01-01', 'nobody')$$);
SELECT * FROM try($$SELECT failover_schedule('g', 'failover', '2100-01-01')$$);
SELECT * FROM try($$SELECT failover_schedule('g', 'rejoin', '2100-01-01')$$);
SELECT * FROM try($$SELECT failover_schedule('g', '', '2100-01-01')$$);
SELECT * FROM try($$SELECT failover_schedule('g', 'failback', '2100-01-01', 'b')$$);
SELECT state, message ~ 'is in the past: 1999-12-31' AS past FROM try($$SELECT failover_schedule('g', 'drill', '1999-12-31 12:00')$$);
SELECT state FROM try($$SELECT failover_schedule('g', 'drill', clock_timestamp())$$);
SELECT * FROM try($$SELECT failover_schedule('g', 'drill', 'infinity')$$);
SELECT * FROM try($$SELECT failover_schedule('g', 'drill', '-infinity')$$);
SELECT * FROM try($$SELECT failover_schedule(NULL, 'drill', '2100-01-01')$$);
SELECT * FROM try($$SELECT failover_schedule('g', NULL, '2100-01-01')$$);
SELECT * FROM try($$SELECT failover_schedule('g', 'drill', NULL)$$);
SELECT count(*) FROM failover_scheduled;

-- called off, once
SELECT failover_cancel(:drill, 'no time');
SET client_min_messages = warning;	-- it says "drill 99 has ended", and numbers change
SELECT failover_cancel(:drill) AS twice;
RESET client_min_messages;
SELECT kind, trigger, status, reason, target, initiated_by = session_user AS by_me, regexp_replace(error, 'by ".*"', 'by "me"') AS error, total_ms
  FROM failover_history WHERE event_id = :drill;
SELECT operation FROM failover_scheduled;
SELECT failover_cancel(0);
SELECT failover_cancel(-1);
SELECT failover_cancel(9223372036854775807);
SELECT * FROM try($$SELECT failover_cancel(NULL)$$);

-- names that need care
SELECT failover_register('Ünï "group"', 'pé''er', 'host=127.0.0.1 port=3');
SELECT failover_schedule('Ünï "group"', 'switchover', '2100-01-01', 'pé''er', 'why "not"? ''so''') AS odd \gset
SELECT group_name, target, reason FROM failover_scheduled WHERE event_id = :odd;
SELECT failover_cancel(:odd, 'ça va');
SELECT group_name, target, reason, status, regexp_replace(error, 'by ".*"', 'by "me"') AS error FROM failover_history WHERE event_id = :odd;
SELECT failover_drop_group('Ünï "group"', true);

-- who may
CREATE ROLE regress_failover_user;
CREATE ROLE regress_failover_monitor IN ROLE pg_monitor;
CREATE ROLE regress_failover_planner;
GRANT EXECUTE ON FUNCTION failover_schedule(text, text, timestamptz, text, text), failover_cancel(bigint, text) TO regress_failover_planner;
SET ROLE regress_failover_user;
SELECT state, message FROM try($$SELECT failover_schedule('g', 'drill', '2100-01-01')$$);
SELECT state, message FROM try($$SELECT failover_cancel(1)$$);
SELECT state, message FROM try($$SELECT failover_drill('g')$$);
SELECT state, message FROM try($$SELECT * FROM failover_scheduled$$);
SET ROLE regress_failover_monitor;
SELECT count(*) FROM failover_scheduled;
SELECT state, message FROM try($$SELECT failover_schedule('g', 'drill', '2100-01-01')$$);
SELECT state, message FROM try($$SELECT * FROM failover_planned$$);
RESET ROLE;
SET SESSION AUTHORIZATION regress_failover_planner;
SELECT failover_schedule('g', 'drill', '2100-01-01') AS planned \gset
SELECT failover_cancel(:planned);
RESET SESSION AUTHORIZATION;
SELECT initiated_by, error FROM failover_history WHERE event_id = :planned;
DROP OWNED BY regress_failover_planner;
DROP ROLE regress_failover_user, regress_failover_monitor, regress_failover_planner;

-- a drill of what cannot do one
SELECT * FROM try($$SELECT failover_drill('nowhere')$$);
SELECT * FROM try($$SELECT failover_drill(NULL)$$);
SELECT * FROM try($$SELECT failover_drill('g', wait => NULL)$$);
SELECT state FROM try($$SELECT failover_drill('g')$$);

-- what is scheduled goes with its group, and history says so
SELECT failover_drop_group('g', true);
SELECT count(*) FROM failover_scheduled;
SELECT kind, status, error FROM failover_history WHERE event_id IN (:switchover, :failback) ORDER BY event_id;
