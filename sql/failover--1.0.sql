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
    acknowledged_at   timestamptz,
    created_at        timestamptz NOT NULL DEFAULT pg_catalog.now(),
    created_by        name NOT NULL DEFAULT SESSION_USER
);
COMMENT ON TABLE failover_group IS 'groups of peers, and what DBAs have asked of them';
COMMENT ON COLUMN failover_group.preferred_primary IS 'peer that failback returns to; NULL: the promotable peer with the lowest priority number';
COMMENT ON COLUMN failover_group.paused_until IS 'observe only until then; infinity: until resumed';
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
    registered_at     timestamptz NOT NULL DEFAULT pg_catalog.now(),
    registered_by     name NOT NULL DEFAULT SESSION_USER,
    PRIMARY KEY (group_name, peer_name)
);
COMMENT ON TABLE failover_peer IS 'servers under watch';
COMMENT ON COLUMN failover_peer.conninfo IS 'how to reach it, without any secret; NULL: its health is reported from outside';
COMMENT ON COLUMN failover_peer.maintenance_until IS 'no alert and no candidate until then; infinity: until ended';

CREATE TABLE failover_setting (
    group_name        name NOT NULL REFERENCES failover_group ON DELETE CASCADE,
    name              text NOT NULL,
    value             text NOT NULL,
    set_at            timestamptz NOT NULL DEFAULT pg_catalog.now(),
    set_by            name NOT NULL DEFAULT SESSION_USER,
    PRIMARY KEY (group_name, name)
);
COMMENT ON TABLE failover_setting IS 'settings of groups that differ from their defaults';

----------------------------------------------------------------------
-- State: written by the coordinator worker only.
----------------------------------------------------------------------

CREATE TABLE failover_group_state (
    group_name        name PRIMARY KEY REFERENCES failover_group ON DELETE CASCADE,
    term              bigint NOT NULL DEFAULT 0,
    primary_peer      name,
    system_identifier numeric(20),
    blocked_until     timestamptz,
    blocked_since     timestamptz,
    recent_failovers  integer NOT NULL DEFAULT 0,
    last_failover_at  timestamptz,
    redundancy_restored boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE failover_group_state IS 'who is the primary of each group, in which term';

CREATE TABLE failover_peer_state (
    group_name        name NOT NULL,
    peer_name         name NOT NULL,
    follow_conninfo   text,
    slot_name         text,
    receiving         boolean NOT NULL DEFAULT false,
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
COMMENT ON COLUMN failover_peer_state.fence_saved IS 'settings that the fence replaced, put back when the peer is a standby again';

CREATE SEQUENCE failover_event_id AS bigint;
COMMENT ON SEQUENCE failover_event_id IS 'numbers operations and events alike';

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
COMMENT ON TABLE failover_event IS 'everything that happened, in the order in which it was written down';
