#!/bin/bash
# usage: setup_cloud.sh BIN_DIR [--join-file FILE] [--known-hosts FILE] [INIT_FLAGS…]
#
# Sets a Debian or Ubuntu machine (x86-64 or aarch64) up as the cloud machine, as root: what git needs, a user of its own,
# the programs that belong here, the service. With --join-file (the line that local-agent init printed) it runs
# `cloud-agent init` as that user too and starts the service; INIT_FLAGS go to it, such as --mail-password-file FILE.
# --known-hosts takes the remote's host keys, as ssh-keyscan prints them, once you have checked them.
# It can be run again at any time: what is there already stays.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
user=ai-employee
home=/var/lib/ai-employee
etc=/etc/ai-employee

say() { echo "setup_cloud.sh: $*"; }
fail() { echo "setup_cloud.sh: $*" >&2; exit 1; }
usage() { sed -n '2s/^# //p' "$0" >&2; exit 2; }

# Runs a program as the service's user, in its home and in an environment without root's.
as_user() {
  (cd "$home" && runuser -u "$user" -- env -i HOME="$home" PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 "$@")
}

# A file of root's that the service's user can read for as long as this runs.
lend() {
  [ -r "$1" ] || fail "cannot read $1"
  local copy
  copy=$(mktemp "$lent/XXXXXX")
  cat "$1" > "$copy"
  chown "$user:" "$copy"
  echo "$copy"
}

packages() {
  local missing=() name
  for name in git ca-certificates openssh-client; do
    dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update >/dev/null
  apt-get -q -y install --no-install-recommends "${missing[@]}" >/dev/null
}

account() {
  if ! getent passwd "$user" >/dev/null; then
    useradd --system --home-dir "$home" --no-create-home --shell /usr/sbin/nologin --comment "AI Employee" "$user"
    say "made the user $user"
  fi
  install -d -o "$user" -g "$user" -m 700 "$home" "$home/.ssh" "$etc"
  if [ ! -e "$home/.ssh/id_ed25519" ]; then
    as_user ssh-keygen -q -t ed25519 -N '' -C "ai-employee@$(uname -n)" -f "$home/.ssh/id_ed25519"
    say "made an ssh key for the remote"
  fi
  if [ -n "$known_hosts" ]; then
    [ -r "$known_hosts" ] || fail "cannot read $known_hosts"
    touch "$home/.ssh/known_hosts"
    # Each line once.
    sort -u "$home/.ssh/known_hosts" "$known_hosts" > "$home/.ssh/known_hosts.new"
    mv "$home/.ssh/known_hosts.new" "$home/.ssh/known_hosts"
    chown "$user:" "$home/.ssh/known_hosts"
    chmod 600 "$home/.ssh/known_hosts"
  fi
}

service() {
  install -D -m 644 "$here/systemd/ai-employee.conf" /etc/sysusers.d/ai-employee.conf
  install -D -m 644 "$here/systemd/cloud-agent.service" /etc/systemd/system/cloud-agent.service
  if command -v systemctl >/dev/null; then systemctl daemon-reload; fi
}

[ $# -ge 1 ] || usage
case $1 in -*) usage ;; esac
[ "$(id -u)" = 0 ] || fail "must run as root"
bin=$(cd "$1" && pwd -P) || fail "there is no folder $1"
shift
join=
known_hosts=
flags=()
while [ $# -gt 0 ]; do
  case $1 in
    --join-file) join=$(realpath "${2:?a file}"); shift 2 ;;
    --known-hosts) known_hosts=$(realpath "${2:?a file}"); shift 2 ;;
    --mail-password-file|--mail-ca-file)
      # ACCOUNT=FILE or FILE; made absolute, because it is read from another folder.
      case ${2:?a file} in
        *=*) flags+=("$1" "${2%%=*}=$(realpath "${2#*=}")") ;;
        *) flags+=("$1" "$(realpath "$2")") ;;
      esac
      shift 2
      ;;
    *) flags+=("$1"); shift ;;
  esac
done
[ ${#flags[@]} = 0 ] || [ -n "$join" ] || fail "${flags[0]} goes to cloud-agent init, which needs --join-file"

grep -qE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release || fail "this is neither Debian nor Ubuntu: $(sed -n 's/^PRETTY_NAME=//p' /etc/os-release)"
case $(uname -m) in x86_64|aarch64) ;; *) fail "no programs are built for $(uname -m)" ;; esac

packages
account
service
bash "$here/deploy_cloud.sh" --install "$bin"

if [ -n "$join" ]; then
  lent=$(mktemp -d)
  trap 'rm -rf "$lent"' EXIT
  chmod 711 "$lent"
  given=()
  while [ ${#flags[@]} -gt 0 ]; do
    case ${flags[0]} in
      --mail-password-file)
        file=${flags[1]}
        case $file in
          *=*) given+=("${flags[0]}" "${file%%=*}=$(lend "${file#*=}")") ;;
          *) given+=("${flags[0]}" "$(lend "$file")") ;;
        esac
        flags=("${flags[@]:2}")
        ;;
      --mail-ca-file)
        install -m 644 "${flags[1]}" "$etc/mail-ca.pem"
        given+=("${flags[0]}" "$etc/mail-ca.pem")
        flags=("${flags[@]:2}")
        ;;
      *) given+=("${flags[0]}"); flags=("${flags[@]:1}") ;;
    esac
  done
  status=0
  as_user cloud-agent init --config "$etc/config.yaml" --vault "$home/vault" --data "$home/data" \
    --join-file "$(lend "$join")" "${given[@]}" || status=$?
  if [ $status != 0 ]; then
    say "the remote must know this key, with the right to write (for GitHub: Deploy keys):"
    cat "$home/.ssh/id_ed25519.pub"
    say "and this machine must know the remote's host key:"
    echo "  ssh-keyscan HOST > hosts; ssh-keygen -lf hosts     # compare with what the host publishes, then run this again"
    echo "  with --known-hosts hosts, or: (cd $home && runuser -u $user -- sh -c 'cat >> .ssh/known_hosts') < hosts"
    exit $status
  fi
  if command -v systemctl >/dev/null; then
    systemctl enable cloud-agent
    systemctl restart cloud-agent
    say "the service runs: journalctl -u cloud-agent, and as root:"
  else
    say "there is no systemd here; the programs are installed, and as root:"
  fi
else
  say "the remote must know this key, with the right to write (for GitHub: Deploy keys):"
  cat "$home/.ssh/id_ed25519.pub"
  say "next, with the line that local-agent init printed in a file:"
  echo "  $0 BIN_DIR --join-file FILE --known-hosts FILE --mail-password-file FILE"
  say "later, as root:"
fi
echo "  (cd $home && runuser -u $user -- env HOME=$home cloud-agent doctor --config $etc/config.yaml --data $home/data)"
