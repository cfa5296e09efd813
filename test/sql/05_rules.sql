-- The decision table.  A change of policy is a change of this file.

\pset format unaligned

SELECT rule, verdict, condition FROM failover_rules();
SELECT rule, reason FROM failover_rules();
