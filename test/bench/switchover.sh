# switchover.sh - part of test/bench/bench: the primary role is handed over under load
#
# The outage is what clients saw: the time that a writer on a libpq multi-host
# connection string went without an acknowledgement around the promotion.  It is compared with
# a bare promotion (ideal.c) on the same servers a moment later, with the same clients
# retrying meanwhile: from pg_promote() of a standby whose primary has been stopped
# until its first commit.

# Appends "outage promotion promote_ms total streaming lost" to $work/switchover.
switchover_run()
{
	local record=$work/switchover.$1.record event new other promoted promotion figures

	fresh_servers node '' && start_failover lease || return 1
	start_writer "$record" 120 "$writers" p a b
	wait_acks "$record" 500 || return 1
	new=$(sql coordinator "SELECT to_peer FROM failover_switchover('bench') WHERE status = 'completed'" 2>/dev/null)
	[ -n "$new" ] || return 1
	wait_acks "$record" $(($(grep -c '^a' "$record") + 300)) || return 1
	cp "$record" "$record.first"
	sql "$new" "SELECT writer || '/' || id FROM failover_test" >"$work/rows"
	promoted=$(sql coordinator "SELECT (extract(epoch FROM max(started_at)) * 1000000)::bigint FROM failover_timeline WHERE step = 'promote' AND status = 'done'")
	read -r acknowledged outage lost < <("$root/test/lib/acks" --across "$promoted" "$record.first" "$work/rows")
	event="FROM failover_history WHERE kind = 'switchover' ORDER BY event_id DESC LIMIT 1"
	figures=$(sql coordinator "
		SELECT round(promote_ms::numeric, 1), round(total_ms::numeric, 1),
		(SELECT round((1000 * extract(epoch FROM max(finished_at) FILTER (WHERE step = 'follow') - min(started_at) FILTER (WHERE step = 'fence')))::numeric, 1)
		 FROM failover_timeline t WHERE t.event_id = h.event_id)
		FROM failover_history h WHERE kind = 'switchover' ORDER BY event_id DESC LIMIT 1" -F ' ')
	sql coordinator "SELECT step, round(sum(duration_ms)) FROM failover_timeline GROUP BY step" -F ' ' >>"$work/switchover.steps"
	forget_group

	other=$([ "$new" = a ] && echo b || echo a)
	as "$bindir/pg_ctl" -s -w -m fast -D "$work/$new" stop
	# Nobody is to grant it a lease.
	sql "$other" "SELECT failover_node_release()" >/dev/null
	promotion=$(as "$work/src/test/bench/ideal" promote "$(conninfo $other)") || return 1
	stop_writer
	echo "$outage $promotion $figures $lost" >>"$work/switchover"
	note "run $1: $outage ms (promotion alone $promotion), $lost of $acknowledged lost, new primary $new"
	drop_servers
}

part_switchover()
{
	local i

	for ((i = 1; i <= ${RUNS:-7}; i++))
	do
		switchover_run $i || { abandon "switchover, run $i"; return; }
	done
	heading "Planned switchover under load, ms, $writers writers"
	row "outage of the clients" "$work/switchover" 1
	row "a bare promotion, until the first commit" "$work/switchover" 2
	row "the operation's step \"promote\"" "$work/switchover" 3
	row "the whole operation" "$work/switchover" 4
	row "the old primary streams again, from the closing of its gate" "$work/switchover" 5
	ratio "outage to bare promotion" "$work/switchover" 1 2 2
	at_most "acknowledged rows that were lost" "$work/switchover" 6 0
	printf '   %s' "steps, medians in ms:"
	for step in checkpoint fence drain demote stopped freeze promote repoint follow
	do
		printf ' %s %s' $step "$(awk -v s=$step '$1 == s { print $2 }' "$work/switchover.steps" | quantiles | cut -d. -f1)"
	done
	printf '\n'
}
