#!/bin/bash
# usage: deploy_cloud.sh [--target TRIPLE] HOST     build here, bring the programs to HOST over ssh, and put them in use there
#        deploy_cloud.sh --install BIN_DIR          the second half alone, as root on the machine itself
#
# A version is taken into use by one rename and left by one rename: what does not start, or gives no sign of life, is
# rolled back to the version before. Nothing is changed before the new programs have told their version. Only the
# programs that belong on a cloud machine are installed. Doing it again with the same programs changes nothing.
set -euo pipefail

programs=(cloud-agent mcp-email mcp-odoo mcp-social)
root=/usr/local/lib/ai-employee
vault=/var/lib/ai-employee/vault
# How long a new version may take to show a sign of life, in seconds.
patience=${AIE_DEPLOY_PATIENCE:-60}
# How many versions are kept.
keep=3

say() { echo "deploy_cloud.sh: $*"; }
fail() { echo "deploy_cloud.sh: $*" >&2; exit 1; }
usage() { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }

# Each program of DIR tells the same version; prints it.
version_of() {
  local program said version=
  for program in "${programs[@]}"; do
    [ -x "$1/$program" ] || fail "there is no $program in $1; nothing was changed"
    said=$("$1/$program" --version 2>&1) || fail "$1/$program does not start: ${said:0:300}; nothing was changed"
    [[ $said == "$program "[0-9]* ]] || fail "$1/$program says ${said:0:100}, which is no version; nothing was changed"
    said=${said#"$program "}
    [ -z "$version" ] || [ "$version" = "$said" ] || fail "$program is of version $said, the others of $version; nothing was changed"
    version=$said
  done
  echo "$version"
}

# What names exactly these programs.
digest_of() {
  (cd "$1" && sha256sum "${programs[@]}") | sha256sum | cut -c1-12
}

# Makes NAME the link to TARGET in one step, whatever was there.
link() {
  ln -sfn "$1" "$2.new.$$"
  mv -T "$2.new.$$" "$2"
}

in_use() { readlink "$root/current" 2>/dev/null || true; }

has_service() {
  command -v systemctl >/dev/null && [ -e /etc/systemd/system/cloud-agent.service ]
}

# Whether the service is meant to run: it runs, or it did and failed.
is_wanted() {
  has_service && { systemctl is-active --quiet cloud-agent || systemctl is-enabled --quiet cloud-agent 2>/dev/null; }
}

# Restarts the service; true once it runs and has written a sign of life that is newer than the restart.
restarted() {
  local mark end
  mark=$(mktemp)
  if ! systemctl restart cloud-agent 9>&-; then
    rm -f "$mark"
    return 1
  fi
  end=$((SECONDS + patience))
  while [ $SECONDS -lt $end ]; do
    systemctl is-active --quiet cloud-agent || break
    if [ -n "$(find "$vault" -maxdepth 1 -name '.heartbeat_*.json' -newer "$mark" -print -quit 2>/dev/null)" ]; then
      rm -f "$mark"
      return 0
    fi
    sleep 0.5
  done
  rm -f "$mark"
  return 1
}

install_here() {
  local from=$1 version id new old space
  [ "$(id -u)" = 0 ] || fail "--install must run as root"
  from=$(cd "$from" && pwd -P)
  version=$(version_of "$from")
  id=$version-$(digest_of "$from")
  mkdir -p "$root/releases"
  # One deploy at a time, also when this one is killed.
  exec 9> "$root/lock"
  flock -n 9 || fail "another deploy is under way"
  # What an interrupted one left.
  rm -rf "$root"/releases/.new-*
  old=$(in_use)
  if [ "$old" = "releases/$id" ]; then
    say "version $version ($id) is in use already"
    if has_service && systemctl is-active --quiet cloud-agent; then
      tidy
      return
    fi
  else
    if [ ! -d "$root/releases/$id" ]; then
      space=$(df --output=avail -k "$root/releases" | tail -n 1)
      [ "$space" -gt "$(cd "$from" && du -ckL "${programs[@]}" | tail -n 1 | cut -f1)" ] \
        || fail "the disk is full: only $((space / 1024)) MB are free at $root; nothing was changed, make room and run it again"
      new=$root/releases/.new-$$
      mkdir "$new"
      if ! copied "$from" "$new"; then
        rm -rf "$new"
        fail "the programs could not be copied to $root; nothing was changed"
      fi
      [ "$(digest_of "$new")" = "${id##*-}" ] || { rm -rf "$new"; fail "what was copied is not what was built; nothing was changed"; }
      mv -T "$new" "$root/releases/$id"
    fi
    link "releases/$id" "$root/current"
    say "version $version ($id) is in use; before: ${old:-none}"
  fi
  local program
  for program in "${programs[@]}"; do
    link "$root/current/$program" "/usr/local/bin/$program"
  done
  if is_wanted; then
    if restarted; then
      say "it runs, and gives signs of life"
    elif [ -n "$old" ] && [ "$old" != "releases/$id" ]; then
      link "$old" "$root/current"
      if restarted; then
        fail "version $version ($id) did not come up within $patience s; $old is in use again and runs; see journalctl -u cloud-agent"
      fi
      fail "version $version ($id) did not come up, and neither does $old, which is in use again; see journalctl -u cloud-agent"
    else
      fail "version $version ($id) did not come up within $patience s, and there is none before it; see journalctl -u cloud-agent"
    fi
  elif has_service; then
    say "the service is not enabled yet: cloud-agent init, then systemctl enable --now cloud-agent"
  fi
  tidy
}

copied() {
  (cd "$1" && cp -L "${programs[@]}" "$2/") && chmod 755 "$2"/* && sync -f "$2"
}

# Removes old versions, never the one in use.
tidy() {
  local release
  find "$root/releases" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %f\n' | sort -rn | tail -n "+$((keep + 1))" | cut -d' ' -f2 \
    | while IFS= read -r release; do
        [ "releases/$release" = "$(in_use)" ] || rm -rf "${root:?}/releases/$release"
      done
}

from_here() {
  local target=() host bin there arguments=()
  if [ "${1:-}" = --target ]; then
    target=(--target "${2:?a target, such as aarch64-unknown-linux-gnu}")
    shift 2
  fi
  host=${1:?}
  cd "$(dirname "$0")/.."
  for bin in "${programs[@]}"; do arguments+=(--bin "$bin"); done
  cargo build --release --locked "${target[@]}" "${arguments[@]}"
  bin=${CARGO_TARGET_DIR:-target}/${target[1]:-}/release
  there=$(ssh -o BatchMode=yes "$host" mktemp -d) \
    || fail "ssh $host does not work from here without asking for something, or its /tmp is full; nothing was changed"
  # Whatever happens now, nothing of it stays in the machine's /tmp.
  # shellcheck disable=SC2064
  trap "ssh -o BatchMode=yes '$host' rm -rf '$there' || true" EXIT
  scp -q -o BatchMode=yes "${programs[@]/#/$bin/}" deploy/deploy_cloud.sh "$host:$there/" \
    || fail "the programs could not be copied to $host; nothing was changed (is there room in its /tmp?)"
  ssh -o BatchMode=yes "$host" "if [ \$(id -u) = 0 ]; then bash '$there/deploy_cloud.sh' --install '$there'
    else sudo -n bash '$there/deploy_cloud.sh' --install '$there'; fi"
}

case ${1:-} in
  --install) [ $# = 2 ] || usage; install_here "$2" ;;
  --target) [ $# = 3 ] || usage; from_here "$@" ;;
  ''|-*) usage ;;
  *) [ $# = 1 ] || usage; from_here "$@" ;;
esac
