# Runs one component and makes sure that it does not outlive the launcher.
#
#   sh -c "$(cat supervise.sh)" NAME LOG PROGRAM [ARGUMENT...]
#
# stdin is a pipe held by the launcher alone. A line `terminate` asks the component to stop; any
# further line, or the end of the pipe (the launcher stopped or died), kills it. Exits with the
# component's own status.
log=$1
shift
# A background command of a script gets /dev/null as stdin, so the pipe travels as descriptor 3.
exec 3<&0 </dev/null
"$@" >>"$log" 2>&1 3<&- &
child=$!
(
	if IFS= read -r order && [ "$order" = terminate ]; then
		kill -TERM "$child"
		IFS= read -r order
	fi
	kill -KILL "$child"
) <&3 3<&- &
watchdog=$!
exec 3<&-
wait "$child"
status=$?
kill "$watchdog"
wait "$watchdog"
exit "$status"
