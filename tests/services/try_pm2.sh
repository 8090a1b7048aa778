#!/bin/bash
# usage: try_pm2.sh BIN_DIR
#
# Runs deploy/ecosystem.config.js with the programs of BIN_DIR under a real PM2 (from npm, with a home of its own) and tries
# it: start, back after kill -9, drain on stop, no restart after exit status 2, and no second instance when PM2 itself was
# killed and has lost sight of its apps. Needs node and npm.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
export AIE_BIN_DIR
AIE_BIN_DIR=$(cd "${1:?directory with the programs}" && pwd -P)
ecosystem=$here/../../deploy/ecosystem.config.js
work=$(mktemp -d /tmp/aie-pm2.XXXXXX)
export PM2_HOME=$work/pm2 PM2_DISCRETE_MODE=true NO_UPDATE_NOTIFIER=1
orphans=()

finish() {
  local status=$? pid
  pm2 kill >/dev/null 2>&1 || true
  for pid in "${orphans[@]}"; do
    grep -qaF "$AIE_BIN_DIR" "/proc/$pid/cmdline" 2>/dev/null && kill -KILL "$pid" 2>/dev/null || true
  done
  [ $status = 0 ] || tail -n 40 "$PM2_HOME"/pm2.log "$PM2_HOME"/logs/*.log >&2 || true
  rm -rf "$work"
}
trap finish EXIT

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
    sleep 0.1
  done
  echo "  $what"
}

pm2() { "$work/node_modules/.bin/pm2" "$@" </dev/null; }

# app NAME FIELD: pid or status of an app, as PM2 sees it.
app() {
  pm2 jlist 2>/dev/null | node -e '
    const text = require("fs").readFileSync(0, "utf8");
    const app = JSON.parse(text.slice(text.indexOf("["))).find((a) => a.name === process.argv[1]);
    if (app) console.log({ pid: app.pid, status: app.pm2_env.status }[process.argv[2]]);
  ' "$1" "$2"
}

online() { [ "$(app "$1" status)" = online ] && locked "$1"; }
# A daemon that holds its instance lock has finished starting.
locked() {
  case $1 in
    cloud-agent) grep -qx "$(app "$1" pid)" "$work/cloud/data/lock-cloud-001" 2>/dev/null ;;
    local-agent) grep -qx "$(app "$1" pid)" "$work/local/data/lock-local-001" 2>/dev/null ;;
    sync-watcher) grep -qx "$(app "$1" pid)" "$work/local/data/lock-watcher-local-001" 2>/dev/null ;;
  esac
}
back() { online "$1" && [ "$(app "$1" pid)" != "$2" ]; }
gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }
pm2_logged() { grep -q "$1" "$PM2_HOME/pm2.log"; }
starts() { grep -c "App \[$1:[0-9]*\] starting" "$PM2_HOME/pm2.log"; }
logged() { cat "$PM2_HOME/logs/$1"-*.log 2>/dev/null | grep -q "$2"; }

# start MACHINE NAMES: the command of the ecosystem file's head, on one of two machines.
start() {
  AIE_HOME=$work/$1 AI_EMPLOYEE_CONFIG=$work/$1/config.yaml AI_EMPLOYEE_DATA=$work/$1/data \
    pm2 start "$ecosystem" --only "$2" >>"$work/pm2.out" 2>&1
}

npm install --silent --no-audit --no-fund --prefix "$work" pm2@7 >"$work/npm.out" 2>&1 || { cat "$work/npm.out" >&2; exit 1; }
for machine in cloud local; do
  mkdir -p "$work/$machine/data" "$work/$machine/vault"
  chmod 700 "$work/$machine/data"
  echo "agent: { id: $machine-001, executor: local-001 }" > "$work/$machine/config.yaml"
done

say "PM2 $(pm2 --version 2>/dev/null | tail -1)"
start cloud cloud-agent
start local local-agent
for name in cloud-agent local-agent; do
  within 15 "$name runs" online $name
done

for name in cloud-agent local-agent; do
  pid=$(app $name pid)
  kill -KILL "$pid"
  within 15 "$name is back after kill -9" back $name "$pid"
done

say "stop"
for name in cloud-agent local-agent; do
  pid=$(app $name pid)
  begun=$EPOCHREALTIME
  pm2 stop $name >>"$work/pm2.out" 2>&1
  within 7 "$name has ended" gone "$pid"
  took=$(((${EPOCHREALTIME/./} - ${begun/./}) / 1000))
  expect "by itself, in $took ms" [ "$took" -lt 6000 ]
  expect "it drained on SIGINT" logged $name "SIGINT: stopping"
  expect "and was not cut off" logged $name "nothing was cut off"
done

say "a wrong configuration"
cp "$work/cloud/config.yaml" "$work/cloud/config.good"
echo 'nonsense: true' >> "$work/cloud/config.yaml"
pm2 restart cloud-agent >>"$work/pm2.out" 2>&1 || true
within 10 "cloud-agent ends with status 2" pm2_logged 'App \[cloud-agent:0\] exited with code \[2\]'
started=$(starts cloud-agent)
# That nothing happens shows only with time; PM2 would wait for half a second.
sleep 3
expect "and is not started again" [ "$(starts cloud-agent)" = "$started" ]
expect "it says what is wrong" logged cloud-agent nonsense
mv "$work/cloud/config.good" "$work/cloud/config.yaml"

say "PM2 itself is killed"
pm2 restart local-agent >>"$work/pm2.out" 2>&1
within 15 "local-agent runs" online local-agent
first=$(app local-agent pid)
orphans+=("$first")
kill -KILL "$(cat "$PM2_HOME/pm2.pid")"
expect "local-agent runs on" kill -0 "$first"
start local local-agent
within 15 "the second local-agent is refused" logged local-agent "already running"
expect "the first one still runs" kill -0 "$first"
kill -INT "$first"
within 30 "and when it ends, PM2's own takes over" back local-agent "$first"

say "sync-watcher"
git init -q --bare "$work/remote.git"
echo "sync: { enabled: true, remote: \"$work/remote.git\", interval_seconds: 1 }" >> "$work/local/config.yaml"
start local sync-watcher
within 15 "sync-watcher runs" online sync-watcher
pid=$(app sync-watcher pid)
kill -KILL "$pid"
within 15 "sync-watcher is back after kill -9" back sync-watcher "$pid"
say "all passed"
