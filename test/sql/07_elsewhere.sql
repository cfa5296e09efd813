-- The extension in a database that has no coordinator: configuration can be
-- written and read, what is not known is said to be unknown.

\pset format unaligned

CREATE DATABASE regress_failover_elsewhere;
\c regress_failover_elsewhere
CREATE SCHEMA ha;
CREATE EXTENSION failover SCHEMA ha;
SELECT ha.failover_register('g', 'a', 'host=127.0.0.1 port=1', zone => 'east');
SELECT ha.failover_register('g', 'b', 'host=127.0.0.1 port=2', priority => 5);
SELECT ha.failover_create_group('h');
SELECT ha.failover_pause('h');

\x
SELECT * FROM ha.failover_status();
SELECT * FROM ha.failover_health('g', 'b');
\x
SELECT * FROM ha.failover_redundancy();
SELECT * FROM ha.failover_candidates('g');
SELECT verdict, reason, candidate, jsonb_typeof(evidence) AS evidence FROM ha.failover_evaluate('g');
SELECT name, labels, value FROM ha.failover_metrics('g');
SELECT group_name, peer_name, outages, total, longest, availability, down_since FROM ha.failover_downtime ORDER BY 1, 2;
SELECT * FROM ha.failover_history();

-- acting needs a coordinator; what does not exist is said first
SELECT ha.failover_trigger('nowhere');
SELECT ha.failover_trigger('g', 'nobody');
SELECT ha.failover_trigger('g');
SELECT ha.failover_trigger('g', wait => false);
SELECT ha.failover_cancel(1);
SELECT ha.failover_status('nowhere');
SELECT ha.failover_health('g', 'nobody');
SELECT ha.failover_evaluate('nowhere');
SELECT ha.failover_candidates(NULL);

DROP EXTENSION failover;
SELECT count(*) FROM pg_proc WHERE proname LIKE 'failover%';
\c contrib_regression
DROP DATABASE regress_failover_elsewhere WITH (FORCE);
