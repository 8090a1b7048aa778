#!/bin/bash
# usage: setup_local.sh BIN_DIR [--user NAME] [-- INIT_FLAGS…]
#
# Installs the owner's programs. As an ordinary user: into ~/.local/bin. As root with --user: into /usr/local/bin, with the
# services of that user, who must have a home in /home. With INIT_FLAGS it runs `local-agent init` too, as that user and in
# that user's home; files in them are read by that user, so name them with their whole path. It can be run again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
programs=(local-agent sync-watcher mcp-email mcp-odoo mcp-social mcp-whatsapp mcp-payment)

say() { echo "setup_local.sh: $*"; }
fail() { echo "setup_local.sh: $*" >&2; exit 1; }
usage() { sed -n '2s/^# //p' "$0" >&2; exit 2; }

[ $# -ge 1 ] || usage
case $1 in -*) usage ;; esac
bin=$(cd "$1" && pwd -P) || fail "there is no folder $1"
shift
user=
while [ $# -gt 0 ]; do
  case $1 in
    --user) user=${2:?a user}; shift 2 ;;
    --) shift; break ;;
    *) usage ;;
  esac
done

version=
for program in "${programs[@]}"; do
  said=$("$bin/$program" --version 2>&1) || fail "$bin/$program does not start: ${said:0:300}; nothing was changed"
  [ -z "$version" ] || [ "$version" = "${said#"$program "}" ] || fail "$program is of version ${said#"$program "}, the others of $version"
  version=${said#"$program "}
done
if ! command -v git >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then fail "git is missing; install it first"; fi
  apt-get -q update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends git openssh-client ca-certificates >/dev/null
fi

# Each program is replaced in one step, also while it runs.
place() {
  local program
  mkdir -p "$1"
  for program in "${programs[@]}"; do
    install -m 755 "$bin/$program" "$1/.$program.new.$$"
    mv -T "$1/.$program.new.$$" "$1/$program"
  done
  say "version $version is in $1"
}

if [ "$(id -u)" != 0 ]; then
  [ -z "$user" ] || [ "$user" = "$(id -un)" ] || fail "only root can set up another user"
  place "$HOME/.local/bin"
  case :$PATH: in *:"$HOME/.local/bin":*) ;; *) say "add $HOME/.local/bin to your PATH" ;; esac
  cd "$HOME"
  if [ $# -gt 0 ]; then "$HOME/.local/bin/local-agent" init "$@"; else say "next: cd; local-agent init"; fi
  exit
fi

[ -n "$user" ] || fail "as root it needs --user NAME: whose machine this is"
home=$(getent passwd "$user" | cut -d: -f6) || true
[ -d "${home:-/nowhere}" ] || fail "there is no user $user with a home"
place /usr/local/bin
for unit in local-agent@.service sync-watcher@.service; do
  install -D -m 644 "$here/systemd/$unit" "/etc/systemd/system/$unit"
done
if command -v systemctl >/dev/null; then systemctl daemon-reload; fi
if [ $# -gt 0 ]; then
  # In that user's home, and in an environment without root's: a config.yaml in this folder is not that user's.
  (cd "$home" && runuser -u "$user" -- env -i HOME="$home" PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 local-agent init "$@")
else
  say "next, as $user: cd; local-agent init"
fi
case $home in
  "/home/$user") say "the services: systemctl enable --now local-agent@$user sync-watcher@$user" ;;
  *) say "$home is not /home/$user: see the comment in /etc/systemd/system/local-agent@.service before you enable the services" ;;
esac
