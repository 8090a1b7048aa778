# Sourced by the service scripts beside it: ports that are free now, and waiting until a server answers.

# free_ports N: prints N free loopback ports. They lie below the range from which outgoing connections are served, so
# that only another run of these scripts could take one between here and its use; starting then fails and is tried again.
free_ports() {
  python3 - "$1" <<'PY'
import random, socket, sys
held, ports = [], []
while len(ports) < int(sys.argv[1]):
    port = random.randrange(20000, 32000)
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", port))
    except OSError:
        continue
    held.append(s)
    ports.append(port)
print(*ports)
PY
}

# answers PORT PATTERN: true when the server on the port greets with the pattern; an empty pattern asks for a connection only.
answers() {
  local line=
  exec 9<>"/dev/tcp/127.0.0.1/$1" || return 1
  if [ -n "$2" ]; then IFS= read -r -t 2 line <&9 || true; fi
  exec 9>&-
  [[ $line == $2* ]]
}

# wait_for PORT PATTERN: waits up to 15 s until the server answers.
wait_for() {
  local end=$((SECONDS + 15))
  until answers "$1" "$2" 2>/dev/null; do
    [ $SECONDS -lt $end ] || { echo "nothing answers on port $1" >&2; return 1; }
    sleep 0.05
  done
}

# runs PID: true while the process lives; one that has ended and only waits for its parent to notice does not count.
runs() {
  local line
  read -r line < "/proc/$1/stat" 2>/dev/null || return 1
  line=${line##*) }
  [[ $line != [ZX]* ]]
}

# stop_pid FILE [-group]: ends the process (and its whole group) whose id is in FILE and waits for its end, but only when
# it was started from this directory: the number may belong to another process by now.
stop_pid() {
  local pid target end=$((SECONDS + 10))
  [ -f "$1" ] || return 0
  pid=$(tr -d ' \n' < "$1")
  if [ -n "$pid" ] && cat "/proc/$pid/cmdline" "/proc/$pid/environ" 2>/dev/null | grep -qaF -- "$D"; then
    target=$pid
    [ "${2:-}" != -group ] || target=-$pid
    kill -TERM -- "$target" 2>/dev/null || true
    while runs "$pid"; do
      [ $SECONDS -lt $end ] || { kill -KILL -- "$target" 2>/dev/null || true; break; }
      sleep 0.05
    done
  fi
  rm -f "$1"
}
