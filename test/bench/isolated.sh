# isolated.sh - part of test/bench/bench: a primary is cut off from everybody under load
#
# The primary lives on a host of its own, a network namespace, together with clients
# that still reach it.

. "$here/silence.sh"

# The primary's host and the wire to it.
make_host()
{
	unshare --net sleep infinity &
	holder_pid=$!
	until [ "$(readlink /proc/$holder_pid/ns/net)" != "$(readlink /proc/self/ns/net)" ]
	do
		tick
	done
	# Over a bridge, out of which the wire is pulled: nobody's kernel knows more of that than in reality.
	ip link add wire type veth peer name eth0 netns $holder_pid
	ip link add hub type bridge
	ip link set wire master hub
	ip link set wire up
	ip link set hub up
	ip address add 10.78.0.1/24 dev hub
	on_host ip link set lo up
	on_host ip address add 10.78.0.2/24 dev eth0
	on_host ip link set eth0 up
}

drop_host()
{
	kill $holder_pid
	wait $holder_pid 2>/dev/null || true
	holder_pid=
	ip link del hub
}

on_host()
{
	nsenter --net=/proc/$holder_pid/ns/net -- "$@"
}

cut_wire()
{
	ip link set wire nomaster
	now_us
}

mend_wire()
{
	ip link set wire master hub
}

part_isolated()
{
	local i

	if [ "${FAILOVER_BENCH_NET:-}" != private ]
	then
		note "skipped: no private network on this machine"
		return
	fi
	make_host
	address=([p]=10.78.0.2 [a]=10.78.0.1 [b]=10.78.0.1)
	host_of=([p]=on_host)
	silence_conf="listen_addresses = '*'"
	for ((i = 1; i <= ${RUNS:-3}; i++))
	do
		silence_run isolated $i cut_wire mend_wire || { mend_wire 2>/dev/null; abandon "isolated, run $i"; break; }
	done
	address=() host_of=() silence_conf=
	drop_host
	[ ! -s "$work/isolated" ] || silence_report isolated "The primary is cut off from everybody under load, ms, default settings"
}
