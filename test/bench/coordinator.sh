# coordinator.sh - part of test/bench/bench: the coordinator is stopped for a minute under load
#
# Stopped and started again, which is the longest absence of its links: leases have to be
# renewed by the standbys, and taken over again by the coordinator.

part_coordinator()
{
	local record=$work/coordinator.record seconds=${SECONDS_AWAY:-60} errors away outage

	fresh_servers node '' && start_failover lease || { abandon "coordinator: no servers"; return; }
	start_writer "$record" 600 "$writers" p a b
	wait_acks "$record" 500
	away=$(now_us)
	as "$bindir/pg_ctl" -s -w -m fast -D "$work/coordinator" stop
	tick "$seconds"
	start_server coordinator
	away=$(since "$away")
	wait_sql coordinator "SELECT state = 'healthy' FROM failover_status('bench')" || { abandon "coordinator: not healthy afterwards"; return; }
	wait_acks "$record" $(($(grep -c '^a' "$record") + 1000))
	stop_writer
	errors=$(grep -c '^[eu]' "$record" || true)
	read -r acknowledged outage < <("$root/test/lib/acks" "$record")
	echo
	echo "${bold}The coordinator is stopped for $(awk -v ms="$away" 'BEGIN { printf "%.0f", ms / 1000 }') s under load${plain}"
	printf '   %-58s %9s\n' "writes acknowledged" "$acknowledged" "writes that failed" "$errors" "longest time between two of one client, ms" "$outage"
	[ "$errors" = 0 ] || fail "writes failed without the coordinator"
	[ "$(sql coordinator "SELECT count(*) FROM failover_history WHERE kind = 'failover'")" = 0 ] || fail "something was failed over"
	forget_group
	drop_servers
}
