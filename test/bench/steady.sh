# steady.sh - part of test/bench/bench: what checks cost while nothing happens

metric()
{
	sql coordinator "SELECT coalesce(sum(value), 0)::bigint FROM failover_metrics() WHERE name = 'failover_$1_total'"
}

# CPU time of a process in ms, from its two fields of /proc.
cpu_ms()
{
	sed 's/^.*) //' "/proc/$1/stat" | awk -v hz="$(getconf CLK_TCK)" '{ print ($12 + $13) * 1000 / hz }'
}

part_steady()
{
	local worker lsn checks connects cpu attempt moved

	fresh_servers plain ''
	start_failover sql
	sql coordinator "SELECT failover_set('bench', 'check_interval', '20ms')" >/dev/null
	worker=$(sql coordinator "SELECT pid FROM pg_stat_activity WHERE backend_type = 'failover coordinator' OR backend_type LIKE 'failover coord%' LIMIT 1")
	for attempt in 1 2 3 4 5
	do
		lsn=$(sql coordinator "SELECT pg_current_wal_insert_lsn()")
		checks=$(metric checks) connects=$(metric connects) cpu=$(cpu_ms "$worker")
		wait_sql coordinator "SELECT sum(value) >= $((checks + 1000)) FROM failover_metrics() WHERE name = 'failover_checks_total'"
		cpu=$(awk -v a="$cpu" -v b="$(cpu_ms "$worker")" 'BEGIN { print b - a }')
		checks=$(($(metric checks) - checks)) connects=$(($(metric connects) - connects))
		moved=$(sql coordinator "SELECT pg_current_wal_insert_lsn() - '$lsn'")
		# The server's own snapshot record may fall between two readings once.
		[ "$moved" != 0 ] || break
	done
	latency=$(sql coordinator "
		CREATE TEMP TABLE t AS SELECT clock_timestamp() AS at;
		SELECT count(*) FROM generate_series(1, 1000) g, LATERAL failover_status(CASE WHEN g > 0 THEN 'bench' END) s;
		SELECT round(extract(epoch FROM clock_timestamp() - at) * 1000, 0) FROM t" | tail -1)
	echo
	echo "${bold}Steady state${plain}"
	printf '   %-44s %s\n' "checks, three peers" "$checks" \
		"connections opened for them" "$connects" \
		"WAL written by the coordinator, bytes" "$moved" \
		"CPU of the coordinator per check, us" "$(awk -v a="$cpu" -v n="$checks" 'BEGIN { printf "%.0f", a * 1000 / n }')" \
		"failover_status(), us" "$latency"
	[ "$connects" = 0 ] || fail "checks open connections"
	[ "$moved" = 0 ] || fail "watching a quiet group writes WAL"
	drop_servers
	forget_group
}
