# silence.sh - part of test/bench/bench: a primary falls silent under load, and comes back
#
# Shared by the parts frozen and isolated.  Clients that know only the standbys say
# when there was somebody to write to again; clients of the old primary alone go on
# asking it, before, meanwhile and afterwards: what it acknowledges once a promotion
# has begun is what must not be.  They wait for an answer for longer than it is silent,
# so that there is somebody to receive one that comes late.

# silence_run PART NUMBER BEGIN END: appends "outage back late lost denied acknowledged" to $work/PART
silence_run()
{
	local part=$1 record=$work/$1.$2.record begin=$3 end=$4 new silent promoted back late outage parts denied

	fresh_servers node '' "${silence_conf:-}" && start_failover lease || return 1
	start_writer "$record" 300 "$writers" a b
	start_old_writer "$record.old"
	wait_acks "$record.old" 500 || return 1

	silent=$($begin)
	wait_sql coordinator "SELECT status = 'completed' FROM failover_history WHERE kind = 'failover' ORDER BY event_id DESC LIMIT 1" || return 1
	promoted=$(sql coordinator "SELECT (extract(epoch FROM min(started_at)) * 1000000)::bigint FROM failover_timeline WHERE step = 'promote'")
	new=$(sql coordinator "SELECT primary_peer FROM failover_status('bench')")
	wait_acks "$record" 300 || return 1
	outage=$(awk -v from="$silent" '/^a/ { if (!first || $4 < first) first = $4 } END { printf "%.1f", (first - from) / 1000 }' "$record")

	back=$(now_us)
	$end
	as "$work/src/test/bench/ideal" await "$(conninfo "$new")" \
		"SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = 'p' AND state = 'streaming')" || return 1
	back=$(since "$back")
	wait_acks "$record" $(($(grep -c '^a' "$record") + 300)) || return 1
	stop_writer
	stop_old_writer
	# By the moment at which the answer had certainly not come yet: a client may read it late.
	late=$(awk -v from="$promoted" '/^a/ && $5 > from { n++ } END { print n + 0 }' "$record.old")
	sql "$new" "SELECT writer || '/' || id FROM failover_test" >"$work/rows"
	read -r acknowledged _ lost < <(cat "$record" "$record.old" >"$work/both" && "$root/test/lib/acks" "$work/both" "$work/rows")
	wait_sql coordinator "SELECT current_event IS NULL FROM failover_status('bench')" || return 1
	# The old primary counts what it gives up.
	denied=0
	[ "$lost" = 0 ] ||
		wait_sql coordinator "SELECT lost_bytes > 0 FROM failover_history WHERE kind = 'failover' ORDER BY event_id DESC LIMIT 1" 10 || denied=$lost
	echo "$outage $back $late $lost $denied $acknowledged" >>"$work/$part"
	parts=$(sql coordinator "SELECT 'detection ' || round(detection_ms) || coalesce((SELECT string_agg(format(', %s %s', step, round(duration_ms)), '' ORDER BY step_no)
		FROM failover_timeline t WHERE t.event_id = h.event_id AND status = 'done' AND step IN ('freeze', 'lease', 'promote')), '')
		FROM failover_history h WHERE kind = 'failover' ORDER BY event_id DESC LIMIT 1")
	note "run $2: $outage ms, streaming again after $back ms, $late acknowledged by the old primary once the promotion had begun, $lost of $acknowledged lost ($parts)"
	forget_group
	drop_servers
}

# Writers that know nobody but p; their numbers are others.
start_old_writer()
{
	# shellcheck disable=SC2086
	${host_of[p]:-} "${as_user[@]}" "$work/src/test/lib/writer" -o "$1" -t 300 -w "$writers" -f 100 -T 60000 \
		-i 'INSERT INTO failover_test (writer, id) VALUES ($1, $2) RETURNING id' "$(conninfo p) target_session_attrs=any connect_timeout=2" 2>"$1.err" &
	old_writer_pid=$!
}

stop_old_writer()
{
	kill -TERM "$old_writer_pid" 2>/dev/null
	wait "$old_writer_pid" 2>/dev/null || true
	old_writer_pid=
}

# silence_report PART HEADING
silence_report()
{
	heading "$2"
	row "until somebody takes writes again" "$work/$1" 1
	row "the old primary streams again, once it is back" "$work/$1" 2
	row "commits acknowledged by it once a promotion had begun" "$work/$1" 3
	row "acknowledged rows that were lost, asynchronous replication" "$work/$1" 4
	at_most "outage, ms: lease_time and 1.5 s" "$work/$1" 1 4500
	at_most "until the old primary streams again, ms" "$work/$1" 2 10000
	at_most "commits acknowledged once a promotion had begun" "$work/$1" 3 0
	at_most "acknowledged rows that were lost, where the failover denies to have lost any" "$work/$1" 5 0
}
