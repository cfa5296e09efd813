-- Who may do what.

\pset format unaligned

CREATE ROLE regress_failover_user;
CREATE ROLE regress_failover_monitor IN ROLE pg_monitor;
CREATE ROLE regress_failover_operator;
SELECT failover_register('g', 'a', 'host=127.0.0.1 port=1');
SELECT failover_set('g', 'webhook_secret', 'hushhush');

-- a user without privileges reads nothing and does nothing
SET ROLE regress_failover_user;
SELECT state, message FROM try($$SELECT * FROM failover_status()$$);
SELECT state, message FROM try($$SELECT * FROM failover_history$$);
SELECT state, message FROM try($$SELECT * FROM failover_history()$$);
SELECT state, message FROM try($$SELECT * FROM failover_peers$$);
SELECT state, message FROM try($$SELECT * FROM failover_setting$$);
SELECT state, message FROM try($$SELECT failover_create_group('x')$$);
SELECT state, message FROM try($$SELECT failover_register('g', 'x', 'host=127.0.0.1')$$);
SELECT state, message FROM try($$SELECT failover_trigger('g')$$);
SELECT state, message FROM try($$SELECT failover_pause('g')$$);
SELECT state, message FROM try($$SELECT failover_wake()$$);
SELECT state, message FROM try($$INSERT INTO failover_group (group_name) VALUES ('x')$$);
RESET ROLE;

-- a monitor reads all there is to see, in any schema search order, and no secret
SET ROLE regress_failover_monitor;
SELECT group_name FROM failover_status();
SELECT group_name, peer_name FROM failover_health();
SELECT group_name, peer_name, conninfo FROM failover_peers;
SELECT setting FROM failover_settings WHERE name = 'webhook_secret';
SELECT count(*) FROM failover_history();
SELECT count(*) FROM failover_timeline;
SELECT count(*) > 0 AS has_events, count(*) FILTER (WHERE detail::text ~ 'hushhush' OR message ~ 'hushhush') AS secrets FROM failover_events;
SELECT count(*) > 0 AS has_metrics FROM failover_metrics();
SELECT state, message FROM try($$SELECT * FROM failover_setting$$);
SELECT state, message FROM try($$SELECT failover_pause('g')$$);
SELECT state, message FROM try($$SELECT failover_acknowledge('g')$$);
RESET ROLE;

-- acting is granted function by function, and is written down with the session user
GRANT EXECUTE ON FUNCTION failover_pause(text, interval, text) TO regress_failover_operator;
SET SESSION AUTHORIZATION regress_failover_operator;
SELECT failover_pause('g', reason => 'because I may');
SELECT state, message FROM try($$SELECT failover_resume('g')$$);
SELECT state, message FROM try($$SELECT * FROM failover_group$$);
RESET SESSION AUTHORIZATION;
SELECT message, detail FROM failover_events WHERE kind = 'paused' ORDER BY event_id DESC LIMIT 1;

-- what runs with the owner's rights is not led astray by the caller's objects
CREATE SCHEMA regress_trap;
CREATE FUNCTION regress_trap.trap(name, name) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped as %', current_user; END $$;
CREATE OPERATOR regress_trap.= (LEFTARG = name, RIGHTARG = name, PROCEDURE = regress_trap.trap);
CREATE TABLE regress_trap.failover_group (group_name name);
SET search_path = regress_trap, public, pg_catalog;
SELECT public.failover_resume('g');
SELECT group_name FROM public.failover_status('g');
RESET search_path;

SET client_min_messages = warning;
DROP SCHEMA regress_trap CASCADE;
RESET client_min_messages;
SELECT failover_drop_group('g', true);
DROP OWNED BY regress_failover_operator;
DROP ROLE regress_failover_user, regress_failover_monitor, regress_failover_operator;

-- the script for peers works on this server, and once more
BEGIN;
SELECT line FROM failover_peer_grants(150000) AS line;
SELECT count(*) FROM failover_peer_grants(150000), LATERAL try(failover_peer_grants) WHERE failover_peer_grants !~ '^--' AND state <> '00000';
SELECT rolcanlogin, rolreplication, rolsuper FROM pg_roles WHERE rolname = 'failover';
SET client_min_messages = warning;	-- it says what was granted before
SELECT count(*) FROM failover_peer_grants(150000), LATERAL try(failover_peer_grants) WHERE failover_peer_grants !~ '^--' AND state <> '00000';
RESET client_min_messages;
ROLLBACK;
SELECT line FROM failover_peer_grants(170000) AS line EXCEPT SELECT failover_peer_grants() ORDER BY 1;
SELECT * FROM try($$SELECT failover_peer_grants(14)$$);
SELECT * FROM try($$SELECT failover_peer_grants(NULL)$$);
SELECT * FROM try($$SELECT failover_peer_grants(2147483647)$$);
