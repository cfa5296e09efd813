-- Installing: what there is, what it is called, and who may use it.

\pset format unaligned

CREATE EXTENSION failover;

-- What the later tests use: what a statement answers, as a row.
CREATE FUNCTION try(query text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	state := '00000';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	detail := NULLIF(detail, '');
	hint := NULLIF(hint, '');
END $$;

CREATE VIEW member AS
SELECT d.classid, d.objid
  FROM pg_depend d
  JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
 WHERE e.extname = 'failover' AND d.deptype = 'e';

-- the contract: names, arguments, defaults
SELECT p.proname, pg_get_function_arguments(p.oid) AS arguments
  FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
 ORDER BY p.proname COLLATE "C", p.oid;
SELECT p.proname, pg_get_function_result(p.oid) AS result
  FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
 ORDER BY p.proname COLLATE "C", p.oid;
SELECT c.relname, c.relkind, string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) AS columns
  FROM member m
  JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 GROUP BY c.relname, c.relkind
 ORDER BY c.relkind, c.relname COLLATE "C";

-- every object has a comment
SELECT pg_describe_object(m.classid, m.objid, 0) AS "without a comment"
  FROM member m
 WHERE m.classid IN ('pg_class'::regclass, 'pg_proc'::regclass)
   AND obj_description(m.objid, m.classid::regclass::name) IS NULL;
SELECT t.tgname, t.tgrelid::regclass AS "without a comment"
  FROM member m JOIN pg_trigger t ON m.classid = 'pg_class'::regclass AND m.objid = t.tgrelid
 WHERE NOT t.tgisinternal AND obj_description(t.oid, 'pg_trigger') IS NULL;
SELECT i.indexrelid::regclass AS "without a comment"
  FROM member m JOIN pg_index i ON m.classid = 'pg_class'::regclass AND m.objid = i.indrelid
 WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid) AND obj_description(i.indexrelid, 'pg_class') IS NULL;

-- nobody but the owner and those named may call or read anything
SELECT p.oid::regprocedure AS "callable by everybody"
  FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
 WHERE p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) WHERE grantee = 0);
SELECT c.oid::regclass AS "open to everybody"
  FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
 WHERE EXISTS (SELECT FROM aclexplode(c.relacl) WHERE grantee = 0);

-- pg_monitor reads, and that is all
SELECT p.oid::regprocedure::text COLLATE "C" AS "for pg_monitor"
  FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
 WHERE has_function_privilege('pg_monitor', p.oid, 'EXECUTE')
 ORDER BY 1;
SELECT c.relname::text COLLATE "C" AS "for pg_monitor"
  FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
 WHERE has_table_privilege('pg_monitor', c.oid, 'SELECT')
 ORDER BY 1;

-- whatever runs with the owner's rights has a search_path of its own
SELECT p.oid::regprocedure AS "with a foreign search_path"
  FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
 WHERE p.prosecdef AND p.proconfig IS DISTINCT FROM '{"search_path=pg_catalog, pg_temp"}';

-- configuration is dumped, state is not
SELECT c.oid::regclass AS dumped
  FROM pg_extension e, unnest(e.extconfig) AS u(oid) JOIN pg_class c ON c.oid = u.oid
 WHERE e.extname = 'failover'
 ORDER BY 1;
