# crash.sh - part of test/bench/bench: a primary is killed under load
#
# In turns with an ideal script (ideal.c) on servers of the same kind.  The outage is
# what clients saw: the longest time that a writer on a libpq multi-host connection
# string went without an acknowledgement.

start_ideal()
{
	rm -f "$work/ideal.out"
	"${as_user[@]}" "$work/src/test/bench/ideal" crash "$(conninfo p)" a "$(conninfo a)" b "$(conninfo b)" >"$work/ideal.out" &
	ideal_pid=$!
	until grep -q ready "$work/ideal.out" 2>/dev/null
	do
		tick
	done
}

end_ideal()
{
	wait "$ideal_pid" || return 1
	awk 'NF == 4 { print $4 }' "$work/ideal.out"
}

# crash_run MODE WHO NUMBER: appends "outage acknowledged lost" to $work/MODE.WHO
crash_run()
{
	local mode=$1 who=$2 record=$work/$1.$2.$3.record sync='' before new

	[ "$mode" = async ] || sync='ANY 1 (a, b)'
	fresh_servers plain "$sync" || { fail "the servers do not replicate"; return 1; }
	"start_$who" sql || { fail "$who does not start watching"; return 1; }
	start_writer "$record" 120 "$writers" p a b
	wait_acks "$record" 500 || { fail "the writers do not write"; return 1; }
	kill_server p >/dev/null
	"end_$who" >"$work/new" || { fail "$mode, $who, run $3: no failover"; return 1; }
	new=$(tail -1 "$work/new")
	before=$(grep -c '^a' "$record")
	wait_acks "$record" $((before + 300)) || { fail "$mode, $who, run $3: nobody can write"; return 1; }
	stop_writer
	sql "$new" "SELECT writer || '/' || id FROM failover_test" >"$work/rows"
	read -r acknowledged outage lost < <("$root/test/lib/acks" "$record" "$work/rows")
	echo "$outage $acknowledged $lost" >>"$work/$mode.$who"
	printf '%s\n' "${dim}   $mode $who run $3: $outage ms, $lost of $acknowledged lost, new primary $new${plain}"
	drop_servers
}

# crash_report MODE
crash_report()
{
	local who median least most medians=()

	for who in ideal failover
	do
		[ -s "$work/$1.$who" ] || return 0
		read -r median least most < <(awk '{ print $1 }' "$work/$1.$who" | quantiles)
		medians+=("$median")
		printf '   %-6s %-14s %8s %8s %8s %14s %6s\n' "$1" "$([ $who = ideal ] && echo 'ideal script' || echo failover)" \
			"$median" "$least" "$most" "$(awk '{ n += $2 } END { print n }' "$work/$1.$who")" \
			"$(awk '{ n += $3 } END { print n }' "$work/$1.$who")"
	done
	awk -v a="${medians[0]}" -v b="${medians[1]}" -v limit=$limit \
		'BEGIN { printf "          ratio %.2f (limit %.1f)\n", b / a, limit; exit b > limit * a }' ||
		fail "$1: the outage is more than $limit times the ideal script's"
}

part_crash()
{
	local i mode who

	for mode in ${MODES:-async sync}
	do
		for ((i = 1; i <= ${RUNS:-7}; i++))
		do
			for who in ideal failover
			do
				crash_run $mode $who $i || { keep=yes; stop_writer; show_story; drop_servers; return; }
			done
		done
	done

	echo
	echo "${bold}Outage of the clients in ms, $writers writers, primary killed with all its processes, ${RUNS:-7} runs each${plain}"
	printf '   %-6s %-14s %8s %8s %8s %14s %6s\n' "" "" median least most acknowledged lost
	crash_report async
	crash_report sync
	[ ! -e "$work/sync.failover" ] || awk '$3 > 0 { exit 1 }' "$work/sync.failover" || fail "acknowledged rows were lost with synchronous replication"
	printf '   %s' "of failover, medians in ms:"
	for i in 1 2 3 4 5 6
	do
		names=(detection decision fence promote repoint total)
		printf ' %s %s' "${names[i - 1]}" "$(awk -v i=$i '{ print $i }' "$work/parts" | quantiles | cut -d. -f1)"
	done
	printf '\n'
}
