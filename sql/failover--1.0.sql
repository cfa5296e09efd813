/* failover--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION failover" to load this file. \quit

----------------------------------------------------------------------
-- Configuration: written by DBAs through functions, read by the worker.
----------------------------------------------------------------------

CREATE TABLE failover_group (
    group_name        name PRIMARY KEY CHECK (group_name <> ''),
    kind              text NOT NULL DEFAULT 'streaming' CHECK (kind IN ('streaming', 'service')),
    preferred_primary name,
    paused_until      timestamptz,
    paused_since      timestamptz,
    paused_by         name,
    paused_reason     text,
    acknowledged_at   timestamptz,
    created_at        timestamptz NOT NULL DEFAULT pg_catalog.now(),
    created_by        name NOT NULL DEFAULT SESSION_USER
);
COMMENT ON TABLE failover_group IS 'groups of peers, and what DBAs have asked of them';
COMMENT ON COLUMN failover_group.preferred_primary IS 'peer that failback returns to; NULL: the promotable peer with the lowest priority number';
COMMENT ON COLUMN failover_group.paused_until IS 'observe only until then; infinity: until resumed';
COMMENT ON COLUMN failover_group.paused_since IS 'when that was asked for, by whom and why: whoever is refused is told';
COMMENT ON COLUMN failover_group.acknowledged_at IS 'block periods begun before this moment are over';

CREATE TABLE failover_peer (
    group_name        name NOT NULL REFERENCES failover_group ON DELETE CASCADE,
    peer_name         name NOT NULL CHECK (peer_name <> ''),
    conninfo          text,
    priority          integer NOT NULL DEFAULT 100,
    weight            integer NOT NULL DEFAULT 1 CHECK (weight >= 0),
    zone              name,
    promotable        boolean NOT NULL DEFAULT true,
    maintenance_until timestamptz,
    maintenance_since timestamptz,
    maintenance_by    name,
    maintenance_reason text,
    registered_at     timestamptz NOT NULL DEFAULT pg_catalog.now(),
    registered_by     name NOT NULL DEFAULT SESSION_USER,
    PRIMARY KEY (group_name, peer_name)
);
COMMENT ON TABLE failover_peer IS 'servers under watch';
COMMENT ON COLUMN failover_peer.conninfo IS 'how to reach it, without any secret; NULL: its health is reported from outside';
COMMENT ON COLUMN failover_peer.maintenance_until IS 'no alert and no candidate until then; infinity: until ended';
COMMENT ON COLUMN failover_peer.maintenance_since IS 'when that was asked for, by whom and why: whoever is refused is told';

CREATE TABLE failover_setting (
    group_name        name NOT NULL REFERENCES failover_group ON DELETE CASCADE,
    name              text NOT NULL,
    value             text NOT NULL,
    set_at            timestamptz NOT NULL DEFAULT pg_catalog.now(),
    set_by            name NOT NULL DEFAULT SESSION_USER,
    PRIMARY KEY (group_name, name)
);
COMMENT ON TABLE failover_setting IS 'settings of groups that differ from their defaults';

CREATE SEQUENCE failover_event_id AS bigint;
COMMENT ON SEQUENCE failover_event_id IS 'numbers operations and events alike';

CREATE TABLE failover_planned (
    event_id          bigint PRIMARY KEY,
    group_name        name NOT NULL REFERENCES failover_group ON DELETE CASCADE,
    operation         text NOT NULL CHECK (operation IN ('switchover', 'failback', 'drill')),
    at                timestamptz NOT NULL,
    target            name,
    reason            text,
    scheduled_by      name NOT NULL,
    scheduled_at      timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE failover_planned IS 'operations that are to begin at some time; the coordinator deletes what has begun or never will';
COMMENT ON COLUMN failover_planned.event_id IS 'number that the operation will have in failover_history';

----------------------------------------------------------------------
-- State: written by the coordinator worker only.
----------------------------------------------------------------------

CREATE TABLE failover_identity (
    is_only           boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    name              text NOT NULL,
    place             text NOT NULL,
    copied            boolean NOT NULL
);
COMMENT ON TABLE failover_identity IS 'which coordinator this is; in no dump, so that a restored one is another';
COMMENT ON COLUMN failover_identity.place IS 'server that the name was made on: in another place it is another coordinator';
COMMENT ON COLUMN failover_identity.copied IS 'WAL or a backup was taken of this server, or it is a copy itself: another coordinator may have taken over while it was away';

CREATE TABLE failover_group_state (
    group_name        name PRIMARY KEY REFERENCES failover_group ON DELETE CASCADE,
    term              bigint NOT NULL DEFAULT 0,
    primary_peer      name,
    system_identifier numeric(20),
    blocked_until     timestamptz,
    blocked_since     timestamptz,
    recent_failovers  integer NOT NULL DEFAULT 0,
    last_failover_at  timestamptz,
    redundancy_restored boolean NOT NULL DEFAULT true,
    sync_names        text,
    sync_before       text,
    primary_pending   boolean NOT NULL DEFAULT false,
    newest_timeline   bigint NOT NULL DEFAULT 0,
    failback_rests    name
);
COMMENT ON TABLE failover_group_state IS 'who is the primary of each group, in which term';
COMMENT ON COLUMN failover_group_state.sync_names IS 'synchronous_standby_names that the primary was last told to have; NULL: the group does not manage it';
COMMENT ON COLUMN failover_group_state.sync_before IS 'what it had before, until everything acknowledged under that is on the new standbys too; then the same as sync_names';
COMMENT ON COLUMN failover_group_state.primary_pending IS 'the recorded primary was ordered to be one, or to stop being one, and has not been seen out of recovery since';
COMMENT ON COLUMN failover_group_state.newest_timeline IS 'highest timeline that any promotion was ordered to begin';
COMMENT ON COLUMN failover_group_state.failback_rests IS 'the preferred peer that a person has moved the primary past: no automatic failback to it; NULL: none';

CREATE TABLE failover_peer_state (
    group_name        name NOT NULL,
    peer_name         name NOT NULL,
    follow_conninfo   text,
    slot_name         text,
    receiving         boolean NOT NULL DEFAULT false,
    followed          name,
    told_to_follow    name,
    frozen            boolean NOT NULL DEFAULT false,
    sync_reset_due    boolean NOT NULL DEFAULT false,
    armed             boolean NOT NULL DEFAULT false,
    lease_version     bigint NOT NULL DEFAULT 0,
    lease_time        interval NOT NULL DEFAULT '0',
    renewers          text[] NOT NULL DEFAULT '{}',
    lease_time_before interval NOT NULL DEFAULT '0',
    renewers_before   text[] DEFAULT '{}',
    fenced_at         timestamptz,
    fence_saved       jsonb,
    outages           bigint NOT NULL DEFAULT 0,
    downtime          interval NOT NULL DEFAULT '0',
    longest           interval NOT NULL DEFAULT '0',
    down_since        timestamptz,
    observed_since    timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (group_name, peer_name),
    FOREIGN KEY (group_name, peer_name) REFERENCES failover_peer ON DELETE CASCADE
);
COMMENT ON TABLE failover_peer_state IS 'what must be remembered of each peer across restarts of the coordinator';
COMMENT ON COLUMN failover_peer_state.follow_conninfo IS 'the peer''s own primary_conninfo without host, port and password: the template for repointing it';
COMMENT ON COLUMN failover_peer_state.followed IS 'the primary that it was last seen to receive from, or its own name if it was that primary; NULL: it was never seen as one of the group';
COMMENT ON COLUMN failover_peer_state.told_to_follow IS 'the primary that an operation pointed it at, until it is seen to receive from that';
COMMENT ON COLUMN failover_peer_state.frozen IS 'a failover stopped its walreceiver, and has not pointed it at a primary since';
COMMENT ON COLUMN failover_peer_state.sync_reset_due IS 'sync_mode was switched off: a synchronous_standby_names that the coordinator had set there is to go';
COMMENT ON COLUMN failover_peer_state.armed IS 'by its last answer it commits by lease only';
COMMENT ON COLUMN failover_peer_state.lease_version IS 'number of the lease time and list of standbys that it was told last';
COMMENT ON COLUMN failover_peer_state.lease_time IS 'for how long a grant, or a renewal by standbys, keeps its lease; 0: it was told nothing of leases';
COMMENT ON COLUMN failover_peer_state.renewers IS 'the standbys that renew its lease while the coordinator is silent, by application_name';
COMMENT ON COLUMN failover_peer_state.lease_time_before IS 'the lease time that it may know instead; 0: it has taken the present one';
COMMENT ON COLUMN failover_peer_state.renewers_before IS 'the standbys that may renew its lease instead; null: not known, any of them';
COMMENT ON COLUMN failover_peer_state.fence_saved IS 'settings that the fence replaced, put back when the peer is a standby again';

CREATE TABLE failover_operation (
    event_id          bigint PRIMARY KEY,
    group_name        name NOT NULL,
    kind              text NOT NULL CHECK (kind IN ('failover', 'switchover', 'failback', 'rejoin', 'drill')),
    trigger           text NOT NULL CHECK (trigger IN ('health_check', 'connection', 'performance', 'timeout', 'cascade', 'manual', 'scheduled')),
    from_peer         name,
    to_peer           name,
    status            text NOT NULL CHECK (status IN ('in_progress', 'completed', 'failed', 'cancelled')),
    reason            text,
    initiated_by      name NOT NULL,
    term              bigint,
    rule              integer,
    forced            boolean NOT NULL DEFAULT false,
    target            name,
    snapshot          jsonb,
    started_at        timestamptz NOT NULL,
    finished_at       timestamptz,
    detection_ms      double precision,
    decision_ms       double precision,
    fence_ms          double precision,
    promote_ms        double precision,
    repoint_ms        double precision,
    total_ms          double precision,
    lost_bytes        bigint,
    attempts          integer NOT NULL DEFAULT 1,
    error             text
);
CREATE INDEX failover_operation_group_idx ON failover_operation (group_name, event_id);
CREATE UNIQUE INDEX failover_operation_running_idx ON failover_operation (group_name) WHERE status = 'in_progress';
COMMENT ON INDEX failover_operation_group_idx IS 'the operations of one group, the latest first';
COMMENT ON INDEX failover_operation_running_idx IS 'one operation at a time in each group';
COMMENT ON TABLE failover_operation IS 'every failover and other operation, running and ended';

CREATE TABLE failover_step (
    event_id          bigint NOT NULL REFERENCES failover_operation ON DELETE CASCADE,
    step_no           integer NOT NULL,
    step              text NOT NULL,
    peer_name         name,
    status            text NOT NULL CHECK (status IN ('pending', 'running', 'done', 'failed', 'skipped')),
    started_at        timestamptz,
    finished_at       timestamptz,
    duration_ms       double precision,
    detail            text,
    PRIMARY KEY (event_id, step_no)
);
COMMENT ON TABLE failover_step IS 'the steps of operations: intent committed before, outcome after';

CREATE TABLE failover_event (
    event_id          bigint PRIMARY KEY,
    at                timestamptz NOT NULL,
    group_name        name,
    peer_name         name,
    kind              text NOT NULL,
    severity          text NOT NULL CHECK (severity IN ('debug', 'info', 'notice', 'warning', 'error')),
    message           text NOT NULL,
    detail            jsonb
);
CREATE INDEX failover_event_group_idx ON failover_event (group_name, event_id);
CREATE INDEX failover_event_at_idx ON failover_event (at);
COMMENT ON INDEX failover_event_group_idx IS 'the events of one group, the latest first';
COMMENT ON INDEX failover_event_at_idx IS 'events that are old enough to be deleted';
COMMENT ON TABLE failover_event IS 'everything that happened, in the order in which it was written down';

----------------------------------------------------------------------
-- Registering.  These functions write the tables of the owner of the
-- extension, whoever was granted them: hence SECURITY DEFINER, and the
-- search_path that goes with it.
----------------------------------------------------------------------

CREATE FUNCTION failover_create_group(group_name text, kind text DEFAULT 'streaming')
RETURNS void
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_create_group';
COMMENT ON FUNCTION failover_create_group(text, text) IS 'creates a group of peers';

CREATE FUNCTION failover_drop_group(group_name text, force boolean DEFAULT false)
RETURNS void
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_drop_group';
COMMENT ON FUNCTION failover_drop_group(text, boolean) IS 'drops a group; with force also one that has peers; its history stays';

CREATE FUNCTION failover_register(
    group_name text, peer_name text, conninfo text, priority integer DEFAULT 100, weight integer DEFAULT 1,
    zone text DEFAULT NULL, promotable boolean DEFAULT true)
RETURNS void
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_register';
COMMENT ON FUNCTION failover_register(text, text, text, integer, integer, text, boolean) IS 'puts a server under watch; the group is created if it does not exist';

CREATE FUNCTION failover_unregister(group_name text, peer_name text, force boolean DEFAULT false)
RETURNS void
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_unregister';
COMMENT ON FUNCTION failover_unregister(text, text, boolean) IS 'ends the watch over a server; with force also over the current primary';

CREATE FUNCTION failover_alter_peer(
    group_name text, peer_name text, conninfo text DEFAULT NULL, priority integer DEFAULT NULL,
    weight integer DEFAULT NULL, zone text DEFAULT NULL, promotable boolean DEFAULT NULL)
RETURNS void
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_alter_peer';
COMMENT ON FUNCTION failover_alter_peer(text, text, text, integer, integer, text, boolean) IS 'changes the registration of a peer; NULL leaves as is';

CREATE FUNCTION failover_set(group_name text, name text, value text)
RETURNS void
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_set';
COMMENT ON FUNCTION failover_set(text, text, text) IS 'sets one setting of a group';

CREATE FUNCTION failover_reset(group_name text, name text)
RETURNS void
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_reset';
COMMENT ON FUNCTION failover_reset(text, text) IS 'returns one setting of a group to its default';

CREATE FUNCTION failover_apply_profile(group_name text, profile text)
RETURNS void
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_apply_profile';
COMMENT ON FUNCTION failover_apply_profile(text, text) IS 'sets a named set of settings of a group: development, production or aggressive';

CREATE FUNCTION failover_peer_grants(server_version_num integer DEFAULT 150000)
RETURNS SETOF text
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'failover_peer_grants';
COMMENT ON FUNCTION failover_peer_grants(integer) IS 'the script that gives the coordinator''s role on a peer the least privileges it needs';

CREATE FUNCTION failover_setting_definitions(
    OUT name text, OUT unit text, OUT default_setting text, OUT min_value text, OUT max_value text,
    OUT description text)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'failover_setting_definitions';
COMMENT ON FUNCTION failover_setting_definitions() IS 'the settings that every group has';

CREATE FUNCTION failover_show_setting(name text, value text)
RETURNS text
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'failover_show_setting';
COMMENT ON FUNCTION failover_show_setting(text, text) IS 'a stored value as failover_settings shows it: in its unit, and no secret';

----------------------------------------------------------------------
-- Watching.  What the coordinator knows is read from shared memory; SECURITY
-- DEFINER serves the moments in which the tables must be asked, before the
-- coordinator has published them.
----------------------------------------------------------------------

CREATE FUNCTION failover_status(group_name text DEFAULT NULL)
RETURNS TABLE (
    group_name text, kind text, state text, primary_peer text, preferred_primary text, term bigint,
    peers_total integer, peers_healthy integer, standbys_healthy integer, redundancy text,
    degraded boolean, degraded_reasons text[], failover_possible boolean, candidate text,
    blocked_by text, paused_until timestamptz, last_failover_at timestamptz,
    since_last_failover interval, current_event bigint, current_step text, fencing text,
    blocked_until timestamptz, coordinator text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10
AS 'MODULE_PATHNAME', 'failover_status';
COMMENT ON FUNCTION failover_status(text) IS 'the state of each group, one row a group';

CREATE FUNCTION failover_health(group_name text DEFAULT NULL, peer_name text DEFAULT NULL)
RETURNS TABLE (
    group_name text, peer_name text, role text, health text, consecutive_failures integer,
    consecutive_successes integer, response_time_ms double precision, baseline_ms double precision,
    success_rate double precision, suspicion double precision, last_check_at timestamptz,
    last_success_at timestamptz, down_since timestamptz, downtime interval, timeline integer,
    lsn pg_lsn, lag_bytes bigint, lag interval, replication_state text, sync_state text,
    connections integer, promotion_eligible boolean, ineligible_reason text, node_library boolean,
    lease_until timestamptz, circuit text, error_class text, last_error text, server_version text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 30
AS 'MODULE_PATHNAME', 'failover_health';
COMMENT ON FUNCTION failover_health(text, text) IS 'what the checks found, one row a peer';

CREATE FUNCTION failover_check_health(group_name text DEFAULT NULL)
RETURNS TABLE (
    group_name text, peer_name text, role text, health text, consecutive_failures integer,
    consecutive_successes integer, response_time_ms double precision, baseline_ms double precision,
    success_rate double precision, suspicion double precision, last_check_at timestamptz,
    last_success_at timestamptz, down_since timestamptz, downtime interval, timeline integer,
    lsn pg_lsn, lag_bytes bigint, lag interval, replication_state text, sync_state text,
    connections integer, promotion_eligible boolean, ineligible_reason text, node_library boolean,
    lease_until timestamptz, circuit text, error_class text, last_error text, server_version text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 30
AS 'MODULE_PATHNAME', 'failover_check_health';
COMMENT ON FUNCTION failover_check_health(text) IS 'checks the peers now, waits for the answers and returns the rows of failover_health';

CREATE FUNCTION failover_preflight(group_name text)
RETURNS TABLE (peer_name text, severity text, finding text, hint text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 20
AS 'MODULE_PATHNAME', 'failover_preflight';
COMMENT ON FUNCTION failover_preflight(text) IS 'what would make a failover of the group fail or lose data; asks the peers now';

CREATE FUNCTION failover_evaluate(
    group_name text, OUT verdict text, OUT rule integer, OUT reason text, OUT candidate text,
    OUT evidence jsonb, OUT situation_rule integer)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_evaluate';
COMMENT ON FUNCTION failover_evaluate(text) IS 'what the coordinator would decide now, by which rule and on what evidence; changes nothing';

CREATE FUNCTION failover_candidates(group_name text)
RETURNS TABLE (
    rank integer, peer_name text, eligible boolean, reason text, timeline integer,
    received_lsn pg_lsn, lag_bytes bigint, priority integer, score double precision)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 5
AS 'MODULE_PATHNAME', 'failover_candidates';
COMMENT ON FUNCTION failover_candidates(text) IS 'whom a failover would promote, in order, and why the others not';

CREATE FUNCTION failover_rules(OUT rule integer, OUT condition text, OUT verdict text, OUT reason text)
RETURNS SETOF record
LANGUAGE c STABLE PARALLEL SAFE ROWS 30
AS 'MODULE_PATHNAME', 'failover_rules';
COMMENT ON FUNCTION failover_rules() IS 'the decision table, in the order in which its rules are tried';

CREATE FUNCTION failover_metrics(group_name text DEFAULT NULL)
RETURNS TABLE (name text, labels jsonb, value double precision, kind text, help text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 500
AS 'MODULE_PATHNAME', 'failover_metrics';
COMMENT ON FUNCTION failover_metrics(text) IS 'the figures of groups, peers and the coordinator, named as Prometheus names them';

CREATE FUNCTION failover_redundancy(group_name text DEFAULT NULL)
RETURNS TABLE (
    group_name text, redundancy text, peers_total integer, peers_healthy integer, backups integer,
    degraded boolean, reasons text[])
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 10
AS 'MODULE_PATHNAME', 'failover_redundancy';
COMMENT ON FUNCTION failover_redundancy(text) IS 'how many peers of each group could serve, and what is missing';

CREATE VIEW failover_history AS
SELECT o.event_id, o.group_name, o.kind, o.trigger, o.from_peer, o.to_peer, o.status, o.reason,
       o.initiated_by, o.term, o.rule, o.started_at, o.finished_at, o.detection_ms, o.decision_ms,
       o.fence_ms, o.promote_ms, o.repoint_ms, o.total_ms, o.lost_bytes, o.attempts, o.error,
       o.forced, o.target
  FROM @extschema@.failover_operation o
 ORDER BY o.event_id DESC;
COMMENT ON VIEW failover_history IS 'every operation, newest first';
COMMENT ON COLUMN failover_history.trigger IS 'what set it off: health_check, connection, performance, timeout, cascade, manual or scheduled';
COMMENT ON COLUMN failover_history.initiated_by IS 'session user who asked for it, or the role of the coordinator';
COMMENT ON COLUMN failover_history.rule IS 'row of failover_rules() that decided; NULL: a user did';
COMMENT ON COLUMN failover_history.detection_ms IS 'from the first sign of failure to the verdict';
COMMENT ON COLUMN failover_history.decision_ms IS 'between the verdict and the order to promote, without fencing';
COMMENT ON COLUMN failover_history.fence_ms IS 'keeping the old primary from taking writes, and the standbys from receiving more';
COMMENT ON COLUMN failover_history.promote_ms IS 'from the order to promote to a primary that takes writes';
COMMENT ON COLUMN failover_history.repoint_ms IS 'until the others follow the new primary';
COMMENT ON COLUMN failover_history.total_ms IS 'from the first sign of failure to the end of the operation';
COMMENT ON COLUMN failover_history.lost_bytes IS 'WAL of the old primary, as far as known, that the new one does not have; NULL: not known';
COMMENT ON COLUMN failover_history.target IS 'peer that the user asked for';

CREATE VIEW failover_scheduled AS
SELECT p.event_id, p.group_name, p.operation, p.at, p.target, p.reason, p.scheduled_by, p.scheduled_at
  FROM @extschema@.failover_planned p
 ORDER BY p.at, p.event_id;
COMMENT ON VIEW failover_scheduled IS 'operations that are to begin, the next one first; what has begun or ended is in failover_history under the same event_id';

CREATE FUNCTION failover_history(group_name text DEFAULT NULL, max_rows integer DEFAULT 50)
RETURNS SETOF failover_history
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 50
AS 'MODULE_PATHNAME', 'failover_history';
COMMENT ON FUNCTION failover_history(text, integer) IS 'the latest operations, newest first; NULL rows: all of them';

CREATE VIEW failover_evidence AS
SELECT o.event_id, o.group_name, o.started_at, o.kind, o.rule, o.snapshot AS evidence
  FROM @extschema@.failover_operation o
 ORDER BY o.event_id DESC;
COMMENT ON VIEW failover_evidence IS 'what every operation was decided on, newest first';
COMMENT ON COLUMN failover_evidence.evidence IS 'what the coordinator had seen of each peer at that moment';

CREATE VIEW failover_timeline AS
SELECT s.event_id, s.step_no, s.step, s.peer_name, s.status, s.started_at, s.finished_at,
       s.duration_ms, s.detail, o.group_name
  FROM @extschema@.failover_step s
  JOIN @extschema@.failover_operation o ON o.event_id OPERATOR(pg_catalog.=) s.event_id
 ORDER BY s.event_id, s.step_no;
COMMENT ON VIEW failover_timeline IS 'the steps of every operation';

CREATE VIEW failover_events AS
SELECT e.event_id, e.at, e.group_name, e.peer_name, e.kind, e.severity, e.message, e.detail
  FROM @extschema@.failover_event e
 ORDER BY e.event_id;
COMMENT ON VIEW failover_events IS 'everything that happened, in order';
COMMENT ON COLUMN failover_events.detail IS 'who did it and why, and what it was decided on';

CREATE VIEW failover_peers AS
SELECT p.group_name, p.peer_name, p.conninfo, p.priority, p.weight, p.zone, p.promotable,
       p.maintenance_until, h.role, h.health, h.lag_bytes, h.replication_state, h.response_time_ms,
       h.last_check_at, h.down_since, h.last_error, p.registered_at, p.registered_by
  FROM @extschema@.failover_peer p
  LEFT JOIN @extschema@.failover_health() h
         ON p.group_name OPERATOR(pg_catalog.=) h.group_name
        AND p.peer_name OPERATOR(pg_catalog.=) h.peer_name;
COMMENT ON VIEW failover_peers IS 'registered peers with their live status';
COMMENT ON COLUMN failover_peers.conninfo IS 'how to reach it, without any secret';

CREATE VIEW failover_settings AS
SELECT g.group_name, d.name,
       COALESCE(@extschema@.failover_show_setting(d.name, s.value), d.default_setting) AS setting,
       d.unit, d.default_setting, d.min_value, d.max_value,
       CASE WHEN s.name IS NULL THEN 'default' ELSE 'group' END AS source,
       d.description, s.set_at, s.set_by
  FROM @extschema@.failover_group g
 CROSS JOIN @extschema@.failover_setting_definitions() d
  LEFT JOIN @extschema@.failover_setting s
         ON s.group_name OPERATOR(pg_catalog.=) g.group_name
        AND s.name OPERATOR(pg_catalog.=) d.name;
COMMENT ON VIEW failover_settings IS 'every setting of every group';
COMMENT ON COLUMN failover_settings.setting IS 'as in pg_settings: a number of units';
COMMENT ON COLUMN failover_settings.unit IS 'unit of setting, min_value, max_value, and of a bare number given to failover_set()';
COMMENT ON COLUMN failover_settings.source IS 'default, or group: set for this group';

CREATE VIEW failover_downtime AS
SELECT d.group_name, d.peer_name, d.outages, d.total, d.longest,
       GREATEST(0.0, 1.0 OPERATOR(pg_catalog.-) (EXTRACT(epoch FROM d.total)::double precision OPERATOR(pg_catalog./)
                NULLIF(EXTRACT(epoch FROM pg_catalog.now() OPERATOR(pg_catalog.-) d.observed_since), 0)::double precision))
       AS availability,
       d.observed_since, d.down_since
  FROM (SELECT s.group_name, s.peer_name,
               s.outages OPERATOR(pg_catalog.+) CASE WHEN s.down_since IS NULL THEN 0 ELSE 1 END AS outages,
               s.downtime OPERATOR(pg_catalog.+) COALESCE(pg_catalog.now() OPERATOR(pg_catalog.-) s.down_since, '0'::interval) AS total,
               GREATEST(s.longest, pg_catalog.now() OPERATOR(pg_catalog.-) s.down_since) AS longest,
               s.observed_since, s.down_since
          FROM @extschema@.failover_peer_state s
        UNION ALL
        SELECT g.group_name, NULL, pg_catalog.count(o.outage),
               COALESCE(pg_catalog.sum(o.outage), '0'::interval), COALESCE(pg_catalog.max(o.outage), '0'::interval),
               g.created_at, pg_catalog.min(o.running_since)
          FROM @extschema@.failover_group g
          LEFT JOIN (SELECT group_name, started_at,
                            CASE WHEN total_ms IS NOT NULL
                                 THEN pg_catalog.make_interval(secs => total_ms OPERATOR(pg_catalog./) 1000.0)
                                 ELSE COALESCE(finished_at, pg_catalog.now()) OPERATOR(pg_catalog.-) started_at END AS outage,
                            CASE WHEN finished_at IS NULL THEN started_at END AS running_since
                       FROM @extschema@.failover_operation
                      WHERE kind OPERATOR(pg_catalog.=) 'failover') o
                 ON o.group_name OPERATOR(pg_catalog.=) g.group_name
                AND o.started_at OPERATOR(pg_catalog.>=) g.created_at
         GROUP BY g.group_name, g.created_at) d
 ORDER BY d.group_name, d.peer_name;
COMMENT ON VIEW failover_downtime IS 'outages of each peer, and of each group as a whole (peer_name NULL): the time that its failovers took';
COMMENT ON COLUMN failover_downtime.availability IS 'share of the time since observed_since, 0 to 1';
COMMENT ON COLUMN failover_downtime.down_since IS 'start of the outage that is going on';

----------------------------------------------------------------------
-- Acting
----------------------------------------------------------------------

CREATE FUNCTION failover_trigger(
    group_name text, target text DEFAULT NULL, force boolean DEFAULT false, reason text DEFAULT NULL,
    wait boolean DEFAULT true,
    OUT event_id bigint, OUT kind text, OUT status text, OUT from_peer text, OUT to_peer text,
    OUT total_ms double precision, OUT error text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_trigger';
COMMENT ON FUNCTION failover_trigger(text, text, boolean, text, boolean) IS 'moves the primary of a group now';

CREATE FUNCTION failover_switchover(
    group_name text, target text DEFAULT NULL, reason text DEFAULT NULL, wait boolean DEFAULT true,
    OUT event_id bigint, OUT kind text, OUT status text, OUT from_peer text, OUT to_peer text,
    OUT total_ms double precision, OUT error text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_switchover';
COMMENT ON FUNCTION failover_switchover(text, text, text, boolean) IS 'moves the primary of a group gracefully, or not at all';

CREATE FUNCTION failover_failback(
    group_name text, reason text DEFAULT NULL, wait boolean DEFAULT true,
    OUT event_id bigint, OUT kind text, OUT status text, OUT from_peer text, OUT to_peer text,
    OUT total_ms double precision, OUT error text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_failback';
COMMENT ON FUNCTION failover_failback(text, text, boolean) IS 'moves the primary of a group gracefully to its preferred primary';

CREATE FUNCTION failover_rejoin(
    group_name text, peer_name text, reason text DEFAULT NULL, wait boolean DEFAULT true,
    OUT event_id bigint, OUT kind text, OUT status text, OUT from_peer text, OUT to_peer text,
    OUT total_ms double precision, OUT error text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_rejoin';
COMMENT ON FUNCTION failover_rejoin(text, text, text, boolean) IS 'brings a former primary or a diverged standby back';

CREATE FUNCTION failover_drill(
    group_name text, reason text DEFAULT NULL, wait boolean DEFAULT true,
    OUT event_id bigint, OUT kind text, OUT status text, OUT from_peer text, OUT to_peer text,
    OUT total_ms double precision, OUT error text)
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_drill';
COMMENT ON FUNCTION failover_drill(text, text, boolean) IS 'moves the primary of a group to another peer and back, gracefully, and reports';

CREATE FUNCTION failover_schedule(
    group_name text, operation text, at timestamptz, target text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_schedule';
COMMENT ON FUNCTION failover_schedule(text, text, timestamptz, text, text) IS 'has a switchover, failback or drill of a group begin at some time; returns its event_id';

CREATE FUNCTION failover_cancel(event_id bigint, reason text DEFAULT NULL)
RETURNS boolean
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_cancel';
COMMENT ON FUNCTION failover_cancel(bigint, text) IS 'calls off a scheduled operation, or stops and undoes one that is in progress, before its point of no return';

CREATE FUNCTION failover_pause(group_name text DEFAULT NULL, duration interval DEFAULT NULL, reason text DEFAULT NULL)
RETURNS void
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_pause';
COMMENT ON FUNCTION failover_pause(text, interval, text) IS 'observe only: no failover of the group, or of any group';

CREATE FUNCTION failover_resume(group_name text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS void
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_resume';
COMMENT ON FUNCTION failover_resume(text, text) IS 'ends a pause';

CREATE FUNCTION failover_set_maintenance(
    group_name text, peer_name text, enabled boolean, duration interval DEFAULT NULL, reason text DEFAULT NULL)
RETURNS void
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_set_maintenance';
COMMENT ON FUNCTION failover_set_maintenance(text, text, boolean, interval, text) IS 'begins or ends maintenance of a peer: no alert, and no candidate';

CREATE FUNCTION failover_acknowledge(group_name text, reason text DEFAULT NULL)
RETURNS void
LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'failover_acknowledge';
COMMENT ON FUNCTION failover_acknowledge(text, text) IS 'ends the block period that follows a failover';

----------------------------------------------------------------------
-- Node side: called by the coordinator on data servers that preload the
-- library with failover.role = node.
----------------------------------------------------------------------

CREATE FUNCTION failover_node_heartbeat(
    term bigint, valid_until_us bigint DEFAULT 0, lease_us bigint DEFAULT 0, incarnation bigint DEFAULT 0,
    coordinator text DEFAULT NULL, group_name text DEFAULT NULL, peer_name text DEFAULT NULL, holder text DEFAULT NULL,
    standbys_version bigint DEFAULT 0, standbys text[] DEFAULT NULL,
    OUT node_term bigint, OUT lease_until_us bigint, OUT clock_us bigint, OUT node_incarnation bigint,
    OUT armed boolean, OUT may_commit boolean, OUT fenced_term bigint, OUT node_coordinator text, OUT node_holder text,
    OUT node_standbys_version bigint, OUT rejoin_phase text, OUT rejoin_attempts integer, OUT rejoin_report text,
    OUT rejoin_ms double precision, OUT rewind_ms double precision, OUT sync_in_force boolean, OUT worker_running boolean,
    OUT rejoin_term bigint, OUT lost_bytes bigint, OUT lost_commits bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION failover_node_heartbeat(bigint, bigint, bigint, bigint, text, text, text, text, bigint, text[]) IS
'grants this data server its lease, tells it the term, and returns its status; called by the coordinator with every check';

CREATE FUNCTION failover_node_status(
    OUT node_term bigint, OUT lease_until_us bigint, OUT clock_us bigint, OUT node_incarnation bigint,
    OUT armed boolean, OUT may_commit boolean, OUT fenced_term bigint, OUT node_coordinator text, OUT node_holder text,
    OUT node_standbys_version bigint, OUT rejoin_phase text, OUT rejoin_attempts integer, OUT rejoin_report text,
    OUT rejoin_ms double precision, OUT rewind_ms double precision, OUT sync_in_force boolean, OUT worker_running boolean,
    OUT rejoin_term bigint, OUT lost_bytes bigint, OUT lost_commits bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION failover_node_status() IS
'term, lease, fence and rejoin of this data server, as its node library knows them';

CREATE FUNCTION failover_node_fence(
    term bigint, coordinator text DEFAULT NULL, holder text DEFAULT NULL,
    OUT node_term bigint, OUT lease_until_us bigint, OUT clock_us bigint, OUT node_incarnation bigint,
    OUT armed boolean, OUT may_commit boolean, OUT fenced_term bigint, OUT node_coordinator text, OUT node_holder text,
    OUT node_standbys_version bigint, OUT rejoin_phase text, OUT rejoin_attempts integer, OUT rejoin_report text,
    OUT rejoin_ms double precision, OUT rewind_ms double precision, OUT sync_in_force boolean, OUT worker_running boolean,
    OUT rejoin_term bigint, OUT lost_bytes bigint, OUT lost_commits bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION failover_node_fence(bigint, text, text) IS
'ends the lease of this data server at once; it takes no other before a higher term';

CREATE FUNCTION failover_node_demote(
    term bigint, conninfo text, slot_name text DEFAULT NULL, coordinator text DEFAULT NULL, holder text DEFAULT NULL,
    OUT node_term bigint, OUT lease_until_us bigint, OUT clock_us bigint, OUT node_incarnation bigint,
    OUT armed boolean, OUT may_commit boolean, OUT fenced_term bigint, OUT node_coordinator text, OUT node_holder text,
    OUT node_standbys_version bigint, OUT rejoin_phase text, OUT rejoin_attempts integer, OUT rejoin_report text,
    OUT rejoin_ms double precision, OUT rewind_ms double precision, OUT sync_in_force boolean, OUT worker_running boolean,
    OUT rejoin_term bigint, OUT lost_bytes bigint, OUT lost_commits bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION failover_node_demote(bigint, text, text, text, text) IS
'ends the lease, stops this primary and restarts it as a standby of that server, whose promotion is planned';

CREATE FUNCTION failover_node_rejoin(
    term bigint, conninfo text, slot_name text DEFAULT NULL, coordinator text DEFAULT NULL, holder text DEFAULT NULL,
    max_attempts integer DEFAULT 3, backoff_ms integer DEFAULT 5000, upstreams text[] DEFAULT NULL,
    OUT node_term bigint, OUT lease_until_us bigint, OUT clock_us bigint, OUT node_incarnation bigint,
    OUT armed boolean, OUT may_commit boolean, OUT fenced_term bigint, OUT node_coordinator text, OUT node_holder text,
    OUT node_standbys_version bigint, OUT rejoin_phase text, OUT rejoin_attempts integer, OUT rejoin_report text,
    OUT rejoin_ms double precision, OUT rewind_ms double precision, OUT sync_in_force boolean, OUT worker_running boolean,
    OUT rejoin_term bigint, OUT lost_bytes bigint, OUT lost_commits bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION failover_node_rejoin(bigint, text, text, text, text, integer, integer, text[]) IS
'ends the lease, stops this server and restarts it as a standby of the new primary, rewound if their histories have diverged';

CREATE FUNCTION failover_node_prepare_promotion(
    term bigint, timeline bigint, coordinator text DEFAULT NULL,
    OUT node_term bigint, OUT lease_until_us bigint, OUT clock_us bigint, OUT node_incarnation bigint,
    OUT armed boolean, OUT may_commit boolean, OUT fenced_term bigint, OUT node_coordinator text, OUT node_holder text,
    OUT node_standbys_version bigint, OUT rejoin_phase text, OUT rejoin_attempts integer, OUT rejoin_report text,
    OUT rejoin_ms double precision, OUT rewind_ms double precision, OUT sync_in_force boolean, OUT worker_running boolean,
    OUT rejoin_term bigint, OUT lost_bytes bigint, OUT lost_commits bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION failover_node_prepare_promotion(bigint, bigint, text) IS
'makes this standby begin that timeline or a later one when it is promoted, so that no other candidate can have begun the same';

CREATE FUNCTION failover_node_release(
    OUT node_term bigint, OUT lease_until_us bigint, OUT clock_us bigint, OUT node_incarnation bigint,
    OUT armed boolean, OUT may_commit boolean, OUT fenced_term bigint, OUT node_coordinator text, OUT node_holder text,
    OUT node_standbys_version bigint, OUT rejoin_phase text, OUT rejoin_attempts integer, OUT rejoin_report text,
    OUT rejoin_ms double precision, OUT rewind_ms double precision, OUT sync_in_force boolean, OUT worker_running boolean,
    OUT rejoin_term bigint, OUT lost_bytes bigint, OUT lost_commits bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION failover_node_release() IS
'lets this data server commit without a lease: it leaves its group, or its coordinator is lost for good';

CREATE FUNCTION failover_node_is_shut_down(from_lsn pg_lsn, wait_ms integer DEFAULT 0)
RETURNS boolean
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION failover_node_is_shut_down(pg_lsn, integer) IS
'tells whether the WAL that this standby has replayed, from that position on, ends with the shutdown of its primary, and waits for that while more is received';

CREATE FUNCTION failover_node_expect_handover()
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION failover_node_expect_handover() IS
'for the next 100 ms clients that connect to this standby wait for its promotion, and a primary without a lease sends them on';

CREATE FUNCTION failover_node_try_sources(upstreams text[], OUT source integer, OUT problem text, OUT for_replication boolean)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION failover_node_try_sources(text[]) IS
'connects to those servers for replication and as for a rewind, and tells to which of them that failed, and why';

REVOKE EXECUTE ON FUNCTION failover_node_heartbeat(bigint, bigint, bigint, bigint, text, text, text, text, bigint, text[]),
    failover_node_status(), failover_node_fence(bigint, text, text), failover_node_demote(bigint, text, text, text, text),
    failover_node_rejoin(bigint, text, text, text, text, integer, integer, text[]), failover_node_prepare_promotion(bigint, bigint, text), failover_node_release(),
    failover_node_is_shut_down(pg_lsn, integer), failover_node_expect_handover(), failover_node_try_sources(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION failover_node_status() TO pg_monitor;

----------------------------------------------------------------------
-- Inside
----------------------------------------------------------------------

CREATE FUNCTION failover_wake()
RETURNS void
LANGUAGE c
AS 'MODULE_PATHNAME', 'failover_wake';
COMMENT ON FUNCTION failover_wake() IS 'makes the coordinator look at its configuration again when the transaction commits';

CREATE FUNCTION failover_config_changed()
RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'failover_config_changed';
COMMENT ON FUNCTION failover_config_changed() IS 'as failover_wake(), for configuration that no function of the extension has written, such as a restored dump';

CREATE TRIGGER failover_config_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON failover_group
    FOR EACH STATEMENT EXECUTE FUNCTION failover_config_changed();
COMMENT ON TRIGGER failover_config_changed ON failover_group IS 'tells the coordinator';
CREATE TRIGGER failover_config_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON failover_peer
    FOR EACH STATEMENT EXECUTE FUNCTION failover_config_changed();
COMMENT ON TRIGGER failover_config_changed ON failover_peer IS 'tells the coordinator';
CREATE TRIGGER failover_config_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON failover_setting
    FOR EACH STATEMENT EXECUTE FUNCTION failover_config_changed();
COMMENT ON TRIGGER failover_config_changed ON failover_setting IS 'tells the coordinator';

----------------------------------------------------------------------
-- Privileges: nothing for PUBLIC, reading for pg_monitor.  Acting is for
-- superusers and for whom they grant it to, function by function.
----------------------------------------------------------------------

REVOKE ALL ON FUNCTION
    failover_create_group(text, text),
    failover_drop_group(text, boolean),
    failover_register(text, text, text, integer, integer, text, boolean),
    failover_unregister(text, text, boolean),
    failover_alter_peer(text, text, text, integer, integer, text, boolean),
    failover_set(text, text, text),
    failover_reset(text, text),
    failover_apply_profile(text, text),
    failover_peer_grants(integer),
    failover_setting_definitions(),
    failover_show_setting(text, text),
    failover_status(text),
    failover_health(text, text),
    failover_check_health(text),
    failover_preflight(text),
    failover_evaluate(text),
    failover_candidates(text),
    failover_rules(),
    failover_metrics(text),
    failover_redundancy(text),
    failover_history(text, integer),
    failover_trigger(text, text, boolean, text, boolean),
    failover_switchover(text, text, text, boolean),
    failover_failback(text, text, boolean),
    failover_rejoin(text, text, text, boolean),
    failover_drill(text, text, boolean),
    failover_schedule(text, text, timestamptz, text, text),
    failover_cancel(bigint, text),
    failover_pause(text, interval, text),
    failover_resume(text, text),
    failover_set_maintenance(text, text, boolean, interval, text),
    failover_acknowledge(text, text),
    failover_wake(),
    failover_config_changed()
FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
    failover_peer_grants(integer),
    failover_setting_definitions(),
    failover_show_setting(text, text),
    failover_status(text),
    failover_health(text, text),
    failover_check_health(text),
    failover_preflight(text),
    failover_evaluate(text),
    failover_candidates(text),
    failover_rules(),
    failover_metrics(text),
    failover_redundancy(text),
    failover_history(text, integer)
TO pg_monitor;

GRANT SELECT ON
    failover_history,
    failover_evidence,
    failover_scheduled,
    failover_timeline,
    failover_events,
    failover_peers,
    failover_settings,
    failover_downtime
TO pg_monitor;

SELECT pg_catalog.pg_extension_config_dump('failover_group', '');
SELECT pg_catalog.pg_extension_config_dump('failover_peer', '');
SELECT pg_catalog.pg_extension_config_dump('failover_setting', '');

-- last: the launcher starts the coordinator once this is committed
SELECT @extschema@.failover_wake();
