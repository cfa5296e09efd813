-- Names of many bytes: where an error is cut it is cut between two characters,
-- whatever the encoding of the client.

\pset format unaligned

-- shifted by one byte against each other: wherever it is cut, it is in the middle of a character of one of them
SELECT failover_create_group('even');
SELECT failover_create_group('odd');
SELECT failover_register('even', peer, 'host=127.0.0.1 port=' || port, promotable => false)
  FROM (SELECT repeat(letter, 31) AS peer, port FROM unnest(ARRAY['é', 'ö', 'ü', 'ß']) WITH ORDINALITY AS l(letter, port)) peers;
SELECT failover_register('odd', peer, 'host=127.0.0.2 port=' || port, promotable => false)
  FROM (SELECT 'x' || repeat(letter, 31) AS peer, port FROM unnest(ARRAY['é', 'ö', 'ü', 'ß']) WITH ORDINALITY AS l(letter, port)) peers;

-- convert_to raises an error for what is no UTF-8
SELECT g, state, message ~ '^no standby can be promoted: "x?[éöüß]+":' AS explained, length(convert_to(message, 'UTF8')) BETWEEN 250 AND 255 AS cut
  FROM unnest(ARRAY['even', 'odd']) AS g, LATERAL try(format('SELECT failover_trigger(%L)', g));

\set VERBOSITY sqlstate
SET client_encoding = 'LATIN1';
SELECT failover_trigger('even');
SELECT failover_trigger('odd');
RESET client_encoding;
\set VERBOSITY default

SELECT failover_drop_group(g, force => true) FROM unnest(ARRAY['even', 'odd']) AS g;
