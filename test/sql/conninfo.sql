-- What may stand in the conninfo of a peer, and how it is stored.
-- In a database of its own: no coordinator watches what is registered here.
\set home :DBNAME
CREATE DATABASE regress_failover_conninfo;
\c regress_failover_conninfo
CREATE EXTENSION failover;

CREATE FUNCTION try_conninfo(conninfo text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    message text;
    hint text;
    stored text;
BEGIN
    PERFORM failover_register('conninfo', 'peer', conninfo);
    SELECT p.conninfo INTO stored FROM failover_peer p WHERE group_name = 'conninfo';
    PERFORM failover_drop_group('conninfo', force => true);
    RETURN stored;
EXCEPTION WHEN invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    -- which keywords a libpq knows differs from version to version
    RETURN format('%s (%s)', message, regexp_replace(hint, 'Allowed keywords: .*', 'Allowed keywords: ...'));
END
$$;

\pset format unaligned
\pset tuples_only on
-- canonical form: known order, quoted only where needed, URIs taken apart
SELECT try_conninfo('host=a');
SELECT try_conninfo('port=5433 user=me dbname=db host=a.example');
SELECT try_conninfo('postgresql://me@h.example:5433/db%20x?sslmode=require');
SELECT try_conninfo($$host='/var/run/my sockets' dbname='it\'s \\ x' user=''$$);
SELECT try_conninfo('hostaddr=::1 port=65535 keepalives=1 tcp_user_timeout=5000');
SELECT try_conninfo('hostaddr=fe80::1%eth0');
-- a peer is watched in whichever role it is in
SELECT try_conninfo('host=a target_session_attrs=read-write');

-- a host is required, and only one
SELECT try_conninfo('port=5432');
SELECT try_conninfo('host=');
SELECT try_conninfo('host=a,b');
SELECT try_conninfo('hostaddr=1.2.3.4,5.6.7.8');
SELECT try_conninfo('hostaddr=a.example');

-- secrets, files and detours are refused, and never repeated
SELECT try_conninfo('host=a password=sekrit');
SELECT try_conninfo('postgresql://me:sekrit@a/db');
SELECT try_conninfo('host=a passfile=/sekrit');
SELECT try_conninfo('host=a sslpassword=sekrit');
SELECT try_conninfo('host=a sslkey=/sekrit');
SELECT try_conninfo('host=a sslcert=/sekrit');
SELECT try_conninfo('service=sekrit');
SELECT try_conninfo('host=a options=-csekrit=1');
SELECT try_conninfo('host=a replication=database');
SELECT try_conninfo('host=a dbname=''password=sekrit''');
SELECT try_conninfo('host=a dbname=postgres://me:sekrit@b');

-- what cannot be parsed is not repeated either
SELECT try_conninfo('sekrit');
SELECT try_conninfo('host=a sekrit=1');
SELECT try_conninfo('host=a user=''sekrit');

-- values
SELECT try_conninfo('host=a port=0');
SELECT try_conninfo('host=a port=65536');
SELECT try_conninfo('host=a port=5432,5433');
SELECT try_conninfo('host=a port=99999999999999999999');
SELECT try_conninfo('host=a connect_timeout=-1');
SELECT try_conninfo('host=a sslmode=verify');
SELECT try_conninfo('host=a ssl_min_protocol_version=SSLv3');
SELECT try_conninfo(E'host=a user=''new\nline''');
SELECT length(try_conninfo('host=a user=' || repeat('x', 511 - length('host=a user='))));
SELECT try_conninfo('host=a user=' || repeat('x', 512 - length('host=a user=')));

\c :home
DROP DATABASE regress_failover_conninfo;
