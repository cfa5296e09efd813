# rejoin.sh - part of test/bench/bench: a diverged old primary comes back
#
# A primary goes on writing while nothing leaves it any more, is killed, and replaced.
# Then it is started again, as a service manager would: that is all that anybody
# does, and it has to find out, stop, rewind and follow.  It is compared with somebody
# who knows all of that: pg_rewind of the same directory (a copy of the dead one),
# and a start as a standby.  Both end when the new primary has it streaming.

# Both are diverged by a few megabytes; the table is larger.
rejoin_rows=${REJOIN_ROWS:-400000}

# The old primary streams from the new one.
await_streaming()
{
	as "$work/src/test/bench/ideal" await "$(conninfo "$1")" \
		"SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = '$2' AND state = 'streaming')"
}

# Prints milliseconds from the start of the old primary until it streams.
rejoin_by_itself()
{
	local start

	start=$(now_us)
	as "$bindir/pg_ctl" -s -W -D "$work/p" -l "$work/p.log" start
	await_streaming "$1" p || return 1
	since "$start"
	wait_sql coordinator "SELECT current_event IS NULL FROM failover_status('bench')"
}

# The same by hand.
rejoin_by_hand()
{
	local start

	as cp "$work/p/postgresql.conf" "$work/p.conf"
	start=$(now_us)
	as "$bindir/pg_rewind" --target-pgdata="$work/p" --source-server="$(conninfo "$1")" >"$work/rewind.log" 2>&1 ||
		{ cat "$work/rewind.log" >&2; return 1; }
	as cp "$work/p.conf" "$work/p/postgresql.conf"
	as touch "$work/p/standby.signal"
	echo "primary_conninfo = '$(conninfo "$1") application_name=p'" | as tee -a "$work/p/postgresql.auto.conf" >/dev/null
	as "$bindir/pg_ctl" -s -W -D "$work/p" -l "$work/p.log" start
	await_streaming "$1" p || return 1
	since "$start"
}

# Of the last rejoin; nothing if there was no rewind.
rewind_ms()
{
	sql p "SELECT rewind_ms FROM failover_node_status()"
}

# The old primary is dead again, as it was.
revive_dead()
{
	as "$bindir/pg_ctl" -s -w -m immediate -D "$work/p" stop
	# What the new primary says of it must not be of the last time.
	wait_sql "$1" "SELECT NOT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = 'p')"
	as rm -rf "$work/p"
	as cp -a --reflink=auto "$work/p.dead" "$work/p"
}

# Appends "by itself, by hand, of it in pg_rewind" to $work/rejoin.
rejoin_run()
{
	local new by_itself by_hand rewind first second

	fresh_servers large '' && start_failover lease || return 1
	# What it will lose is no reason to hold here.
	sql coordinator "SELECT failover_set('bench', 'max_lag', '1GB')" >/dev/null
	# Nothing leaves it any more, and it writes.
	kill -STOP $(walsenders p)
	sql p "UPDATE filler SET filler = 'old' || filler WHERE id % 37 = 0" || return 1
	kill_server p >/dev/null
	wait_sql coordinator "SELECT status = 'completed' FROM failover_history WHERE kind = 'failover' ORDER BY event_id DESC LIMIT 1" || return 1
	new=$(sql coordinator "SELECT primary_peer FROM failover_status('bench')")
	wait_killed p
	sql "$new" "UPDATE filler SET filler = 'new' || filler WHERE id % 41 = 0" || return 1
	sql "$new" "CHECKPOINT"
	as rm -rf "$work/p.dead"
	as cp -a --reflink=auto "$work/p" "$work/p.dead"

	# In turns.
	if [ $(($1 % 2)) = 1 ]
	then
		by_itself=$(rejoin_by_itself "$new") && rewind=$(rewind_ms) && revive_dead "$new" &&
			by_hand=$(rejoin_by_hand "$new") || return 1
	else
		by_hand=$(rejoin_by_hand "$new") && revive_dead "$new" &&
			by_itself=$(rejoin_by_itself "$new") && rewind=$(rewind_ms) || return 1
	fi
	[ -n "$rewind" ] || { fail "it was not rewound"; return 1; }
	echo "$by_itself $by_hand $rewind" >>"$work/rejoin"
	note "run $1: $by_itself ms (by hand $by_hand), of it $rewind in pg_rewind"
	forget_group
	drop_servers
}

part_rejoin()
{
	local i

	fresh_servers node '' || { abandon "rejoin: no servers"; return; }
	sql p "SELECT failover_node_release()" >/dev/null
	sql p "CREATE TABLE filler AS SELECT i AS id, repeat('x', 200) AS filler FROM generate_series(1, $rejoin_rows) i"
	wait_sql a "SELECT pg_last_wal_replay_lsn() >= '$(sql p "SELECT pg_current_wal_lsn()")'"
	wait_sql b "SELECT pg_last_wal_replay_lsn() >= '$(sql p "SELECT pg_current_wal_lsn()")'"
	keep_template large
	for ((i = 1; i <= ${RUNS:-4}; i++))
	do
		rejoin_run $i || { abandon "rejoin, run $i"; return; }
	done
	heading "A diverged old primary, from its start until it streams, ms, $(du -sm "$work/p.large" | cut -f1) MB"
	row "by itself" "$work/rejoin" 1
	row "by hand: pg_rewind and start" "$work/rejoin" 2
	row "of \"by itself\", in pg_rewind" "$work/rejoin" 3
	ratio "by itself to by hand" "$work/rejoin" 1 2 2
}
