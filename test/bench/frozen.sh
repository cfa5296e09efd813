# frozen.sh - part of test/bench/bench: SIGSTOP of every process of a primary under load

. "$here/silence.sh"

part_frozen()
{
	local i

	for ((i = 1; i <= ${RUNS:-3}; i++))
	do
		silence_run frozen $i "freeze_server p" "thaw_server p" || { thaw_server p; abandon "frozen, run $i"; return; }
	done
	silence_report frozen "Every process of the primary is stopped under load, ms, default settings"
}
