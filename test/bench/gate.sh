# gate.sh - part of test/bench/bench: what the node library adds to a transaction
#
# Two servers side by side, one with the library and a lease, one without; gate.c says
# how it is told apart from noise.  As a measure of the noise the same is done with
# two servers that both lack the library.

# gate_servers: p and a without the library, b with it and with a lease; each a primary of its own
gate_servers()
{
	local name

	drop_servers
	for name in p a b
	do
		as rm -rf "$work/$name"
		as cp -a --reflink=auto "$work/p.node" "$work/$name"
		{
			echo "port = ${port[$name]}"
			echo "autovacuum = off"
			[ $name = b ] || echo "shared_preload_libraries = ''"
		} | as tee -a "$work/$name/postgresql.conf" >/dev/null
		start_server $name || return 1
		as "$bindir/pgbench" -q -i -h "$work" -p "${port[$name]}" -U $superuser postgres >/dev/null 2>&1 || return 1
	done
	sql b "SELECT h.may_commit FROM failover_node_status() s, failover_node_heartbeat(1, s.clock_us + 3600000000, 3600000000, s.node_incarnation, 'bench') h" >/dev/null
	[ "$(sql b "SELECT armed AND may_commit FROM failover_node_status()")" = t ]
}

# gate_row WORDS KIND ROUNDS TRANSACTIONS SERVER: prints a line; leaves its last figures in gate_without and gate_with
gate_row()
{
	local ratio wall

	read -r ratio wall gate_without gate_with < <(as "$work/src/test/bench/gate" "$2" "$3" "$4" "$(conninfo p)" "$(conninfo "$5")") || return 1
	awk -v words="$1" -v cpu="$ratio" -v wall="$wall" -v a="$gate_without" -v b="$gate_with" 'BEGIN {
		printf "   %-42s %+9.2f %% %+9.2f %% %10.2f %10.2f\n", words, (cpu - 1) * 100, (wall - 1) * 100, a, b }'
}

# What is judged is the time that the least transaction takes longer, which has the
# same gate, as a part of a TPC-B transaction: of a whole TPC-B transaction the
# processor's caches alone make one server several percent slower than its twin.
part_gate()
{
	local tpcb

	gate_servers || { abandon "gate: no servers"; return; }
	echo
	echo "${bold}What the node library adds to a transaction under a lease${plain}"
	printf '   %-42s %11s %11s %10s %10s\n' "" "processor" "wall clock" "us without" "us with"
	gate_row "TPC-B, without against without: noise" tpcb 150 20 a || fail "gate"
	gate_row "TPC-B" tpcb 300 20 b || fail "gate"
	tpcb=$gate_without
	gate_row "the least transaction, noise" tiny 1500 50 a || fail "gate"
	gate_row "the least transaction" tiny 3000 50 b || fail "gate"
	awk -v a="$gate_without" -v b="$gate_with" -v t="$tpcb" 'BEGIN {
		printf "   the gate, of a TPC-B transaction: %.2f us, %.2f %% (limit 1 %%)\n", b - a, (b - a) / t * 100
		exit (b - a) / t > 0.01 }' || fail "the gate costs more than 1 % of a TPC-B transaction"
	drop_servers
}
