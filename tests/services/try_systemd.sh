#!/bin/bash
# usage: try_systemd.sh BIN_DIR
#
# Boots a real systemd with the units of deploy/systemd and the programs of BIN_DIR, and tries them: readiness, restart
# after kill -9, the watchdog, no restart after exit status 2, a second instance, drain, the sandbox, and git over ssh
# out of the sandbox. Needs root. systemd runs as PID 1 of namespaces of its own, on a copy of this root that is gone
# afterwards; nothing outside is touched.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)

# Outside: a cgroup of its own, the namespaces, and the verdict.
outside() {
  local bin base status=1
  bin=$(cd "${1:?directory with the programs}" && pwd -P)
  [ "$(id -u)" = 0 ] || { echo "try_systemd.sh: must run as root" >&2; exit 1; }
  work=$(mktemp -d /tmp/aie-systemd.XXXXXX)
  base=$(findmnt -n -t cgroup2 -o TARGET | head -1)
  [ -n "$base" ] || { echo "try_systemd.sh: no cgroup2 is mounted" >&2; exit 1; }
  group=$base/${work##*/}
  mkdir "$group" "$work/out"
  trap 'remove_group; rm -rf --one-file-system "$work"' EXIT
  (
    echo $BASHPID > "$group/cgroup.procs"
    exec timeout --signal=KILL 300 unshare --mount --pid --fork --kill-child --net --uts --ipc --cgroup \
      bash "$here/try_systemd.sh" --boot "$work" "$bin"
  ) </dev/null >"$work/console" 2>&1 || true
  cat "$work/out/report" 2>/dev/null || true
  status=$(cat "$work/out/status" 2>/dev/null || echo 1)
  [ "$status" = 0 ] || { echo "--- console"; cat "$work/console"; echo "--- journal"; cat "$work/out/journal" 2>/dev/null || true; } >&2
  exit "$status"
}

remove_group() {
  local end=$((SECONDS + 10))
  until find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; do
    [ $SECONDS -lt $end ] || return 0
    sleep 0.05
  done
}

# PID 1 of the namespaces: builds the root and becomes systemd.
boot() {
  local work=$1 bin=$2 root=$1/root node
  mkdir "$root" "$work/mem"
  mount -t tmpfs tmpfs "$work/mem"
  mkdir "$work/mem/upper" "$work/mem/work"
  mount -t overlay -o "lowerdir=/,upperdir=$work/mem/upper,workdir=$work/mem/work" overlay "$root"

  # Of this machine's own services none is wanted, but for the journal.
  rm -rf "$root"/etc/systemd/system "$root"/etc/systemd/user.conf.d
  find "$root"/usr/lib/systemd/system -path '*.wants/*' ! -name 'systemd-journald*' -delete
  mkdir -p "$root/etc/systemd/system" "$root/aie" "$root/opt/aie"
  : > "$root/etc/fstab"
  echo aie-try > "$root/etc/hostname"
  rm -f "$root/etc/machine-id"
  tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"

  cp "$here"/../../deploy/systemd/*.service "$root/etc/systemd/system/"
  install -D -m 644 "$here/../../deploy/systemd/ai-employee.conf" "$root/etc/sysusers.d/ai-employee.conf"
  cp "$here"/*.sh "$root/opt/aie/"
  cat > "$root/etc/systemd/system/try.service" <<C
[Unit]
Description=the trial
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/bash /opt/aie/try_systemd.sh --inside
StandardOutput=append:/aie/report
StandardError=append:/aie/report
C

  mount --bind "$work/out" "$root/aie"
  mount --bind -o ro "$bin" "$root/usr/local/bin"
  mount -t proc proc "$root/proc"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
  done
  ln -s /proc/self/fd "$root/dev/fd"
  mkdir "$root/dev/shm" "$root/dev/pts" "$root/dev/mqueue" "$root/dev/hugepages"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  cd "$root"
  mkdir -p mnt
  pivot_root . mnt
  umount -l /mnt
  exec env -i container=aie PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=try.service --show-status=no
}

# Inside: the trial.
inside() {
  trap 'code=$?; journalctl --no-pager -o short-monotonic > /aie/journal 2>&1 || true; echo $code > /aie/status' EXIT
  systemd-sysusers
  useradd --create-home jane
  say "systemd $(systemctl --version | head -1 | cut -d' ' -f2) is PID $(cut -d' ' -f1 /proc/1/stat), $(cat /proc/1/comm)"
  remote
  machines

  try_unit cloud-agent cloud-001 ai-employee /var/lib/ai-employee /etc/ai-employee/config.yaml
  try_unit local-agent@jane local-001 jane /home/jane /home/jane/.config/ai-employee/config.yaml
  try_unit sync-watcher@jane '' jane /home/jane /home/jane/.config/ai-employee/config.yaml

  say "all three together"
  systemctl start cloud-agent local-agent@jane sync-watcher@jane
  expect "all are active" systemctl is-active --quiet cloud-agent local-agent@jane sync-watcher@jane
  hidden
  second_instance
  within 60 "the cloud agent has pushed over ssh, out of its sandbox" remote_has cloud-001
  within 60 "the local agent has pushed over ssh, out of its sandbox" remote_has local-001
  systemctl stop cloud-agent local-agent@jane sync-watcher@jane
  say "all passed"
}

remote() {
  bash /opt/aie/git.sh start /srv/git
  set -a
  . /srv/git/env
  set +a
}

# What the owner does once on each machine.
machines() {
  mkdir -p /etc/ai-employee
  settings cloud-001 > /etc/ai-employee/config.yaml
  install -d -o ai-employee -g ai-employee -m 700 /var/lib/ai-employee /var/lib/ai-employee/vault
  git_access ai-employee /var/lib/ai-employee
  runuser -u jane -- mkdir -p /home/jane/.config/ai-employee /home/jane/.local/share/ai-employee /home/jane/vault /home/jane/private
  runuser -u jane -- chmod 700 /home/jane/.local/share/ai-employee
  settings local-001 > /home/jane/.config/ai-employee/config.yaml
  chown -R jane: /home/jane/.config
  git_access jane /home/jane
}

settings() {
  cat <<C
agent: { id: $1, executor: local-001 }
sync: { enabled: true, remote: "$AIE_TEST_GIT_SSH_URL", interval_seconds: 2, push_gap_seconds: 1 }
health: { expect: { cloud-001: always, local-001: on-demand } }
C
}

git_access() {
  install -d -o "$1" -g "$1" -m 700 "$2/.ssh"
  install -o "$1" -g "$1" -m 600 "$AIE_TEST_GIT_SSH_KEY" "$2/.ssh/id_ed25519"
  install -o "$1" -g "$1" -m 600 "$AIE_TEST_GIT_KNOWN_HOSTS" "$2/.ssh/known_hosts"
}

remote_has() {
  git -C "$AIE_TEST_GIT_BARE" for-each-ref | grep -q "$1" \
    || git -C "$AIE_TEST_GIT_BARE" log --all --format=%s 2>/dev/null | grep -q "$1"
}

try_unit() {
  local unit=$1 user=$3 home=$4 config=$5 pid restarts
  say "$unit"
  mv "$config" "$config.away"
  systemctl start "$unit"
  expect "without a configuration it is left alone" fails systemctl is-active --quiet "$unit"
  expect "and that is no failure" fails systemctl is-failed --quiet "$unit"
  mv "$config.away" "$config"
  systemctl start "$unit"
  expect "ready" systemctl is-active --quiet "$unit"
  pid=$(property "$unit" MainPID)
  expect "runs as $user" [ "$(stat -c %U "/proc/$pid")" = "$user" ]
  expect "no capability, no new privileges, filtered system calls" confined "$pid"
  expect "the system is read-only for it" read_only "$pid" /etc /usr /srv
  expect "nothing in its own folder can be run" cannot_run "$pid" "$user" "$home"

  kill -KILL "$pid"
  within 10 "back after kill -9" restarted "$unit" "$pid" 1

  # The same unit with a shorter patience.
  mkdir -p "/run/systemd/system/$unit.service.d"
  printf '[Service]\nWatchdogSec=3\n' > "/run/systemd/system/$unit.service.d/try.conf"
  systemctl daemon-reload
  systemctl restart "$unit"
  pid=$(property "$unit" MainPID)
  restarts=$(property "$unit" NRestarts)
  within 10 "it feeds the watchdog" fed "$unit"
  kill -STOP "$pid"
  within 30 "back after it hung" restarted "$unit" "$pid" $((restarts + 1))
  expect "the watchdog said so" journal_says "$unit" "Watchdog timeout"

  timed 7 "drained on SIGTERM" systemctl stop "$unit"
  expect "and ended well" [ "$(property "$unit" Result)" = success ]

  cp -p "$config" "$config.good"
  echo 'nonsense: true' >> "$config"
  expect "a wrong configuration does not start" fails systemctl start "$unit"
  expect "it ends with status 2" [ "$(property "$unit" ExecMainStatus)" = 2 ]
  expect "and is not started again" [ "$(property "$unit" SubState),$(property "$unit" NRestarts)" = failed,0 ]
  mv "$config.good" "$config"
  systemctl reset-failed "$unit"
}

hidden() {
  local pid
  pid=$(property local-agent@jane MainPID)
  expect "the owner's other folders are not there for the local agent" fails nsenter -t "$pid" -m test -e /home/jane/private
  runuser -u jane -- mkdir -p /home/jane/.local/share/ai-employee/keys
  runuser -u jane -- touch /home/jane/.local/share/ai-employee/keys/owner
  systemctl restart local-agent@jane
  pid=$(property local-agent@jane MainPID)
  expect "and the signing key cannot be read by it" fails nsenter -t "$pid" -m setpriv --reuid=jane --clear-groups cat /home/jane/.local/share/ai-employee/keys/owner
}

second_instance() {
  local status=0
  runuser -u jane -- env HOME=/home/jane /usr/local/bin/local-agent --config /home/jane/.config/ai-employee/config.yaml --vault /home/jane/vault 2>/tmp/second </dev/null || status=$?
  cat /tmp/second
  expect "a second instance is refused with status 1" [ "$status" = 1 ]
  expect "the first one runs on" systemctl is-active --quiet local-agent@jane
}

say() { echo "- $*"; }

expect() {
  local what=$1
  shift
  "$@" || { echo "  NOT: $what"; exit 1; }
  echo "  $what"
}

within() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ $SECONDS -lt $end ] || { echo "  NOT: $what"; exit 1; }
    sleep 0.05
  done
  echo "  $what"
}

timed() {
  local start=$EPOCHREALTIME took
  local limit=$1 what=$2
  shift 2
  "$@"
  took=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
  expect "$what ($took ms)" [ "$took" -lt $((limit * 1000)) ]
}

fails() { ! "$@" 2>/dev/null; }
property() { systemctl show -P "$2" "$1"; }
restarted() {
  [ "$(property "$1" ActiveState)" = active ] && [ "$(property "$1" MainPID)" != "$2" ] && [ "$(property "$1" NRestarts)" = "$3" ]
}
fed() { [ "$(property "$1" WatchdogTimestampMonotonic)" -gt "$(property "$1" ActiveEnterTimestampMonotonic)" ]; }
journal_says() { journalctl --sync && journalctl -u "$1" --no-pager | grep -q "$2"; }
confined() {
  grep -q '^NoNewPrivs:	1$' "/proc/$1/status" && grep -q '^Seccomp:	2$' "/proc/$1/status" \
    && grep -q '^CapEff:	0000000000000000$' "/proc/$1/status" && grep -q '^CapBnd:	0000000000000000$' "/proc/$1/status"
}
read_only() {
  local pid=$1 place
  shift
  for place in "$@"; do
    ! nsenter -t "$pid" -m touch "$place/aie-probe" 2>/dev/null || return 1
  done
}
cannot_run() {
  local probe=$3/vault/probe
  nsenter -t "$1" -m setpriv --reuid="$2" --clear-groups sh -c "printf '#!/bin/sh\n' > $probe && chmod 755 $probe" || return 1
  ! nsenter -t "$1" -m setpriv --reuid="$2" --clear-groups "$probe" 2>/dev/null || return 1
  nsenter -t "$1" -m rm "$probe"
}

case ${1:-} in
  --boot) boot "$2" "$3" ;;
  --inside) inside ;;
  *) outside "$@" ;;
esac
